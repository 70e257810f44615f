"""The risk-utility map: what a protection buys and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medlab.evaluation.protections import METHODS
from medlab.evaluation.tradeoff import point_name

# Okabe-Ito colors, dark to light enough to differ in gray; a marker tells the method as well.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "*", "p", "d")
RISK_TICKS = (0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1)
NEAR = 0.04  # of an axis: labels nearer than this are put below instead of above


def tradeoff_map(
    points: pd.DataFrame,
    threshold: float | None = None,
    *,
    risk: str = "risk",
    loss: str = "information loss",
) -> Figure:
    """Draw risk against loss, one mark a method and strength, bars over the seeds.

    Parameters
    ----------
    points : DataFrame
        From `medlab.evaluation.risk_and_loss`.
    threshold : float, optional
        The acceptable risk, drawn as a line.
    risk, loss : str
        What the axes say.

    Returns
    -------
    Figure
    """
    fig = Figure(figsize=(9.2, 6.0), layout="constrained")
    ax = fig.subplots()
    draw_map(ax, points, threshold)
    # A square root shows small risks, where the decision is, and still has a zero.
    ax.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
    ax.set_yticks(RISK_TICKS, [f"{tick:g}" for tick in RISK_TICKS])
    ax.set_ylim(0, 1.1)
    _label(ax, points)
    ax.set_xlabel(f"{loss} (0: untouched)")
    ax.set_ylabel(f"{risk} (share of people, square-root scale)")
    fig.legend(loc="outside right upper", fontsize=9, frameon=False)
    return fig


def draw_map(ax: Axes, points: pd.DataFrame, threshold: float | None) -> None:
    """Draw the points, the front and the line on axes of their own."""
    front = points[points["front"]].sort_values("loss")
    ax.step(
        front["loss"], front["risk"], where="post", color="0.55", lw=1.2, ls="--", zorder=1,
        label="Pareto front",
    )  # fmt: skip
    spots: dict[tuple[float, float], int] = {}
    for method, some in points.groupby("method", sort=False):
        spot = round(float(some["loss"].iloc[0]), 3), round(float(some["risk"].iloc[0]), 3)
        spots[spot] = spots.get(spot, -1) + 1
        _draw_method(ax, str(method), some, spots[spot])
    if threshold is not None:
        ax.axhline(threshold, color="0.2", lw=1.0, ls=":", label=f"acceptable risk {threshold:g}")
        ax.axhspan(0.0, threshold, color="0.93", zorder=0)
    reach = min(1.0, max(0.2, float(points["loss_high"].max())))
    ax.set_xlim(-0.03 * reach, 1.06 * reach)
    ax.set_ylim(-0.03, 1.06)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_method(ax: Axes, method: str, some: pd.DataFrame, beneath: int) -> None:
    """Draw one method; a point on top of others is a larger, hollow mark around them."""
    names = [*METHODS, method]
    again, number = divmod(names.index(method), len(COLORS))
    color = COLORS[number]
    bars = [
        np.abs(some[[f"{axis}_low", f"{axis}_high"]].to_numpy().T - some[axis].to_numpy())
        for axis in ("loss", "risk")
    ]
    ax.errorbar(
        some["loss"],
        some["risk"],
        xerr=bars[0],
        yerr=bars[1],
        fmt=MARKERS[names.index(method) % len(MARKERS)],
        color=color,
        mfc="none" if beneath else "white" if again else color,
        mew=1.4,
        ms=7 + 5 * beneath,
        lw=1.1,
        elinewidth=0.7,
        ls="none" if len(some) == 1 else (0, (4, 1.5)) if again else "-",
        label=method,
    )


def _label(ax: Axes, points: pd.DataFrame) -> None:
    """Write the strength beside the points of methods that have several."""
    several = points.groupby("method")["strength"].transform("size") > 1
    width = float(np.ptp(ax.get_xlim()))
    placed: list[tuple[float, float]] = []
    for _, point in points[several].iterrows():
        spot = point["loss"] / width, float(np.sqrt(point["risk"]))
        crowd = sum(abs(spot[0] - x) < NEAR and abs(spot[1] - y) < NEAR for x, y in placed)
        placed.append(spot)
        ax.annotate(
            f"{point['strength']:g}",
            (point["loss"], point["risk"]),
            xytext=[(5, 5), (5, -12), (-10, 5), (-10, -12)][crowd % 4],
            textcoords="offset points",
            fontsize=8,
            color="0.25",
        )


def attack_maps(
    views: Mapping[str, pd.DataFrame],
    baselines: Mapping[str, float] | None = None,
    *,
    loss: str = "information loss",
    columns: int = 2,
) -> Figure:
    """Draw the map once for each attack, on common axes.

    Parameters
    ----------
    views : mapping of str to DataFrame
        Name of the attack and its points, from `medlab.evaluation.risk_and_loss`.
    baselines : mapping of str to float, optional
        What the attack reaches without the release, drawn as a line.
    loss : str
        What the horizontal axis says.
    columns : int
        Panels side by side.
    """
    rows = -(-len(views) // columns)
    fig = Figure(figsize=(4.6 * columns, 3.6 * rows), layout="constrained")
    axes = fig.subplots(rows, columns, squeeze=False, sharex=True)
    handles: dict[str, Any] = {}
    for ax, (name, points) in zip(axes.ravel(), views.items(), strict=False):
        draw_map(ax, points, None)
        if baselines and name in baselines:
            ax.axhline(baselines[name], color="0.2", lw=1.0, ls=":", label="baseline")
        ax.set_title(name, fontsize=10)
        handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    for ax in axes.ravel()[len(views) :]:
        ax.set_axis_off()
    for ax in axes[-1]:
        ax.set_xlabel(loss)
    fig.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=3, fontsize=8,
        frameon=False,
    )  # fmt: skip
    return fig


def describe(
    points: pd.DataFrame, threshold: float, names: Sequence[str] = ("risk", "loss")
) -> str:
    """Return the text alternative of the map."""
    safe = points[points["risk_high"] <= threshold].sort_values("loss")
    start = (
        f"Map of {len(points)} protections, {names[0]} upward from 0 to 1 against {names[1]} to "
        f"the right from 0 to 1. {int(points['front'].sum())} lie on the Pareto front."
    )
    if not len(safe):
        return f"{start} None stays below the acceptable risk of {threshold:g}."
    best = safe.iloc[0]
    return (
        f"{start} {len(safe)} stay below the acceptable risk of {threshold:g}; the one that costs "
        f"least is {point_name(best['method'], best['strength'])}, with a loss of "
        f"{best['loss']:.2f}."
    )
