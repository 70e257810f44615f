"""Commands of the DICOM network: clean what a scanner sends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medlab.cli import job_commands as jobs
from medlab.cli.group import FAILED, commands
from medlab.cli.options import PATH, opened
from medlab.errors import UsageError

if TYPE_CHECKING:
    from medlab.crypto import Lock


@commands.command("gateway")
@click.argument("target", metavar="DST", type=PATH)
@click.option("--port", type=click.IntRange(1, 65535), required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Others need --allow.")
@click.option("--ae-title", default="MEDLAB", show_default=True)
@click.option("--allow", multiple=True, metavar="AE", help="Who may send. Repeatable.")
@click.option("--forward", metavar="AE@HOST:PORT", help="Where outputs are sent on to.")
@click.option("--durable", is_flag=True, help="Written through to the disk before the answer.")
@click.option("--max-mb", type=click.IntRange(1), default=1024, show_default=True)
@click.option("--max-associations", type=click.IntRange(1), default=16, show_default=True)
@click.option("--tls-cert", "certificate", type=PATH, metavar="F", help="PEM.")
@click.option(
    "--tls-key", "private_key", type=PATH, metavar="F", help="PEM, without a passphrase."
)
@click.option("--plain", is_flag=True, help="In clear on a network.")
@jobs.POLICY
@jobs.OPTION
@opened
@jobs.CODES
@jobs.IDS
@jobs.UNKNOWN
@jobs.CLEAN_PIXELS
@jobs.PIXEL_POLICY
@jobs.RECIPE
@jobs.QUARANTINE
@jobs.KEEP_PRIVATE
@jobs.RULES
@jobs.ALLOW_IDENTIFIERS
@jobs.ENCRYPT_TO
@jobs.NO_VAULT
@jobs.JOBS
@click.option("--head", default="leave", hidden=True)
@click.option("--cohort-k", type=int, hidden=True)
def gateway(
    target: Path,
    forward: str | None,
    key_file: Path | None,
    lock: Lock | None,
    ids_file: Path | None,
    jobs: int,
    cohort_k: int | None,
    **choices: Any,
) -> None:
    """Receive DICOM from scanners, clean and verify it, and send it on.

    What was received waits in DST.job/queue and is worked off as by medlab deidentify; what is
    withheld stays there. SIGTERM ends it in order; after a crash the same command goes on.

    \b
    medlab gateway clean --port 11112 --policy research --key-file key
    medlab gateway clean --port 11112 --host 0.0.0.0 --allow CT1 --tls-cert c.pem --tls-key k.pem
    """  # noqa: D301  # click wants the character itself
    from medlab import gateway
    from medlab.cli.job_commands import settings_of

    if cohort_k is not None:
        raise UsageError("a cohort needs all files at once; run deidentify on what came in")
    names = gateway.Listener.__dataclass_fields__
    listener = gateway.Listener(**{name: choices.pop(name) for name in names})
    summary, (taken, refused, waiting) = gateway.serve(
        target,
        settings_of(**choices),
        listener,
        gateway.Receiver.parse(forward) if forward else None,
        listening=lambda: click.echo(f"listening on port {listener.port}", err=True),
        key_file=key_file,
        lock=lock,
        ids_file=ids_file,
        jobs=jobs,
    )
    for line in summary.lines():
        click.echo(line)
    if forward:
        click.echo(f"sent on: {taken}; refused by the receiver: {refused}; not yet: {waiting}")
    if not summary.ok:
        raise SystemExit(FAILED)
