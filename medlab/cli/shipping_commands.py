"""Commands that ship a folder: encrypted parts, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from medlab.cli.options import PATH, commands
from medlab.errors import UsageError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PASSPHRASE = click.option("--passphrase-file", type=_FILE, help="A passphrase in place of keys.")


@commands.command("pack")
@click.argument("source", metavar="SRC", type=PATH, required=False)
@click.argument("target", metavar="OUT", type=PATH, required=False)
@click.option("--to", "recipients", type=_FILE, help="Public keys of age or SSH, one a line.")
@_PASSPHRASE
@click.option("--part-mb", type=click.IntRange(1), default=1024, show_default=True)
@click.option("--new-identity", type=PATH, help="Write a new identity; print its public key.")
def _pack(
    source: Path | None,
    target: Path | None,
    recipients: Path | None,
    passphrase_file: Path | None,
    part_mb: int,
    new_identity: Path | None,
) -> None:
    """Encrypt a folder into parts in OUT, for whoever has an identity or the passphrase.

    The same command again goes on where it was stopped. age and tar open each part, too.
    """
    from medlab.crypto import shipping
    from medlab.pipeline import packing

    words = source, target, recipients, passphrase_file
    if new_identity is not None:
        if any(words):
            raise UsageError("--new-identity takes no SRC, OUT or other option")
        click.echo(shipping.new_identity(new_identity))
        return
    if source is None or target is None:
        raise UsageError("name SRC and OUT, or --new-identity")
    way = _way("--to", recipients, passphrase_file, shipping.read_recipients)
    done = packing.pack(source, target, *way, part_mb=part_mb, progress=sys.stderr.isatty())
    click.echo(f"{done.files} files packed, parts: {done.parts}; send OUT, keep OUT.job")


@commands.command("unpack")
@click.argument("source", metavar="OUT", type=PATH)
@click.argument("target", metavar="DST", type=PATH)
@click.option("--identity", type=_FILE, help="An identity of age, or an SSH private key.")
@_PASSPHRASE
def _unpack(
    source: Path, target: Path, identity: Path | None, passphrase_file: Path | None
) -> None:
    """Verify and write the files that `medlab pack` encrypted into OUT."""
    from medlab.crypto import shipping
    from medlab.pipeline import packing

    way = _way("--identity", identity, passphrase_file, shipping.read_identities)
    done = packing.unpack(source, target, *way, progress=sys.stderr.isatty())
    click.echo(f"{done.files} files verified, parts: {done.parts}")


def _way(
    option: str, file: Path | None, passphrase_file: Path | None, read: Any
) -> tuple[Any, Any]:
    """Return keys, or the lock of a passphrase; one of the two is needed."""
    from medlab import crypto

    if (file is None) is (passphrase_file is None):
        raise UsageError(f"name {option} or --passphrase-file, one of them")
    return (read(file), None) if file else ((), crypto.lock(passphrase_file))
