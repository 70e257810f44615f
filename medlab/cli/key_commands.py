"""Commands of keys, and of elements under a key."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from medlab.cli.group import FAILED, commands
from medlab.cli.options import KEY_FILE, PATH, VAULT, opened


@commands.group("key")
def key_commands() -> None:
    """Make keys: a project's or a share of three, one patient's, an auditor's."""


@key_commands.command("new")
@click.argument("file", type=PATH)
def new_key(file: Path) -> None:
    """Write a new key into FILE, readable by you alone; Fernet takes it too.

    Whoever has it opens what it closed. Without it nobody does.
    """
    from medlab import crypto

    crypto.write_key(file)
    click.echo("a new key was written; keep a copy of it apart from the data")


@key_commands.command("patient")
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


@key_commands.command("audit")
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
        crypto.role_keys.write_audit_key(file, vault.audit_key)
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
@KEY_FILE
def encrypt(source: Path, target: Path, elements: str, key_file: Path | None) -> None:
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
@KEY_FILE
def decrypt(source: Path, target: Path, key_file: Path | None) -> None:
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
