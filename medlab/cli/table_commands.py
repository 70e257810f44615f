"""Commands of tables: protected, judged, answered with noise, learned from."""

from __future__ import annotations

import csv
import json
import re
from contextlib import nullcontext, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from medlab.cli.options import OVERWRITE, PATH, commands
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
_BUDGET = click.option(
    "--budget", metavar="B", help="Epsilon of the table for good, set by the first call."
)
_KEY_OF_LEDGER = click.option(
    "--key-file",
    type=PATH,
    help="Key of the ledger; else the file named by MEDLAB_KEY_FILE, else F.key, which is made.",
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
    from medlab.pipeline.large_tables import anonymize_large
    from medlab.pipeline.pool import cluster, each_done
    from medlab.tabular.table_files import is_parquet

    if method != "mondrian" or suppress is not None:
        raise UsageError("a table that no process holds is released by mondrian alone")
    if source.is_file() and not is_parquet(source):
        raise UsageError("--memory and --scheduler are for Parquet; convert the table first")
    values = {name: value for name, value in choices.items() if value is not None}
    if memory:
        size = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)(i?)B?", memory, re.IGNORECASE)
        if size is None:
            raise UsageError("--memory is a size, such as 300MiB or 2GB")
        power = " KMG".index(size[2].upper() or " ")
        values["memory"] = int(float(size[1]) * (1024 if size[3] else 1000) ** power)
    with cluster(scheduler) if scheduler else nullcontext(each_done) as each:
        return anonymize_large(source, target, qi, sensitive, each=each, **values)


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
@_BUDGET
@_KEY_OF_LEDGER
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
    from medlab.evaluation.release_files import risk_file

    _tell_notes(risk_file(source, qi, sensitive, second=other, **choices))


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


def _hierarchies(texts: tuple[str, ...]) -> dict[str, Any]:
    from medlab.tabular.table_files import read_hierarchy

    tables = {}
    for text in texts:
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


_FORMS = "count | histogram:Sex=F,M | total:Age=18,90 | mean:Age=18,90 | quantile:Age=.5,18,90,1"
#: Numbers that follow the column; a histogram has its categories there.
_NUMBERS = {"total": 2, "mean": 2, "quantile": 4}
_MOST_CANDIDATES = 100_000  # as many as a quantile takes


@commands.command("dp")
@click.argument("source", metavar="TABLE", type=PATH)
@click.option("--id", "subject", metavar="COL", required=True, help="Whose row it is.")
@click.option("--query", "queries", metavar="Q", multiple=True, required=True, help=_FORMS)
@click.option("--epsilon", metavar="E", required=True, help="What the whole call costs.")
@_BUDGET
@click.option("--ledger", metavar="F", type=PATH, required=True, help="Remembers what was spent.")
@click.option("--contributions", type=int, default=1, show_default=True, help="Rows a patient.")
@_KEY_OF_LEDGER
def _answer_queries(
    source: Path,
    queries: tuple[str, ...],
    epsilon: str,
    budget: str | None,
    ledger: Path,
    key_file: Path | None,
    **unit: Any,
) -> None:
    """Answer queries about the patients of TABLE with noise that hides each of them; JSON.

    The queries share E equally. Bounds and categories are public knowledge, not read off TABLE.

    \b
    medlab dp cohort.csv --id PatientID --query count --query mean:Age=18,90 \\
        --epsilon .5 --budget 2 --ledger cohort.ledger
    """  # noqa: D301  # click wants the character itself
    from medlab import dp
    from medlab.dp.queries import exact
    from medlab.tabular.table_files import read_file

    parsed = [_parsed(query) for query in queries]
    purse = dp.Ledger(ledger, source, budget, key_file=key_file)
    counted = {words[0] for kind, words in parsed if kind == "histogram"}
    summed = {words[0] for kind, words in parsed if kind in _NUMBERS}
    table = read_file(source, labels=counted - summed).table
    cost = exact(epsilon, "epsilon")
    meter = dp.Meter(cost, **unit)
    answers = [
        getattr(dp, kind)(table, *words, meter, cost / len(parsed)) for kind, words in parsed
    ]
    purse.spend(cost)  # when all could be computed, and before any is seen
    rows = [
        {"query": query} | answer._asdict() for query, answer in zip(queries, answers, strict=True)
    ]
    report = {"epsilon": float(cost), "spent": purse.spent, "left": purse.left, "answers": rows}
    click.echo(json.dumps(report, indent=2, default=lambda cells: cells.to_dict()))


def _parsed(query: str) -> tuple[str, tuple[Any, ...]]:
    """Return the kind of a query and the arguments between table and meter."""
    kind, _, rest = query.partition(":")
    column, _, words = rest.partition("=")
    parts = next(csv.reader([words], skipinitialspace=True), [])
    if kind == "count" and not rest:
        return kind, ()
    if kind == "histogram" and column and parts:
        return kind, (column, parts)
    if _NUMBERS.get(kind) == len(parts) and column:
        with suppress(ValueError):
            numbers = [float(part) for part in parts]
            return kind, (column, *_arguments(numbers))
    raise UsageError(f"a query is {_FORMS.replace(' |', ',')}")


def _arguments(numbers: list[float]) -> tuple[Any, ...]:
    """Return bounds, or a share and the candidates from low to high by a step."""
    if len(numbers) == 2:
        return (tuple(numbers),)
    q, low, high, step = numbers
    if not (step > 0 and 0 <= (high - low) / step < _MOST_CANDIDATES):
        raise UsageError("a quantile needs low, high and step above 0, 100,000 steps at most")
    start, stride = Fraction(str(low)), Fraction(str(step))  # .1 + .2 is .3
    return q, [float(start + i * stride) for i in range(int((high - low) / step + 1e-9) + 1)]


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
    from medlab.pipeline.tables import federate_file

    report = federate_file(source, site, target, features, **options)
    click.echo(json.dumps(report, indent=2, allow_nan=False))
