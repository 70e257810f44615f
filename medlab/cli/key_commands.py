"""Commands of keys, and of what lies under one: vaults, elements, images, a shipped folder."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medlab.cli.options import (
    FAILED,
    KEY_OF_JOB,
    PATH,
    commands,
    lock_of,
    opened,
    ways_to_key,
)
from medlab.errors import UsageError

if TYPE_CHECKING:
    from medlab.crypto import Lock

_VAULT = click.option(
    "--vault", "vault_file", type=PATH, help="By default that of SRC.job; its log lies beside it."
)
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
@_VAULT
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
@_VAULT
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


@commands.command("reidentify")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("target", metavar="[DST]", required=False, type=PATH)
@_VAULT
@ways_to_key
@click.option("--private-key", type=PATH, metavar="KEY.pem", help="Open encrypted attributes.")
@click.option("--certificate", type=PATH, metavar="CERT.pem", help="That of --private-key.")
@click.option("--reason", default="", help="Why; goes into the log. Needed to read a vault.")
@click.option(
    "--rotate-to",
    multiple=True,
    type=PATH,
    metavar="FILE",
    help="Put the vault under this key, made if new; given three times, under three shares.",
)
@click.option("--rotate-to-passphrase", type=PATH, metavar="FILE", help="Or under a passphrase.")
def _reidentify(
    source: Path,
    target: Path | None,
    vault_file: Path | None,
    key_file: Path | None,
    passphrase_file: Path | None,
    shares: tuple[Path, ...],
    private_key: Path | None,
    certificate: Path | None,
    reason: str,
    rotate_to: tuple[Path, ...],
    rotate_to_passphrase: Path | None,
) -> None:
    """Restore identifiers from the vault, for those who hold its key. Every read is logged.

    The key of one patient (medlab key patient) restores that patient's files alone. With
    --private-key, what deidentify --encrypt-to put into the files is put back, without a vault;
    --passphrase-file is then that of KEY.pem.

    \b
    medlab reidentify clean restored --reason "incidental finding"
    medlab reidentify clean restored --private-key office.key --certificate office.pem
    medlab reidentify clean --rotate-to new-key
    """  # noqa: D301  # click wants the character itself
    from medlab import pipeline
    from medlab.pipeline.reidentification import rotate

    rotates = bool(rotate_to or rotate_to_passphrase)
    if (target is not None) == rotates:
        raise UsageError("give either a DST to restore into, or --rotate-to to change the key")
    if private_key or certificate:
        if not (target and private_key and certificate) or vault_file or key_file or shares:
            raise UsageError("give DST, --private-key and --certificate, and nothing of a vault")
        _tell(*pipeline.open_envelopes(source, target, private_key, certificate, passphrase_file))
        return
    lock = lock_of(key_file, passphrase_file, shares)
    with pipeline.open_vault(source, vault_file, key_file, lock) as vault:
        if target is None:
            moved = rotate(source, vault, rotate_to, rotate_to_passphrase)
            click.echo(f"{moved} entries moved; the old key opens nothing now")
            return
        _tell(*pipeline.reidentify(source, target, vault, reason=reason))


def _tell(files: int, refused: int) -> None:
    click.echo(f"{files} files restored, {refused} refused")
    if refused or not files:
        raise SystemExit(FAILED)


@commands.command("audit")
@click.argument("log", metavar="LOG", type=PATH)
@opened
@click.option("--head", help="The last hash, as it was noted elsewhere.")
def _audit(log: Path, key_file: Path | None, lock: Lock | None, head: str | None) -> None:
    """Check the chain of an audit log (audit.jsonl, vault.db.log).

    With a key (an auditor's, from medlab key audit, will do) also its seals, and the end of a
    vault's log. The key that a vault may have beside it is taken by itself.
    """
    from medlab import crypto
    from medlab.pipeline.reidentification import auditing_key

    vault_file, own = log.with_name(log.name.removesuffix(".log")), log.with_name("key")
    is_vaults = vault_file != log and vault_file.is_file()
    if is_vaults and own.is_file() and lock is None:
        key_file = key_file or own
    key = auditing_key(log, vault_file if is_vaults else log.with_name("vault.db"), key_file, lock)
    end = crypto.vault.log_head(vault_file, key) if key and is_vaults else None
    problems = crypto.audit.check(log, key, head, end)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise SystemExit(FAILED)
    lines = sum(1 for _ in log.open("rb"))
    unchecked = "; its end was not checked, for that takes the key or --head"
    click.echo(f"the log is whole up to line {lines}{unchecked * (head is None and end is None)}")


@commands.group("decoys")
def _decoy_commands() -> None:
    """Studies of nobody in a copy, to tell who let it out."""


@_decoy_commands.command("add")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("target", metavar="CLEAN", type=PATH)
@click.option("--count", type=click.IntRange(1), required=True, help="How many studies.")
@KEY_OF_JOB
@click.option("--recipient", default="", metavar="NAME", help="Who gets this copy.")
def _add(source: Path, target: Path, count: int, key_file: Path | None, recipient: str) -> None:
    """Put COUNT decoys into CLEAN, which deidentify made from SRC with a vault.

    The job runs again for it, so what is new in SRC is done as well.
    """
    from medlab.pipeline import decoys

    files, sentence = decoys.add(source, target, count, key_file=key_file, recipient=recipient)
    click.echo(f"{count} decoys of {files} files; {sentence}")


@_decoy_commands.command("check")
@click.argument("folder", metavar="FOLDER", type=PATH)
@click.option("--vault", "vault_file", type=PATH, required=True, help="That of the job.")
@KEY_OF_JOB
def _check(folder: Path, vault_file: Path, key_file: Path | None) -> None:
    """Look for decoys in FOLDER by their pictures, and print whose copy they are from, as JSON."""
    from medlab.pipeline import decoys

    click.echo(json.dumps(decoys.check(folder, vault_file, key_file), indent=2))


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
    from medlab.pipeline import packing

    words = source, target, recipients, passphrase_file
    if new_identity is not None:
        if any(words):
            raise UsageError("--new-identity takes no SRC, OUT or other option")
        click.echo(packing.new_identity(new_identity))
        return
    if source is None or target is None:
        raise UsageError("name SRC and OUT, or --new-identity")
    way = _way("--to", recipients, passphrase_file, packing.read_recipients)
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
    from medlab.pipeline import packing

    way = _way("--identity", identity, passphrase_file, packing.read_identities)
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
