"""Commands of data hidden in images."""

from __future__ import annotations

import json
from pathlib import Path

import click

from medlab.cli.group import commands
from medlab.cli.options import KEY_FILE, PATH

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@commands.command("hide")
@click.argument("source", metavar="FILE", type=_FILE)
@click.argument("target", metavar="OUT", type=PATH)
@click.option("--payload", type=_FILE, required=True, help="What is hidden: any file.")
@click.option(
    "--method",
    type=click.Choice(["private", "shift", "expansion", "lsb"]),
    default="shift",
    show_default=True,
    help="lsb has no way back to the image; private is a private element (DICOM only).",
)
@KEY_FILE
def _hide(source: Path, target: Path, payload: Path, method: str, key_file: Path | None) -> None:
    """Hide a payload in the pixels of a DICOM or NIfTI file, sealed under a key.

    Compression with loss, export to a picture, or a change of one pixel destroys it.
    """
    from medlab import crypto
    from medlab.pipeline import hiding

    size = hiding.hide(source, target, payload, crypto.load_key(key_file), method)
    click.echo(f"{size} bytes hidden by {method}, read again and compared")


@commands.command("reveal")
@click.argument("source", metavar="FILE", type=_FILE)
@click.option("--payload", type=PATH, required=True, help="Where what was hidden goes.")
@click.option("--restore", "original", type=PATH, help="Where the image goes as it was before.")
@KEY_FILE
def _reveal(source: Path, payload: Path, original: Path | None, key_file: Path | None) -> None:
    """Take out what `medlab hide` hid in FILE; the method is found by itself."""
    from medlab import crypto
    from medlab.pipeline import hiding

    method = hiding.reveal(source, crypto.load_key(key_file), payload, original)
    click.echo(f"a payload was found, hidden by {method}")


@commands.command("detect")
@click.argument("source", metavar="FILE", type=_FILE)
@click.option("--clean", type=_FILE, help="The same image without a payload, for comparison.")
def detect(source: Path, clean: Path | None) -> None:
    """Print what a chi-square test and RS analysis say of the lowest bits of FILE, as JSON.

    Both raise false alarms on medical images, so compare with the clean one.
    """
    from medlab.pipeline import hiding

    click.echo(json.dumps(hiding.detect(source, clean), indent=2))
