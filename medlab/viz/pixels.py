"""Figures of text in pixels: what was found, before and after, and how effects are undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from medlab.pixels.decide import Decision
from medlab.viz.figure import Color, Shown, Stage, bare

_REMOVE, _KEEP = Color.ORANGE, Color.SKY
_LOOKS = {"pixelate": (Color.BLUE, "o", "-"), "blur": (Color.ORANGE, "s", "--")}
_UNITS = {"pixelate": "block, pixels", "blur": "sigma, pixels"}


def beside(
    pictures: Mapping[str, NDArray[Any]],
    decisions: Mapping[str, Sequence[Decision]] | None = None,
    *,
    columns: int | None = None,
    show: bool = True,
) -> Figure:
    """Draw images side by side, each below its title, with the boxes of what was found in them.

    Parameters
    ----------
    pictures : mapping of str to ndarray
        Gray (rows, columns) or RGB, 0 to 255, by title.
    decisions : mapping of str to sequence of Decision, optional
        By the same titles. What is removed is drawn thick and crossed, what stays thin and
        dashed.
    columns : int, optional
        Images in a row; all in one, if not given.
    show : bool
        Draw the images; else black, and the boxes alone.

    Returns
    -------
    Figure
    """
    fig, axes = _rows(len(pictures), columns or len(pictures) or 1)
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        _picture(axis, picture if show else np.zeros_like(picture), title)
        for decision in decisions[title] if decisions else ():
            _draw(axis, decision)
    if decisions is not None:
        fig.legend(handles=_legend(), loc="outside lower center", ncols=2, frameon=False)
    return fig


def _draw(axis: Axes, decision: Decision) -> list[Artist]:
    drawn: list[Artist] = []
    for x0, y0, x1, y1 in decision.boxes:
        size = (x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0
        if decision.remove:
            frame = Rectangle(*size, fill=False, edgecolor=_REMOVE, linewidth=2.0)
            drawn += [axis.add_patch(frame)]
            drawn += axis.plot([x0, x1], [y1, y0], color=_REMOVE, linewidth=0.8)
        else:
            look: dict[str, Any] = {"edgecolor": _KEEP, "linewidth": 1.5, "linestyle": "--"}
            drawn.append(axis.add_patch(Rectangle(*size, fill=False, **look)))
    return drawn


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
        bare(axis)
    axes[0].set_ylabel("digits read back, %")
    return fig


def _rows(count: int, columns: int) -> tuple[Figure, list[Axes]]:
    """Return a figure and as many axes as there are pictures, in rows of so many columns."""
    rows = max(1, -(-count // columns))
    size = (min(3.6 * columns, 11.0), 3.9 * rows)
    fig = Figure(figsize=size, layout="constrained")
    axes = list(np.ravel(fig.subplots(rows, columns)))
    for axis in axes[count:]:
        axis.set_axis_off()
    return fig, axes[:count]


def _picture(axis: Axes, picture: NDArray[Any], title: str) -> None:
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    axis.autoscale(enable=False)  # boxes may reach over the edge
    axis.set(xticks=[], yticks=[])
    if title:
        axis.set_title(title, fontsize=10)


class Editor:
    """An image with numbered boxes beside its result, drawn again in hundredths of a second.

    Parameters
    ----------
    picture : ndarray
        Gray (rows, columns) or RGB, 0 to 255: the size of all that is shown later.
    """

    def __init__(self, picture: NDArray[Any]) -> None:
        fig = Figure(figsize=(9.6, 4.4), layout="constrained")
        self._axes = list(np.atleast_1d(fig.subplots(1, 2)))
        for axis, title in zip(self._axes, ("boxes", "result"), strict=True):
            _picture(axis, picture, title)
            axis.images[0].set_animated(True)
        fig.legend(handles=_legend(), loc="outside lower center", ncols=2, frameon=False)
        self._stage = Stage(fig)

    def show(
        self,
        picture: NDArray[Any],
        decisions: Sequence[Decision],
        result: NDArray[Any],
        alt: str,
        caption: str,
    ) -> Shown:
        """Return the image with the boxes of each decision, numbered from 1, and the result."""
        drawn: list[Artist] = []
        for axis, content in zip(self._axes, (picture, result), strict=True):
            axis.images[0].set_data(content)
            drawn.append(axis.images[0])
        marks: list[Artist] = []
        for number, decision in enumerate(decisions, 1):
            marks += [*_draw(self._axes[0], decision), _number(self._axes[0], number, decision)]
        done = self._stage.show([*drawn, *marks], alt, caption)
        for mark in marks:
            mark.remove()
        return done


def _number(axis: Axes, number: int, decision: Decision) -> Artist:
    x0, y0, _, _ = decision.boxes[0]
    look: dict[str, Any] = {"fc": "black", "ec": _REMOVE if decision.remove else _KEEP, "pad": 1}
    return axis.text(x0, y0, str(number), fontsize=8, color="white", va="bottom", bbox=look)


def _legend() -> list[Line2D]:
    return [
        Line2D([], [], color=_REMOVE, linewidth=2.5, label="removed"),
        Line2D([], [], color=_KEEP, linewidth=1.5, linestyle="--", label="stays"),
    ]
