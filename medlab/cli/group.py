"""The group of commands, and how an error becomes a sentence and an exit code."""

from __future__ import annotations

import errno
from typing import Any

import click

from medlab import __version__
from medlab.errors import MedlabError, UsageError

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
