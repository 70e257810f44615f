"""The command line: one subcommand a verb. What a verb needs is imported when it is used."""

from __future__ import annotations

import sys

from medlab.cli import (  # noqa: F401 (each brings its commands)
    head_commands,
    job_commands,
    key_commands,
    notebook_commands,
    table_commands,
)
from medlab.cli.options import commands

__all__ = ["commands", "main"]


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(commands(prog_name="medlab"))
