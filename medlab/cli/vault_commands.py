"""Commands of a job's vault: who was who, the log of who asked, decoys in a copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medlab.cli.options import (
    FAILED,
    KEY_OF_JOB,
    PATH,
    VAULT,
    commands,
    lock_of,
    opened,
    ways_to_key,
)
from medlab.errors import UsageError

if TYPE_CHECKING:
    from medlab.crypto import Lock
    from medlab.pipeline.copies import Copies


@commands.command("reidentify")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("target", metavar="[DST]", required=False, type=PATH)
@VAULT
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
        _tell(pipeline.open_envelopes(source, target, private_key, certificate, passphrase_file))
        return
    lock = lock_of(key_file, passphrase_file, shares)
    with pipeline.open_vault(source, vault_file, key_file, lock) as vault:
        if target is None:
            moved = rotate(source, vault, rotate_to, rotate_to_passphrase)
            click.echo(f"{moved} entries moved; the old key opens nothing now")
            return
        _tell(pipeline.reidentify(source, target, vault, reason=reason))


def _tell(done: Copies) -> None:
    click.echo(f"{done.files} files restored, {done.refused} refused")
    if done.refused or not done.files:
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
