"""The command line: one subcommand a verb. What a verb needs is imported when it is used."""

from __future__ import annotations

import sys
from typing import Any

import click

from medlab import __version__
from medlab.errors import MedlabError

FAILED = 1
BAD_USAGE = 2


class _Commands(click.Group):
    """A group that turns medlab's errors into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MedlabError as error:
            click.echo(f"medlab: {error}", err=True)
            ctx.exit(FAILED)
        except PermissionError as error:
            what = error.strerror or "no permission"
            click.echo(f"medlab: {what}; choose a folder that you may write to", err=True)
            ctx.exit(FAILED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="medlab")
def commands() -> None:
    """See, protect, attack and measure the privacy of medical images.

    Exit code 0: done and verified. 1: something was refused or failed, and a
    sentence says what. 2: the command was called wrongly.
    """


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(commands(prog_name="medlab"))


if __name__ == "__main__":
    main()
