"""Commands of keys, and of what lies under one: elements, data hidden in images."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from medlab.cli.options import FAILED, PATH, VAULT, commands, opened

_KEY_FILE = click.option(
    "--key-file", type=PATH, help="The key; else the file named by MEDLAB_KEY_FILE."
)


@commands.group("key")
def _key_commands() -> None:
    """Make keys: a project's or a share of three, one patient's, an auditor's."""


@_key_commands.command("new")
@click.argument("file", type=PATH)
def _new_key(file: Path) -> None:
    """Write a new key into FILE, readable by you alone; Fernet takes it too.

    Whoever has it opens what it closed. Without it nobody does.
    """
    from medlab import crypto

    crypto.write_key(file)
    click.echo("a new key was written; keep a copy of it apart from the data")


@_key_commands.command("patient")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("code", metavar="CODE")
@click.argument("file", type=PATH)
@click.option("--reason", default="", help="Why; goes into the log. Needed.")
@VAULT
@opened
def _patient_key(source: Path, code: str, file: Path, reason: str, **opener: Any) -> None:
    """Write into FILE a key that restores one patient of SRC and nobody else.

    CODE is the Patient ID in the clean files. medlab reidentify takes FILE as --key-file.
    """
    from medlab import pipeline
    from medlab.pipeline.job_files import check_apart

    check_apart([file], source)
    with pipeline.open_vault(source, **opener) as vault:
        vault.patient_key(code, reason=reason).write(file)
    click.echo("a key was written that restores this patient alone; the log of the vault says so")


@_key_commands.command("audit")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("file", type=PATH)
@VAULT
@opened
def _auditors_key(source: Path, file: Path, **opener: Any) -> None:
    """Write into FILE a key that checks the logs of SRC.job, and restores nobody.

    medlab audit takes it as --key-file. It makes no seals either.
    """
    from medlab import crypto, pipeline

    with pipeline.open_vault(source, **opener) as vault:
        crypto.keys.write_audit_key(file, vault.audit_key)
    click.echo("a key was written that checks the logs of this job and opens no identity")


@commands.command("encrypt")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("target", metavar="DST", type=PATH)
@click.option(
    "--elements",
    default="PatientName,PatientID",
    show_default=True,
    help="Keywords of DICOM, with commas between them.",
)
@_KEY_FILE
def _encrypt(source: Path, target: Path, elements: str, key_file: Path | None) -> None:
    """Hide elements of a DICOM file or folder under a key (Fernet: AES-128, HMAC-SHA256).

    They are emptied, and stand encrypted in a private element. This is no de-identification: all
    other elements, other copies of the same values and file names stay as they are.
    """
    from medlab import crypto
    from medlab.methods import encryption

    keywords = [name.strip() for name in elements.split(",") if name.strip()]
    encryption.check_keywords(keywords)
    key = crypto.load_key(key_file)
    _copy(source, target, partial(encryption.encrypt_elements, key=key, keywords=keywords))
    click.echo("note: this is no de-identification; use medlab deidentify for that")


@commands.command("decrypt")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("target", metavar="DST", type=PATH)
@_KEY_FILE
def _decrypt(source: Path, target: Path, key_file: Path | None) -> None:
    """Put elements back that `medlab encrypt`, or the page, hid under this key."""
    from medlab import crypto
    from medlab.methods import encryption

    key = crypto.load_key(key_file)
    _copy(source, target, partial(encryption.decrypt_elements, key=key))


def _copy(source: Path, target: Path, treat: Any) -> None:
    from medlab import pipeline

    done = pipeline.treat_copies(source, target, treat)
    click.echo(f"{done.files} files written, {done.refused} refused")
    if done.refused or not done.files:
        raise SystemExit(FAILED)


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
    help="lsb does not restore the image; private is a private element (DICOM only).",
)
@_KEY_FILE
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
@_KEY_FILE
def _reveal(source: Path, payload: Path, original: Path | None, key_file: Path | None) -> None:
    """Take out what `medlab hide` hid in FILE; the method is found by itself."""
    from medlab import crypto
    from medlab.pipeline import hiding

    method = hiding.reveal(source, crypto.load_key(key_file), payload, original)
    click.echo(f"a payload was found, hidden by {method}")


@commands.command("detect")
@click.argument("source", metavar="FILE", type=_FILE)
@click.option("--clean", type=_FILE, help="The same image without a payload, for comparison.")
def _detect(source: Path, clean: Path | None) -> None:
    """Print what a chi-square test and RS analysis say of the lowest bits of FILE, as JSON.

    Both raise false alarms on medical images, so compare with the clean one.
    """
    from medlab.pipeline import hiding

    click.echo(json.dumps(hiding.detect(source, clean), indent=2))
