"""Commands of decoys among the outputs of a job."""

from __future__ import annotations

import json
from pathlib import Path

import click

from medlab.cli.group import commands
from medlab.cli.options import KEY_OF_JOB, PATH


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
