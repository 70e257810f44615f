"""The command of noisy answers about a table, under a budget."""

from __future__ import annotations

import csv
import json
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from medlab.cli.options import BUDGET, KEY_OF_LEDGER, PATH, commands
from medlab.errors import UsageError

_FORMS = "count | histogram:Sex=F,M | total:Age=18,90 | mean:Age=18,90 | quantile:Age=.5,18,90,1"
#: Numbers that follow the column; a histogram has its categories there.
_NUMBERS = {"total": 2, "mean": 2, "quantile": 4}
_MOST_CANDIDATES = 100_000  # as many as a quantile takes


@commands.command("dp")
@click.argument("source", metavar="TABLE", type=PATH)
@click.option("--id", "subject", metavar="COL", required=True, help="Whose row it is.")
@click.option("--query", "queries", metavar="Q", multiple=True, required=True, help=_FORMS)
@click.option("--epsilon", metavar="E", required=True, help="What the whole call costs.")
@BUDGET
@click.option("--ledger", metavar="F", type=PATH, required=True, help="Remembers what was spent.")
@click.option("--contributions", type=int, default=1, show_default=True, help="Rows a patient.")
@KEY_OF_LEDGER
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
    from medlab.dp.meter import exact_epsilon
    from medlab.tabular.reading import read_table

    parsed = [_parsed(query) for query in queries]
    purse = dp.Ledger(ledger, source, budget, key_file=key_file)
    counted = {words[0] for kind, words in parsed if kind == "histogram"}
    summed = {words[0] for kind, words in parsed if kind in _NUMBERS}
    table = read_table(source, labels=counted - summed)
    cost = exact_epsilon(epsilon)
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
