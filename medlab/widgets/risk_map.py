"""The risk-utility map with controls: measures, the acceptable risk, a release and its numbers."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import lru_cache

import ipywidgets as ipw
import pandas as pd

from medlab import evaluation
from medlab.errors import MissingError
from medlab.evaluation.risk_utility import in_words, limits_kept, point_name
from medlab.viz.tradeoff import Board
from medlab.widgets.interactive import InteractiveWidget, beside

# Measures of which less is better, between 0 and 1.
_RISKS = (
    "linkage", "inference leak", "membership AUC", "singling out", "linkability",
    "prosecutor mean", "prosecutor max", "journalist mean", "uniqueness",
)  # fmt: skip
_LOSSES = ("query error", "GCP", "distribution distance", "coefficient bias", "pMSE")


def tradeoff_explorer(
    rows: pd.DataFrame,
    limits: Mapping[str, float] = evaluation.LIMITS,
    *,
    risk: str = "linkage",
    loss: str = "query error",
) -> InteractiveWidget:
    """Return the risk-utility map, to be explored.

    Parameters
    ----------
    rows : DataFrame
        From `medlab.evaluation.grid`. It holds no value of a patient.
    limits : mapping of str to float
        Most that each attack may reach. The control moves that of the risk which is shown.
    risk, loss : str
        The measures at the start.

    Returns
    -------
    InteractiveWidget

    Raises
    ------
    MissingError
        If the rows lack the measures asked for.
    """
    measured = evaluation.summarize(rows[rows["group"] != "refused"])
    available = set(measured.dropna(subset=["value"])["measure"])
    risks, losses = ([name for name in names if name in available] for names in (_RISKS, _LOSSES))
    if risk not in risks or loss not in losses:
        raise MissingError(f"no {risk!r} or no {loss!r} among the measures; run the grid for both")
    names = measured["method"].combine(measured["strength"], point_name)
    releases = dict(iter(measured.groupby(names, sort=False)))
    board = Board(list(measured["method"].unique()))

    @lru_cache(maxsize=64)
    def points(risk: str, loss: str) -> pd.DataFrame:
        places = evaluation.risk_and_loss(measured, risk, loss)
        return places.assign(name=places["method"].combine(places["strength"], point_name))

    def draw(risk: str, loss: str, threshold: float, release: str) -> str:
        protections = points(risk, loss)
        chosen = protections[protections["name"] == release]
        said = [
            f"{point.name}: risk {point.risk:.2f} ({point.risk_low:.2f} to "
            f"{point.risk_high:.2f}), loss {point.loss:.2f} ({point.loss_low:.2f} to "
            f"{point.loss_high:.2f}){'; on the front' if point.front else ''}"
            for point in protections.itertuples()
        ]
        picture = board.show(protections, threshold, chosen, (risk, loss), said)
        thresholds = {**limits, risk: threshold}
        safe = evaluation.acceptable(protections, measured, thresholds)
        words = _told(
            release, releases[release], _verdict(chosen, safe, risk, thresholds, measured)
        )
        return beside(picture, words, shares=(2, 1))

    start = points(risk, loss)
    safe = evaluation.acceptable(start, measured, limits)
    first = (safe if len(safe) else start)["name"].iloc[0]
    controls = {
        "risk": ipw.Dropdown(options=risks, value=risk, description="risk"),
        "loss": ipw.Dropdown(options=losses, value=loss, description="loss"),
        "threshold": ipw.FloatSlider(
            limits.get(risk, 0.09), min=0, max=1, step=0.01, description="acceptable risk",
            continuous_update=False,
        ),
        "release": ipw.Dropdown(options=list(releases), value=first, description="release"),
    }  # fmt: skip
    return InteractiveWidget("Risk-utility map", controls, draw)


def _told(name: str, measured: pd.DataFrame, verdict: str) -> str:
    """Return what is known of the release chosen, in sentences: HTML."""
    said = [html.escape(sentence) for sentence in in_words(measured)]
    return (
        f"<h5>{html.escape(name)}</h5><p>{verdict}</p><ul><li>{'</li><li>'.join(said)}</li></ul>"
    )


def _verdict(
    chosen: pd.DataFrame,
    safe: pd.DataFrame,
    risk: str,
    limits: Mapping[str, float],
    measured: pd.DataFrame,
) -> str:
    """Return whether the release keeps the limits of all attacks, and what costs less."""
    if not len(chosen):
        return "Not on this map: one of its measures means nothing for this kind of release."
    point = chosen.iloc[0]
    kept = limits_kept(measured, limits).loc[(point["method"], point["strength"])]
    verdict = f"{'Keeps' if kept[risk] else 'Does not keep'} the acceptable {risk} of "
    verdict += f"{limits[risk]:g}, upper end of the interval included. "
    verdict += "Nothing beats it in both." if point["front"] else "Another is better in both."
    broken = [name for name in kept.index if not kept[name] and name != risk]
    if broken:
        verdict += f" Above the limit in another attack: {', '.join(broken)}."
    if len(safe) and safe["name"].iloc[0] != point["name"]:
        verdict += (
            f" Of those that keep all limits {html.escape(safe['name'].iloc[0])} costs least."
        )
    return verdict
