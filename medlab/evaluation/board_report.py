"""A report for a review board: what was measured, in sentences, and what was not."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from medlab import __version__
from medlab.evaluation.risk_utility import (
    LIMITS,
    SOURCES,
    acceptable,
    in_words,
    limits_kept,
    point_name,
    risk_and_loss,
    summarize,
)
from medlab.tabular.metrics import NOT_APPLICABLE

_TEMPLATES = Path(__file__).parent / "templates"
# The three tests of the Article 29 Working Party, Opinion 05/2014 (WP216), and what bears on them.
_GDPR_TESTS = {
    "singling out": ("singling out", "uniqueness"),
    "linkability": ("linkage", "linkability"),
    "inference": ("inference leak", "membership AUC"),
}
_COSTS = ("GCP", "query error", "coefficient bias", "prediction AUC", "distribution distance")


def review(
    rows: pd.DataFrame,
    quasi: Sequence[str],
    sensitive: str,
    limits: Mapping[str, float] = LIMITS,
    *,
    risk: str = "linkage",
    loss: str = "GCP",
    figures: Sequence[Any] = (),
    further: Sequence[tuple[str, pd.DataFrame]] = (),
) -> str:
    """Return a report as one HTML page, without any value of a patient.

    Parameters
    ----------
    rows : DataFrame
        From `medlab.evaluation.grid`.
    quasi, sensitive
        What an attacker knows, and what he wants to know.
    limits : mapping of str to float
        What the board accepts of each attack; the upper end of the interval has to keep it.
    risk, loss : str
        Measures of the two axes.
    figures : sequence
        Things with ``png`` (bytes), ``alt`` and ``caption``, such as `medlab.viz.show` returns.
    further : sequence of (title, DataFrame)
        Further tables, such as headers and faces.
    """
    points = risk_and_loss(rows, risk, loss)
    measured = summarize(rows[rows["group"] != "refused"])
    kept = limits_kept(measured, limits)
    safe = acceptable(points, measured, limits)
    chosen = [_release(measured, *row) for row in safe[["method", "strength"]].to_numpy()]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True
    )
    environment.filters |= {
        "figure": lambda figure: base64.b64encode(figure.png).decode("ascii"),
        "number": _number,
    }
    refused = rows[rows["group"] == "refused"].drop_duplicates(["method", "strength"])
    missing = rows[rows["value"].astype(str) == NOT_APPLICABLE]
    return environment.get_template("review.html.j2").render(
        version=__version__,
        limits={name: (limits[name], SOURCES.get(name, "")) for name in limits if name in kept},
        untested=[name for name in limits if name not in kept],
        quasi=list(quasi),
        sensitive=sensitive,
        risk=risk,
        loss=loss,
        seeds=int(rows["seed"].nunique()),
        points=[_named(row, kept) for row in points.to_dict("records")],
        chosen=chosen,
        pseudonymized=_same_risk(points),
        refused=[
            (point_name(row["method"], row["strength"]), str(row["note"]))
            for row in refused.to_dict("records")
        ],
        missing=[
            (str(note), sorted(set(some["measure"]))) for note, some in missing.groupby("note")
        ],
        figures=list(figures),
        further=[(title, table.round(3).to_dict("split")) for title, table in further],
    )


def _named(row: dict[Any, Any], kept: pd.DataFrame) -> dict[Any, Any]:
    release = row["method"], row["strength"]
    broken = kept.columns[~kept.loc[release].to_numpy()]
    return {**row, "name": point_name(*release), "broken": ", ".join(broken)}


def _release(measured: pd.DataFrame, method: str, strength: float) -> dict[str, Any]:
    """Return what the sentences on one release need."""
    here = measured[(measured["method"] == method) & (measured["strength"] == strength)]
    figures = here.set_index("measure").to_dict("index")
    return {
        "name": point_name(method, strength),
        "figures": figures,
        "costs": in_words(here[here["measure"].isin(_COSTS)]),
        "tests": [
            (test, [(name, figures[name], _verdict(name, figures[name])) for name in names
                    if _known(figures, name)])
            for test, names in _GDPR_TESTS.items()
        ],
    }  # fmt: skip


def _known(figures: dict[Any, Any], name: str) -> bool:
    return name in figures and not math.isnan(figures[name]["value"])


def _verdict(name: str, figure: dict[Any, Any]) -> str:
    """Return whether an attack does better than without the release."""
    base = 0.0 if math.isnan(figure["baseline"]) else figure["baseline"]
    if figure["low"] > base + 1e-9:
        return "more than without the release"
    return "not told apart from an attacker without the release"


def _same_risk(points: pd.DataFrame) -> list[str]:
    """Return the methods on direct identifiers that left the risk as it was."""
    risk = points.set_index("method")["risk"]
    if "identity" not in risk:
        return []
    names = [name for name in ("pseudonymization", "encryption") if name in risk]
    return [name for name in names if risk[name] == risk["identity"]]


def _number(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "n/a"
    return "below 0.001" if 0 < value < 0.001 else f"{value:.3g}"
