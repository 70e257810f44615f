"""The command line: one subcommand a verb. What a verb needs is imported when it is used."""

from __future__ import annotations

import sys

from medlab.cli import (  # noqa: F401 (each brings its commands)
    dp_commands,
    head_commands,
    header_commands,
    job_commands,
    key_commands,
    learning_commands,
    notebook_commands,
    shipping_commands,
    table_commands,
    vault_commands,
)
from medlab.cli.options import commands

__all__ = ["commands", "main"]


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(commands(prog_name="medlab"))
