"""Commands of learning without moving data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from medlab.cli.options import PATH, commands


@commands.command("federate")
@click.argument("source", metavar="TABLE", type=PATH)
@click.option("--site", required=True, metavar="COL", help="Whose row it is; never printed.")
@click.option("--target", required=True, metavar="COL", help="A column of two values.")
@click.option("--features", required=True, multiple=True, help="Numbers: a,b,c or repeated.")
@click.option("--rounds", type=int, default=20, show_default=True)
@click.option("--local-steps", type=int, default=1, show_default=True, help="Steps in a round.")
@click.option("--rate", type=float, default=0.5, show_default=True, help="Length of a step.")
@click.option("--l2", type=float, default=0.01, show_default=True, help="Penalty of weights.")
@click.option(
    "--strategy", type=click.Choice(["fedavg", "fedprox"]), default="fedavg", show_default=True
)
@click.option("--mu", type=float, default=0.1, show_default=True, help="Proximal term of fedprox.")
@click.option("--secure", is_flag=True, help="Mask each update; masks vanish in the sum.")
@click.option("--epsilon", type=float, help="Budget of a row; needs --delta and --clip.")
@click.option("--delta", type=float, help="Chance left out of epsilon, below 1 / rows.")
@click.option("--clip", type=float, help="L2 norm to which a row's gradient is cut.")
@click.option("--test", type=PATH, help="Other rows, to compare with central and local training.")
def _federate(
    source: Path, site: str, target: str, features: tuple[str, ...], **options: Any
) -> None:
    """Train a logistic regression over the sites of TABLE (CSV or Parquet); JSON to stdout.

    Sites are numbered from 1 in order of first appearance.

    \b
    medlab federate ward.csv --site Hospital --target Ill --features Age,Dose --secure
    """  # noqa: D301  # click wants the character itself
    from medlab.pipeline.federation import federate_file

    report = federate_file(source, site, target, features, **options)
    click.echo(json.dumps(report, indent=2, allow_nan=False))
