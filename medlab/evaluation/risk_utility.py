"""Risk against loss: points with bars, the front of those that nothing beats, a board's report."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab import __version__
from medlab.arrays import Floats
from medlab.disk import page_from
from medlab.errors import MissingError
from medlab.tabular.metrics import NOT_APPLICABLE

# What a measure says of a release, with its value and interval in hundredths.
_WORDS = {
    "linkage": "Of 100 people, {} are linked to the right row.",
    "inference leak": "Of 100 secrets that could not be guessed without the release, {} are told.",
    "membership AUC": "Asked who of two people is in the table, an attacker is right {} times in "
    "100; a coin is right 50 times.",
    "singling out": "Of 100 descriptions read off the release, {} fit one person only, "
    "beyond chance.",
    "linkability": "Of 100 people, the two halves of {} are brought together beyond chance.",
    "prosecutor mean": "By the sizes of the classes, {} of 100 people are picked out.",
    "uniqueness": "Of 100 rows, {} are unique.",
    "query error": "Half of the counts an analyst asks for are wrong by {} % or more.",
    "coefficient bias": "The coefficients of a regression are off by {} % of their size.",
    "GCP": "Information loss (Global Certainty Penalty): {} %.",
    "distribution distance": "The columns' distributions differ by {} % of the largest "
    "possible distance.",
    "prediction AUC": "A model trained on it ranks two people rightly {} times in 100.",
}

#: Most that an attack may reach for a release to be acceptable; what is beyond a control group.
LIMITS: Mapping[str, float] = {
    "linkage": 0.09,
    "inference leak": 0.09,
    "singling out": 0.09,
    "membership AUC": 0.6,
}
_SOURCES: Mapping[str, str] = {
    "linkage": "EMA policy 0070 (2019): 0.09, one of eleven",
    "inference leak": "El Emam and others, JMIR 22(11), 2020: 0.09 for what is learned, too",
    "singling out": "no published limit; that of linkage",
    "membership AUC": "0.2 of the way from a coin to certainty, after El Emam and others, "
    "JAMIA Open 5(4), 2022",
}

_ERRORS = ("query error", "coefficient bias")  # may be above 1

_TEMPLATES = Path(__file__).parent / "templates"
# The three tests of the Article 29 Working Party, Opinion 05/2014 (WP216), and what bears on them.
_GDPR_TESTS = {
    "singling out": ("singling out", "uniqueness"),
    "linkability": ("linkage", "linkability"),
    "inference": ("inference leak", "membership AUC"),
}
_COSTS = ("GCP", "query error", "coefficient bias", "prediction AUC", "distribution distance")


def in_words(measured: pd.DataFrame) -> list[str]:
    """Return what is known of one release as sentences, risks first.

    Parameters
    ----------
    measured : DataFrame
        Rows of `summarize` of one method and strength. Measures without a value, or without
        a sentence, are passed over.

    Examples
    --------
    >>> in_words(pd.DataFrame({"measure": ["GCP"], "value": [0.25], "low": [0.2], "high": [0.3]}))
    ['Information loss (Global Certainty Penalty): 25 (20 to 30) %.']
    """
    values = measured.dropna(subset=["value"]).set_index("measure")[["value", "low", "high"]]
    hundredths = {
        name: 100 * values.loc[name].to_numpy() for name in _WORDS if name in values.index
    }
    return [_WORDS[name].format(_spread(*ends)) for name, ends in hundredths.items()]


def _spread(value: float, low: float, high: float) -> str:
    between = "" if np.isnan(low) else f" ({_short(low)} to {_short(high)})"
    return _short(value) + between


def _short(hundredths: float) -> str:
    return f"{hundredths:.1f}".removesuffix(".0")


def summarize(rows: pd.DataFrame, measures: list[str] | None = None) -> pd.DataFrame:
    """Return mean and interval over the seeds, one row a method, strength and measure.

    Parameters
    ----------
    rows : DataFrame
        From `medlab.evaluation.grid`.
    measures : list of str, optional
        Only these.

    Returns
    -------
    DataFrame
        method, strength, measure, value, low, high (mean -+ t * sd / sqrt(seeds); with one
        seed the interval of that run), seeds, baseline and control (means). A measure that is
        "n/a" everywhere has the value NaN.
    """
    chosen = rows if measures is None else rows[rows["measure"].isin(measures)]
    values = pd.to_numeric(chosen["value"], errors="coerce").astype(np.float64)  # "n/a" as NaN
    chosen = chosen.assign(value=values)
    summary = chosen.groupby(["method", "strength", "measure"], sort=False).agg(
        value=("value", "mean"),
        low=("low", "first"),
        high=("high", "first"),
        seeds=("value", "count"),
        baseline=("baseline", "mean"),
        control=("control", "mean"),
        sd=("value", "std"),
        most=("value", "max"),
        runs=("value", "size"),
    )
    half = _half_interval(summary["sd"].to_numpy(), summary["seeds"].to_numpy())
    alone = (summary["runs"] == 1) & summary["low"].notna()  # one run has an interval of its own
    low = summary["low"].where(alone, summary["value"] - half).astype(np.float64)
    high = summary["high"].where(alone, summary["value"] + half).astype(np.float64)
    # No measure is below 0; shares and AUC are not above 1 either.
    share = (summary["most"] <= 1) & ~summary.index.isin(_ERRORS, level="measure")
    summary["low"] = low.clip(lower=0.0)
    summary["high"] = high.clip(upper=1.0).where(share, high)
    return summary.drop(columns=["sd", "most", "runs"]).reset_index()


def _half_interval(sd: Floats, runs: NDArray[np.int64]) -> Floats:
    """Return half of the 95 % interval of the mean of repeated runs: t * sd / sqrt(runs).

    Parameters
    ----------
    sd : float array
        Standard deviations of the runs (divided by runs - 1).
    runs : int array
        How many there are; one run has no width.
    """
    from scipy.stats import t as student

    several = np.maximum(runs, 2)
    half = student.ppf(0.975, several - 1) * sd / np.sqrt(several)
    return np.asarray(np.where(runs > 1, half, 0.0), dtype=np.float64)


def risk_and_loss(rows: pd.DataFrame, risk: str = "linkage", loss: str = "GCP") -> pd.DataFrame:
    """Return one point a method and strength: risk and loss with bars, and the Pareto front.

    Parameters
    ----------
    rows : DataFrame
        From `medlab.evaluation.grid`, or what `summarize` returned of it.
    risk, loss : str
        Measures; less is better for both. A loss is shown up to 1.

    Returns
    -------
    DataFrame
        method, strength, risk, risk_low, risk_high, loss, loss_low, loss_high, front (bool).
        Points where either is "n/a" are left out.

    Raises
    ------
    MissingError
        A measure that the rows do not have.
    """
    measured = rows if "seeds" in rows else summarize(rows, [risk, loss])
    for name in (risk, loss):
        if not (measured["measure"] == name).any():
            raise MissingError(f"no measure {name!r}; see the column measure of the rows")
    values = measured.set_index(["method", "strength"])
    ends = ["value", "low", "high"]
    sides = []
    for name, measure in (("risk", risk), ("loss", loss)):
        side = values.loc[values["measure"] == measure, ends].clip(0.0, 1.0)
        sides.append(side.set_axis([name, f"{name}_low", f"{name}_high"], axis=1))
    points = sides[0].join(sides[1], how="inner").dropna().reset_index()
    points["front"] = pareto(points["risk"].to_numpy(), points["loss"].to_numpy())
    return points


def pareto(risk: NDArray[np.float64], loss: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points nothing beats: none other has both smaller or equal, one smaller.

    Examples
    --------
    >>> pareto(np.array([1.0, 0.5, 0.6, 0.0]), np.array([0.0, 0.2, 0.3, 1.0])).tolist()
    [True, True, False, True]
    """
    order = np.lexsort((loss, risk))
    best, front = np.inf, np.zeros(len(risk), dtype=bool)
    last = (np.nan, np.nan)
    for i in order:
        if loss[i] < best or (risk[i], loss[i]) == last:
            front[i], best, last = True, min(best, loss[i]), (risk[i], loss[i])
    return front


def point_name(method: str, strength: float) -> str:
    """Return how a point is spoken of.

    Examples
    --------
    >>> point_name("Mondrian k", 5.0), point_name("suppression", 2.0), point_name("identity", 0)
    ('Mondrian k = 5', 'suppression 2', 'identity')
    """
    if not strength:
        return method
    return f"{method} = {strength:g}" if method[-2:-1] == " " else f"{method} {strength:g}"


def limits_kept(measured: pd.DataFrame, limits: Mapping[str, float] = LIMITS) -> pd.DataFrame:
    """Tell for each release which limits it keeps, upper end of the interval included.

    Parameters
    ----------
    measured : DataFrame
        From `summarize`.
    limits : mapping of str to float
        Most that each measure may reach.

    Returns
    -------
    DataFrame of bool, index method and strength
        One column a limit, for measures that some release has; a release without a value of
        such a measure does not keep its limit.
    """
    chosen = measured[measured["measure"].isin(list(limits))]
    chosen = chosen.assign(high=chosen["high"].fillna(chosen["value"]))
    high = (
        chosen.set_index(["method", "strength", "measure"])["high"]
        .unstack()
        .dropna(axis=1, how="all")
    )
    return high.le(pd.Series(limits).reindex(high.columns), axis=1)


def acceptable(
    points: pd.DataFrame, measured: pd.DataFrame, limits: Mapping[str, float] = LIMITS
) -> pd.DataFrame:
    """Return the points of releases that keep every limit, cheapest first.

    Parameters
    ----------
    points : DataFrame
        From `risk_and_loss`.
    measured, limits
        See `limits_kept`.
    """
    kept = limits_kept(measured, limits).all(axis=1)
    safe = kept.reindex(pd.MultiIndex.from_frame(points[["method", "strength"]]), fill_value=False)
    return points[safe.to_numpy(dtype=bool)].sort_values("loss", kind="stable")


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
    filters = {
        "figure": lambda figure: base64.b64encode(figure.png).decode("ascii"),
        "number": _number,
    }
    refused = rows[rows["group"] == "refused"].drop_duplicates(["method", "strength"])
    missing = rows[rows["value"].astype(str) == NOT_APPLICABLE]
    facts = {
        "version": __version__,
        "limits": {
            name: (limits[name], _SOURCES.get(name, "")) for name in limits if name in kept
        },
        "untested": [name for name in limits if name not in kept],
        "quasi": list(quasi),
        "sensitive": sensitive,
        "risk": risk,
        "loss": loss,
        "seeds": int(rows["seed"].nunique()),
        "points": [_named(row, kept) for row in points.to_dict("records")],
        "chosen": chosen,
        "pseudonymized": _same_risk(points),
        "refused": [
            (point_name(row["method"], row["strength"]), str(row["note"]))
            for row in refused.to_dict("records")
        ],
        "missing": [
            (str(note), sorted(set(some["measure"]))) for note, some in missing.groupby("note")
        ],
        "figures": list(figures),
        "further": [(title, table.round(3).to_dict("split")) for title, table in further],
    }
    return page_from(_TEMPLATES / "review.html.j2", facts, filters)


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
