"""Figures of text in pixels: what was found, before and after, and how effects are undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from medlab.pixels.decide import Decision

_REMOVE, _KEEP = "#d55e00", "#56b4e9"  # vermilion, sky blue (Okabe and Ito)
_LOOKS = {"pixelate": ("#0072b2", "o", "-"), "blur": ("#d55e00", "s", "--")}
_UNITS = {"pixelate": "block, pixels", "blur": "sigma, pixels"}


def boxes(
    pictures: Mapping[str, NDArray[Any]],
    decisions: Mapping[str, Sequence[Decision]],
    *,
    show: bool = True,
) -> Figure:
    """Draw images side by side with the boxes of what was found in them.

    Parameters
    ----------
    pictures : mapping of str to ndarray
        Gray (rows, columns) or RGB, 0 to 255, by title.
    decisions : mapping of str to sequence of Decision
        By the same titles. What is removed is drawn thick and crossed, what stays thin and
        dashed.
    show : bool
        Draw the images; else the boxes alone, on black.

    Returns
    -------
    Figure
    """
    fig, axes = _row(len(pictures))
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        _picture(axis, picture if show else np.zeros_like(picture), title)
        for one in decisions[title]:
            _draw(axis, one)
    lines = [
        Line2D([], [], color=_REMOVE, linewidth=2.5, label="removed"),
        Line2D([], [], color=_KEEP, linewidth=1.5, linestyle="--", label="stays"),
    ]
    fig.legend(handles=lines, loc="outside lower center", ncols=2, frameon=False)
    return fig


def _draw(axis: Axes, one: Decision) -> None:
    for x0, y0, x1, y1 in one.boxes:
        size = (x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0
        if one.remove:
            axis.add_patch(Rectangle(*size, fill=False, edgecolor=_REMOVE, linewidth=2.0))
            axis.plot([x0, x1], [y1, y0], color=_REMOVE, linewidth=0.8)
        else:
            look: dict[str, Any] = {"edgecolor": _KEEP, "linewidth": 1.5, "linestyle": "--"}
            axis.add_patch(Rectangle(*size, fill=False, **look))


def beside(pictures: Mapping[str, NDArray[Any]], *, show: bool = True) -> Figure:
    """Draw images side by side, each below its title; without `show`, nothing of them."""
    fig, axes = _row(len(pictures))
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        _picture(axis, picture if show else np.zeros_like(picture), title)
    return fig


def stacked(pictures: Mapping[str, NDArray[Any]]) -> Figure:
    """Draw wide, low images below each other, each right of its title."""
    fig = Figure(figsize=(7.5, 0.62 * len(pictures)), layout="constrained")
    axes = np.atleast_1d(fig.subplots(len(pictures), 1))
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        _picture(axis, picture, "")
        axis.set_ylabel(title, rotation=0, ha="right", va="center")
    return fig


def recovery(table: pd.DataFrame) -> Figure:
    """Draw how many digits an attack reads back over the strength of each effect.

    Parameters
    ----------
    table : DataFrame
        Of `medlab.pixels.attack.recovery`.
    """
    kinds = list(table["effect"].unique())
    fig = Figure(figsize=(3.8 * len(kinds), 3.0), layout="constrained")
    axes = np.atleast_1d(fig.subplots(1, len(kinds), sharey=True))
    for axis, kind in zip(axes, kinds, strict=True):
        rows = table[table["effect"] == kind]
        color, marker, line = _LOOKS[kind]
        axis.plot(rows["strength"], 100 * rows["digits"], line, color=color, marker=marker)
        axis.axhline(10, color="black", linewidth=1, linestyle=":")
        axis.text(rows["strength"].max(), 12, "by chance", ha="right", va="bottom", fontsize=9)
        axis.set(title=kind, xlabel=_UNITS[kind], ylim=(0, 105))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("digits read back, %")
    return fig


def _row(count: int) -> tuple[Figure, list[Axes]]:
    fig = Figure(figsize=(min(3.6 * count, 11.0), 3.9), layout="constrained")
    return fig, list(np.atleast_1d(fig.subplots(1, count)))


def _picture(axis: Axes, picture: NDArray[Any], title: str) -> None:
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    axis.autoscale(enable=False)  # boxes may reach over the edge
    axis.set(xticks=[], yticks=[])
    if title:
        axis.set_title(title, fontsize=10)
