"""Commands that look at headers."""

from __future__ import annotations

from pathlib import Path

import click

from medlab.cli.options import PATH, commands
from medlab.errors import InputError


@commands.command("inspect")
@click.argument("path", type=PATH)
@click.option("--reveal", is_flag=True, help="Show values instead of masking them.")
@click.option("--csv", "csv_file", type=PATH, help="Write the whole table.")
@click.option("--search", default="", help="Only rows with this in tag, VR, name or concern.")
@click.option("--all", "every", is_flag=True, help="Also elements of no concern.")
def _inspect(path: Path, reveal: bool, csv_file: Path | None, search: str, every: bool) -> None:
    """Show what a DICOM or NIfTI file, a folder or a DICOMDIR gives away.

    A file: one line a flagged element. A folder: how often each reason was met.
    """
    from medlab import pipeline

    pipeline.inspect_to(
        click.echo, path, reveal=reveal, csv_file=csv_file, search=search, every=every
    )


@commands.command("dictionary")
@click.argument("text")
def _dictionary(text: str) -> None:
    """Search the DICOM dictionary: by tag, part of a name or keyword, or VR.

    \b
    medlab dictionary birth
    medlab dictionary 0010,        the group
    medlab dictionary ,0010        the element of any group
    medlab dictionary 00100010     one tag
    """  # noqa: D301  # click wants the character itself
    from medlab import dicom

    elements = dicom.search_dictionary(text)
    if elements.empty:
        raise InputError("nothing in the dictionary fits; try a part of the name")
    click.echo(elements.to_string(index=False))
