"""The command line: one subcommand a verb. What a verb needs is imported when it is used."""

from __future__ import annotations

import sys

from medlab.cli import headers, heads, hiding, jobs, keys, learning, notebooks, tables
from medlab.cli.group import BAD_USAGE, FAILED, commands

__all__ = [
    "BAD_USAGE",
    "FAILED",
    "commands",
    "headers",
    "heads",
    "hiding",
    "jobs",
    "keys",
    "learning",
    "main",
    "notebooks",
    "tables",
]


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(commands(prog_name="medlab"))
