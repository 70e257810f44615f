"""The risk-utility map with handles: measures, the acceptable risk, a release and its numbers."""

from __future__ import annotations

import html
from functools import lru_cache
from typing import Any

import ipywidgets as ipw
import pandas as pd

from medlab import evaluation
from medlab.errors import MissingError
from medlab.evaluation.tradeoff import map_points, point_name
from medlab.viz.tradeoff import Board
from medlab.widgets.instrument import Instrument, beside

# Measures of which less is better, between 0 and 1.
RISKS = (
    "linkage", "inference leak", "membership AUC", "singling out", "linkability",
    "prosecutor mean", "prosecutor max", "journalist mean", "uniqueness",
)  # fmt: skip
LOSSES = ("query error", "GCP", "distribution distance", "coefficient bias", "pMSE")


def tradeoff_explorer(
    rows: pd.DataFrame, threshold: float, *, risk: str = "linkage", loss: str = "query error"
) -> Instrument:
    """Return the risk-utility map, to be explored.

    Parameters
    ----------
    rows : DataFrame
        From `medlab.evaluation.grid`. It holds no value of a patient.
    threshold : float
        The acceptable risk at the start.
    risk, loss : str
        The measures at the start.

    Returns
    -------
    Instrument

    Raises
    ------
    MissingError
        If the rows lack the measures asked for.
    """
    measured = evaluation.summarize(rows[rows["group"] != "refused"])
    known = set(measured.dropna(subset=["value"])["measure"])
    risks, losses = ([name for name in names if name in known] for names in (RISKS, LOSSES))
    if risk not in risks or loss not in losses:
        raise MissingError(f"no {risk!r} or no {loss!r} among the measures; run the grid for both")
    names = measured["method"].combine(measured["strength"], point_name)
    releases = dict(iter(measured.groupby(names, sort=False)))
    board = Board(list(measured["method"].unique()))

    @lru_cache(maxsize=64)
    def points(risk: str, loss: str) -> pd.DataFrame:
        found = map_points(measured, risk, loss)
        return found.assign(name=found["method"].combine(found["strength"], point_name))

    def draw(risk: str, loss: str, threshold: float, release: str) -> str:
        found = points(risk, loss)
        chosen = found[found["name"] == release]
        said = [_hint(point) for point in found.itertuples()]
        picture = board.show(found, threshold, chosen, (risk, loss), said)
        told = _told(release, releases[release], chosen, found, threshold)
        return beside(picture, told, shares=(2, 1))

    start = points(risk, loss)
    safe = evaluation.acceptable(start, threshold)
    first = (safe if len(safe) else start)["name"].iloc[0]
    handles = {
        "risk": ipw.Dropdown(options=risks, value=risk, description="risk"),
        "loss": ipw.Dropdown(options=losses, value=loss, description="loss"),
        "threshold": ipw.FloatSlider(
            threshold, min=0, max=1, step=0.01, description="acceptable risk",
            continuous_update=False,
        ),
        "release": ipw.Dropdown(options=list(releases), value=first, description="release"),
    }  # fmt: skip
    return Instrument("Risk-utility map", handles, draw)


def _hint(point: Any) -> str:
    """Return what is said of a point to who points at it."""
    risk = f"{point.risk:.2f} ({point.risk_low:.2f} to {point.risk_high:.2f})"
    loss = f"{point.loss:.2f} ({point.loss_low:.2f} to {point.loss_high:.2f})"
    return f"{point.name}: risk {risk}, loss {loss}{'; on the front' if point.front else ''}"


def _told(
    name: str, measured: pd.DataFrame, chosen: pd.DataFrame, points: pd.DataFrame, threshold: float
) -> str:
    """Return what is known of the release chosen, in sentences: HTML."""
    said = [html.escape(sentence) for sentence in evaluation.in_words(measured)]
    return (
        f"<h5>{html.escape(name)}</h5><p>{_verdict(chosen, points, threshold)}</p>"
        f"<ul><li>{'</li><li>'.join(said)}</li></ul>"
    )


def _verdict(chosen: pd.DataFrame, points: pd.DataFrame, threshold: float) -> str:
    """Return whether the release keeps the risk, and what would cost less."""
    if not len(chosen):
        return "Not on this map: one of its two measures means nothing for this kind of release."
    point = chosen.iloc[0]
    kept = bool(point["risk_high"] <= threshold)
    verdict = f"{'Keeps' if kept else 'Does not keep'} the acceptable risk of {threshold:g}, upper"
    verdict += " end of the interval included. "
    verdict += "Nothing beats it in both." if point["front"] else "Another is better in both."
    safe = evaluation.acceptable(points, threshold)
    if len(safe) and safe["name"].iloc[0] != point["name"]:
        verdict += f" Of those that keep it {html.escape(safe['name'].iloc[0])} costs least."
    return verdict
