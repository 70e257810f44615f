"""Commands of tables."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from medlab.cli.options import (
    BUDGET,
    KEY_OF_LEDGER,
    OVERWRITE,
    PATH,
    commands,
)
from medlab.errors import UsageError

_QUASI = click.option(
    "--qi", multiple=True, required=True, help="Quasi-identifiers: a,b,c or repeated."
)
_SENSITIVE = click.option(
    "--sensitive", multiple=True, help="Sensitive columns, with commas or repeated."
)
_SUBJECT = click.option(
    "--id", "subject", metavar="COL", help="Whose row it is: count persons, not rows."
)
_HIERARCHIES = click.option(
    "--hierarchy",
    "hierarchies",
    multiple=True,
    metavar="COL=FILE",
    help="CSV: label, then coarser levels.",
)
_REGISTER = click.option("--register", type=PATH, help="People an attacker knows.")
_L_KIND = click.option(
    "--l-kind",
    type=click.Choice(["distinct", "entropy", "recursive"]),
    default="distinct",
    show_default=True,
)
_C = click.option(
    "--c", type=float, default=3.0, show_default=True, help="c of recursive (c,l)-diversity."
)
_DISTANCE = click.option(
    "--distance",
    type=click.Choice(["auto", "equal", "ordered"]),
    help="Between sensitive values, for t: auto takes ordered for numbers and dates.  "
    "[default: auto]",
)
_KIND = click.option(
    "--kind",
    default="generalized",
    show_default=True,
    type=click.Choice(["generalized", "microdata", "aggregate", "synthetic"]),
    help="How the release was made: what makes no sense for it says n/a.",
)
_KEY_OF_ORDER = click.option(
    "--key-file",
    type=PATH,
    help="Key of the order of the rows; else the file named by MEDLAB_KEY_FILE.",
)


@commands.command("anonymize")
@click.argument("source", metavar="IN", type=PATH)
@click.argument("target", metavar="OUT", type=PATH)
@_QUASI
@_SENSITIVE
@click.option("--k", type=click.IntRange(1), default=5, show_default=True, help="Smallest class.")
@click.option("--l", type=float, default=1, show_default=True, help="Diversity of a class.")
@_L_KIND
@_C
@click.option("--t", type=float, help="Largest distance of a class from the table.")
@_DISTANCE
@click.option("--alpha", type=float, help="Largest share of one sensitive value in a class.")
@click.option("--method", default="mondrian", show_default=True, metavar="NAME")
@click.option(
    "--suppress", type=float, help="Of full-domain: largest share of rows hidden.  [default: 0.05]"
)
@click.option("--keep", multiple=True, help="Other columns to pass through.")
@_SUBJECT
@_HIERARCHIES
@_KEY_OF_ORDER
@click.option(
    "--keep-order", is_flag=True, help="Write row i as row i of IN: it tells who is who."
)
@click.option("--spreadsheet", is_flag=True, help="Guard cells that a spreadsheet would run.")
@click.option("--overwrite", is_flag=True, help="Replace an existing OUT.")
@click.option("--memory", metavar="SIZE", help="Of Parquet: what a process may take, as 300MiB.")
@click.option("--scheduler", metavar="ADDR", help="Of Parquet: a Dask cluster for its leaves.")
def _anonymize_table(
    source: Path,
    target: Path,
    qi: tuple[str, ...],
    sensitive: tuple[str, ...],
    l_kind: str,
    c: float,
    hierarchies: tuple[str, ...],
    memory: str | None,
    scheduler: str | None,
    **choices: Any,
) -> None:
    """Release a table (CSV or Parquet) that keeps k, l and t; a JSON report goes to stdout.

    Methods: mondrian, mondrian-best, mondrian-relaxed, k-member, k-member-weighted,
    fuzzy-cmeans, mdav, full-domain, anatomy, slicing, two-step.

    \b
    medlab anonymize cohort.csv out.csv --qi Age,Sex,Weight --sensitive Diagnosis --k 5 --l 2
    medlab anonymize register.parquet out.parquet --qi Age,Sex --memory 300MiB

    With --memory or --scheduler, and for a folder of Parquet, the table is never whole in one
    process; then the method is mondrian.
    """  # noqa: D301  # click wants the character itself
    from medlab.pipeline.tables import anonymize_file

    if l_kind != "distinct":
        choices |= {"l_kind": l_kind, "c": c}
    choices["hierarchies"] = _hierarchies(hierarchies)
    if memory or scheduler or source.is_dir():
        _tell_notes(_anonymize_large(source, target, qi, sensitive, memory, scheduler, **choices))
    else:
        _tell_notes(anonymize_file(source, target, qi, sensitive, **choices))


def _anonymize_large(
    source: Path,
    target: Path,
    qi: tuple[str, ...],
    sensitive: tuple[str, ...],
    memory: str | None,
    scheduler: str | None,
    *,
    method: str,
    suppress: float | None,
    **choices: Any,
) -> dict[str, Any]:
    from medlab import scale
    from medlab.pipeline.large_tables import MEMORY, anonymize_large
    from medlab.pipeline.pool import each_done

    if method != "mondrian" or suppress is not None:
        raise UsageError("a table that no process holds is released by mondrian alone")
    if source.is_file() and source.suffix.lower() not in (".parquet", ".pq"):
        raise UsageError("--memory and --scheduler are for Parquet; convert the table first")
    size = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)(i?)B?", memory or f"{MEMORY}", re.IGNORECASE)
    if size is None:
        raise UsageError("--memory is a size, such as 300MiB or 2GB")
    power = " KMG".index(size[2].upper() or " ")
    size_bytes = int(float(size[1]) * (1024 if size[3] else 1000) ** power)
    given = {name: value for name, value in choices.items() if value is not None}
    with scale.cluster(scheduler) if scheduler else nullcontext(each_done) as each:
        return anonymize_large(
            source, target, qi, sensitive, memory=size_bytes, each=each, **given
        )


@commands.command("synthesize")
@click.argument("source", metavar="IN", type=PATH)
@click.argument("target", metavar="[OUT]", type=PATH, required=False)
@click.option("--domain", type=PATH, help="What each column may hold: YAML, public knowledge.")
@click.option("--draft-domain", "draft", type=PATH, help="Write a first domain, read off IN.")
@click.option(
    "--method",
    type=click.Choice(["tree", "copula", "independent"]),
    default="tree",
    show_default=True,
)
@click.option("--epsilon", type=float, help="How much one patient may change; else no guarantee.")
@click.option("--delta", type=float, help="Chance that it fails.  [default: 1e-9 for tree]")
@click.option("--rows", type=click.IntRange(1, 10**7), help="By default about as many as IN has.")
@_SUBJECT
@click.option("--ledger", type=PATH, help="Remembers what was spent on IN.")
@BUDGET
@KEY_OF_LEDGER
@click.option("--seed", type=click.IntRange(0), help="Without epsilon: the same bytes again.")
@OVERWRITE
def _synthesize_table(
    source: Path, target: Path | None, draft: Path | None, overwrite: bool, **choices: Any
) -> None:
    """Draw a table of nobody from a model of IN (CSV or Parquet); a JSON report goes to stdout.

    \b
    medlab synthesize cohort.csv --draft-domain domain.yaml
    medlab synthesize cohort.csv out.csv --domain domain.yaml --id PatientID --epsilon 1
    """  # noqa: D301  # click wants the character itself
    from medlab.pipeline.tables import draft_domain_file, synthesize_file

    if (target is None) is (draft is None):
        raise UsageError("name the output, or --draft-domain and no output")
    if draft is not None:
        draft_domain_file(source, draft, choices["subject"], overwrite=overwrite)
    elif target is not None:
        _tell_notes(synthesize_file(source, target, overwrite=overwrite, **choices))


@commands.command("risk")
@click.argument("source", metavar="TABLE", type=PATH)
@_QUASI
@_SENSITIVE
@click.option("--original", type=PATH, help="The table before, for gcp.")
@_REGISTER
@_SUBJECT
@_HIERARCHIES
@click.option(
    "--with",
    "other",
    metavar="TABLE",
    type=PATH,
    help="A second release of the same people: what both tell together (needs --original).",
)
@_KIND
@_L_KIND
@_C
@_DISTANCE
@_KEY_OF_ORDER
def _measure_risk(
    source: Path,
    qi: tuple[str, ...],
    sensitive: tuple[str, ...],
    hierarchies: tuple[str, ...],
    other: Path | None,
    **choices: Any,
) -> None:
    """Measure risk and loss of a table (CSV or Parquet), whoever made it; JSON to stdout."""
    choices |= {
        "distance": choices["distance"] or "auto",
        "hierarchies": _hierarchies(hierarchies),
    }
    if other:
        from medlab.evaluation.release_files import risk_of_two

        _tell_notes(risk_of_two(source, other, qi, sensitive, **choices))
    else:
        from medlab.evaluation.release_files import risk_file

        _tell_notes(risk_file(source, qi, sensitive, **choices))


@commands.command("evaluate")
@click.argument("original", metavar="ORIGINAL", type=PATH)
@click.argument("released", metavar="RELEASED", type=PATH)
@_QUASI
@click.option("--sensitive", metavar="COL", help="What an attacker wants to know.")
@click.option("--control", type=PATH, help="People who were not released.")
@_REGISTER
@_SUBJECT
@_KIND
@_KEY_OF_ORDER
@click.option(
    "--copies",
    type=click.FloatRange(0, 1, min_open=True),
    help="Positive control of a synthetic table: replace this share of its rows by originals.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def _evaluate_release(
    original: Path, released: Path, qi: tuple[str, ...], sensitive: str | None, **choices: Any
) -> None:
    """Attack RELEASED and measure what it is still good for; JSON to stdout.

    Both are tables (CSV or Parquet) with the same rows, unless the kind is synthetic. Rows in
    the order of a key are put back with that key. Without it a generalized release is judged
    without order; noise and means need the original's.
    """
    from medlab.evaluation.release_files import evaluate_file

    _tell_notes(evaluate_file(original, released, qi, sensitive, **choices))


def _hierarchies(given: tuple[str, ...]) -> dict[str, Any]:
    from medlab.tabular.reading import read_hierarchy

    tables = {}
    for text in given:
        parts = text.split("=")  # of a name with = the longest that leaves a file
        pairs = [("=".join(parts[:i]), Path("=".join(parts[i:]))) for i in range(1, len(parts))]
        if not all(parts) or not pairs:
            raise UsageError("a hierarchy is written COL=FILE, such as --hierarchy City=city.csv")
        name, path = next((pair for pair in reversed(pairs) if pair[1].is_file()), pairs[0])
        tables[name] = read_hierarchy(path)
    return tables


def _tell_notes(report: dict[str, Any]) -> None:
    """Say on standard error what the report notes, then write it."""
    for note in report["notes"]:
        click.echo(f"medlab: {note}", err=True)
    click.echo(json.dumps(report, indent=2, allow_nan=False, default=float))
