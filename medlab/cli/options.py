"""The group of commands, and how an error becomes a sentence and an exit code."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medlab import __version__
from medlab.errors import MedlabError, UsageError

if TYPE_CHECKING:
    from medlab.crypto import Lock


FAILED = 1
_BAD_USAGE = 2


class _Commands(click.Group):
    """A group that turns medlab's errors into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MedlabError as error:
            click.echo(f"medlab: {error}", err=True)
            ctx.exit(_BAD_USAGE if isinstance(error, UsageError) else FAILED)
        except OSError as error:  # its words hold no path, as those of str(error) do
            if error.strerror is None or error.errno == errno.EPIPE:
                raise
            hint = "choose a place that has room and that you may write to"
            click.echo(f"medlab: {error.strerror}; {hint}", err=True)
            ctx.exit(FAILED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="medlab")
def commands() -> None:
    """See, protect, attack and measure the privacy of medical images.

    Exit code 0: done and verified. 1: something was refused or failed, and a
    sentence says what. 2: the command was called wrongly.
    """


PATH = click.Path(path_type=Path)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace existing outputs.")
KEY_OF_JOB = click.option(
    "--key-file", type=PATH, help="Secret of the project; by default the job's."
)
_SHARES = "Key files: three lock a vault, any two open it. Repeated."


def ways_to_key(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `key_file`, `passphrase_file` and `shares`."""
    for option in (
        click.option("--shares", multiple=True, type=PATH, metavar="FILE", help=_SHARES),
        click.option("--passphrase-file", type=PATH, help="A passphrase in place of a key file."),
        KEY_OF_JOB,
    ):
        command = option(command)
    return command


def lock_of(
    key_file: Path | None, passphrase_file: Path | None, shares: tuple[Path, ...]
) -> Lock | None:
    """Return the lock of a vault that was named, if it was no key file."""
    from medlab import crypto

    lock = crypto.lock(passphrase_file, shares)
    if lock is not None and key_file is not None:
        raise UsageError("name a key file, a passphrase or shares, not several of them")
    return lock


def opened(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the ways to the key of a vault, and hand it `key_file` and `lock`."""

    @ways_to_key
    @wraps(command)
    def unlocked(
        key_file: Path | None, passphrase_file: Path | None, shares: tuple[Path, ...], **rest: Any
    ) -> None:
        lock = lock_of(key_file, passphrase_file, shares)
        command(key_file=key_file, lock=lock, **rest)

    return unlocked
