"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace existing outputs.")
POLICIES = click.Choice(["basic", "research"])
PIXEL_POLICIES = click.Choice(["allow", "match"])
BACKEND = click.option("--backend", type=click.Choice(["auto", "fsl", "builtin"]), default="auto")
QUASI = click.option(
    "--qi", multiple=True, required=True, help="Quasi-identifiers: a,b,c or repeated."
)
SENSITIVE = click.option(
    "--sensitive", multiple=True, help="Sensitive columns, with commas or repeated."
)
SUBJECT = click.option(
    "--id", "subject", metavar="COL", help="Whose row it is: count persons, not rows."
)
HIERARCHIES = click.option(
    "--hierarchy",
    "hierarchies",
    multiple=True,
    metavar="COL=FILE",
    help="CSV: label, then coarser levels.",
)
REGISTER = click.option("--register", type=PATH, help="People an attacker knows.")
L_KIND = click.option(
    "--l-kind",
    type=click.Choice(["distinct", "entropy", "recursive"]),
    default="distinct",
    show_default=True,
)
C = click.option(
    "--c", type=float, default=3.0, show_default=True, help="c of recursive (c,l)-diversity."
)
DISTANCE = click.option(
    "--distance",
    type=click.Choice(["auto", "equal", "ordered"]),
    help="Between sensitive values, for t: auto takes ordered for numbers and dates.  "
    "[default: auto]",
)
KIND = click.option(
    "--kind",
    default="generalized",
    show_default=True,
    type=click.Choice(["generalized", "microdata", "aggregate", "synthetic"]),
    help="How the release was made: what makes no sense for it says n/a.",
)
KEY_OF_ORDER = click.option(
    "--key-file",
    type=PATH,
    help="Key of the order of the rows; else the file named by MEDLAB_KEY_FILE.",
)
