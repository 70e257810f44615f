"""The risk-utility map: what a protection buys and what it costs."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from medlab.evaluation.risk_utility import point_name
from medlab.methods.catalogue import ON_MAP
from medlab.viz.figure import Color, Shown, Stage, bare

# Dark to light enough to differ in gray; a marker tells the method as well.
_COLORS = (
    Color.BLUE, Color.ORANGE, Color.GREEN, Color.PINK, "black", Color.SKY, Color.AMBER,
)  # fmt: skip
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "*", "p", "d")
_RISK_TICKS = (0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1)
# Where the middle of a label may stand, in points from its mark, the best place first.
_LABEL_SPOTS = np.array([[9, 7], [9, -7], [-9, 7], [-9, -7], [0, 11], [0, -11], [14, 0], [-14, 0]])
_ENOUGH = 11.0  # points between a label and everything else

_SPOT_STYLE = """<style>
.medlab-spot { position: absolute; width: 18px; height: 18px; margin: 0 0 -9px -9px; }
.medlab-spot > span { display: none; position: absolute; z-index: 9; width: 260px; padding: 6px;
  background: white; color: black; border: 1px solid #444; font-size: 12px; line-height: 1.35; }
.medlab-spot:hover > span { display: block; }
</style>"""


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
    board = Board(list(points["method"].unique()), size=(9.2, 6.0))
    return board.draw(points, threshold, (risk, loss))


def _same_size(legend: Legend) -> None:
    for handle in legend.legend_handles:
        if isinstance(handle, Line2D):
            handle.set_markersize(7)


def _scale(ax: Axes) -> None:
    """Give the risk a square-root scale: small risks are seen, and there still is a zero."""
    ax.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
    ax.set_yticks(_RISK_TICKS, [f"{tick:g}" for tick in _RISK_TICKS])
    ax.set_ylim(0, 1.1)


def _across(loss: str) -> str:
    return f"{loss} (0: untouched)"


def _upward(risk: str) -> str:
    return f"{risk} (share of people, square-root scale)"


def _acceptable(ax: Axes, threshold: float, label: str) -> tuple[Line2D, Rectangle]:
    """Draw the line of acceptable risk and what lies below it."""
    line = ax.axhline(threshold, color="0.2", lw=1.0, ls=":", label=label)
    return line, ax.axhspan(0.0, threshold, color="0.93", zorder=0)


class _Marks:
    """One line of marks a method, the bars of all, the front: made once, moved at will."""

    def __init__(self, ax: Axes, methods: Iterable[str]) -> None:
        self._bars = LineCollection([], linewidths=0.7, zorder=1.8)
        ax.add_collection(self._bars)
        (self._front,) = ax.plot(
            [], [], color="0.55", lw=1.2, ls="--", zorder=1, drawstyle="steps-post",
            label="Pareto front",
        )  # fmt: skip
        self._lines = {name: ax.plot([], [], label=name, **_look(name))[0] for name in methods}
        self.artists: list[Artist] = [self._front, self._bars, *self._lines.values()]

    def fit(self, ax: Axes, points: pd.DataFrame) -> None:
        """Put the marks where the points are, and let the axis reach as far as they do."""
        self.put(points)
        reach = min(1.0, max(0.2, float(points["loss_high"].max())))
        ax.set_xlim(-0.03 * reach, 1.06 * reach)

    def put(self, points: pd.DataFrame) -> None:
        """Move the marks to where the points are."""
        front = points[points["front"]].sort_values("loss")
        self._front.set_data(front["loss"], front["risk"])
        colors = {name: line.get_color() for name, line in self._lines.items()}
        self._bars.set_segments(list(_bars(points)))
        self._bars.set_color([colors[name] for name in points["method"]] * 2)
        spots: dict[tuple[float, float], int] = {}
        for name, line in self._lines.items():
            some = points[points["method"] == name]
            line.set_data(some["loss"], some["risk"])
            if not len(some):
                continue
            spot = round(float(some["loss"].iloc[0]), 3), round(float(some["risk"].iloc[0]), 3)
            spots[spot] = beneath = spots.get(spot, -1) + 1
            # A point on top of others is a larger, hollow mark around them.
            face = "none" if beneath else _look(name)["mfc"]
            line.set(markersize=7 + 5 * beneath, markerfacecolor=face)
            line.set_linestyle("none" if len(some) == 1 else _look(name)["ls"])


def _look(method: str) -> dict[str, Any]:
    """Return how the marks and the line of a method look."""
    names = [*ON_MAP, method]
    again, number = divmod(names.index(method), len(_COLORS))
    color = _COLORS[number]
    return {
        "marker": _MARKERS[names.index(method) % len(_MARKERS)],
        "color": color,
        "mfc": "white" if again else color,
        "mew": 1.4,
        "ms": 7,
        "lw": 1.1,
        "ls": (0, (4, 1.5)) if again else "-",
    }


def _bars(points: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the bars over the seeds, first those across, then those upward: (2n, 2, 2)."""
    x, y = points["loss"], points["risk"]
    ends = [
        np.stack([points[["loss_low", "loss_high"]], np.stack([y, y], axis=1)], axis=2),
        np.stack([np.stack([x, x], axis=1), points[["risk_low", "risk_high"]]], axis=2),
    ]
    return np.concatenate(ends)


def _label(ax: Axes, points: pd.DataFrame) -> list[Artist]:
    """Write the strength beside the points of methods that have several, where there is room."""
    several = points.groupby("method")["strength"].transform("size") > 1
    place = points[["loss", "risk"]].to_numpy()
    everything = ax.transData.transform(place) * 72 / ax.figure.dpi
    taken = [*everything]
    written: list[Artist] = []
    for i in np.flatnonzero(several):
        room = [
            np.hypot(*(np.array(taken) - everything[i] - middle).T).min()
            for middle in _LABEL_SPOTS
        ]
        middle = _LABEL_SPOTS[int(np.argmax(np.minimum(room, _ENOUGH)))]
        taken.append(everything[i] + middle)
        text = ax.annotate(
            f"{points['strength'].iloc[i]:g}", place[i], xytext=middle,
            textcoords="offset points", ha="center", va="center", fontsize=8, color="0.25",
        )  # fmt: skip
        written.append(text)
    return written


class Board:
    """The map: drawn once, or with other measures, another threshold, another release at will.

    Parameters
    ----------
    methods : sequence of str
        All methods that may come.
    size : (width, height) in inches
    """

    def __init__(self, methods: Sequence[str], *, size: tuple[float, float] = (8.4, 5.2)) -> None:
        self._fig = Figure(figsize=size, layout="constrained")
        self._ax = self._fig.subplots()
        _scale(self._ax)
        bare(self._ax)
        self._marks = _Marks(self._ax, methods)
        self._settled = ("", "")

    def draw(self, points: pd.DataFrame, threshold: float | None, axes: tuple[str, str]) -> Figure:
        """Return the map as a figure; see `show`."""
        fig, ax = self._fig, self._ax
        self._marks.fit(ax, points)
        if threshold is not None:
            _acceptable(ax, threshold, f"acceptable risk {threshold:g}")
        ax.set(xlabel=_across(axes[1]), ylabel=_upward(axes[0]))
        _same_size(fig.legend(loc="outside right upper", fontsize=9, frameon=False))
        fig.draw_without_rendering()  # only then is it known where the points are
        _label(ax, points)
        return fig

    def _begin(self) -> None:
        """Draw the frame, to which what moves is added."""
        ax = self._ax
        ax.set_xlim(-0.03, 1.06)
        self._line, self._below = _acceptable(ax, 0.0, "acceptable risk")
        self._below.set(facecolor="black", alpha=0.07)  # above the marks: they may stay
        (self._ring,) = ax.plot(
            [], [], "o", ms=22, mfc="none", mec="black", mew=2.2, ls="none", label="chosen"
        )
        self._says = [
            ax.text(0.5, -0.07, _across("loss"), transform=ax.transAxes, ha="center", va="top"),
            ax.text(
                -0.075, 0.5, _upward("risk"), transform=ax.transAxes, ha="right", va="center",
                rotation="vertical",
            ),
        ]  # fmt: skip
        self._fig.legend(loc="outside right upper", fontsize=9, frameon=False, markerscale=0.8)
        self._over = [self._below, self._line, self._ring]
        for artist in (*self._marks.artists, *self._says, *self._over):
            artist.set_animated(True)
        self._stage = Stage(self._fig)

    def show(
        self,
        points: pd.DataFrame,
        threshold: float,
        chosen: pd.DataFrame,
        axes: tuple[str, str],
        words: Sequence[str],
    ) -> Shown:
        """Return the map.

        Parameters
        ----------
        points : DataFrame
            From `medlab.evaluation.risk_and_loss`; the same for the same `axes`.
        threshold : float
            The acceptable risk.
        chosen : DataFrame
            Rows of `points` that get a ring.
        axes : (str, str)
            What risk and loss are called.
        words : sequence of str
            What is said of each point to who points at it.
        """
        if self._settled == ("", ""):
            self._begin()
        if axes != self._settled:
            self._settle(points, axes)
        self._line.set_ydata([threshold, threshold])
        self._below.set_height(threshold)
        self._ring.set_data(chosen["loss"], chosen["risk"])
        alt, caption = describe(points, threshold, axes), "Point at a mark to read its numbers."
        picture = self._stage.show(self._over, alt, caption)
        spots = self._ax.transData.transform(points[["loss", "risk"]].to_numpy())
        return replace(picture, over=_spots(spots / self._fig.bbox.size, words))

    def _settle(self, points: pd.DataFrame, axes: tuple[str, str]) -> None:
        """Draw what stays while only the threshold and the release chosen change."""
        self._marks.put(points)
        for artist, said in zip(self._says, (_across(axes[1]), _upward(axes[0])), strict=True):
            artist.set_text(said)
        written = _label(self._ax, points)
        self._stage.settle([*self._marks.artists, *self._says, *written])
        for text in written:
            text.remove()
        self._settled = axes


def _spots(places: npt.NDArray[np.float64], words: Sequence[str]) -> str:
    """Return what appears over a picture where one points at: HTML."""
    spots = [
        f"<span class='medlab-spot' style='left: {100 * x:.2f}%; bottom: {100 * y:.2f}%'>"
        f"<span style='{'right' if x > 0.45 else 'left'}: 18px; "
        f"{'top' if y > 0.5 else 'bottom'}: 0'>{html.escape(said)}</span></span>"
        for (x, y), said in zip(places, words, strict=True)
    ]
    return _SPOT_STYLE + "".join(spots)


def attack_maps(
    views: Mapping[str, pd.DataFrame],
    baselines: Mapping[str, float] | None = None,
    *,
    loss: str = "information loss",
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
    """
    columns = 2
    rows = -(-len(views) // columns)
    fig = Figure(figsize=(4.6 * columns, 3.6 * rows), layout="constrained")
    axes = fig.subplots(rows, columns, squeeze=False, sharex=True)
    handles: dict[str, Any] = {}
    for ax, (name, points) in zip(axes.ravel(), views.items(), strict=False):
        _Marks(ax, points["method"].unique()).fit(ax, points)
        ax.set_ylim(-0.03, 1.06)
        bare(ax)
        if baselines and name in baselines:
            ax.axhline(baselines[name], color="0.2", lw=1.0, ls=":", label="baseline")
        ax.set_title(name, fontsize=10)
        handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    for ax in axes.ravel()[len(views) :]:
        ax.set_axis_off()
    for ax in axes[-1]:
        ax.set_xlabel(loss)
    legend = fig.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=3, fontsize=8,
        frameon=False,
    )  # fmt: skip
    _same_size(legend)
    return fig


def describe(
    points: pd.DataFrame, threshold: float, names: Sequence[str] = ("risk", "loss")
) -> str:
    """Return the text alternative of the map."""
    below = points[points["risk_high"] <= threshold].sort_values("loss")
    start = (
        f"Map of {len(points)} protections, {names[0]} upward from 0 to 1 against {names[1]} to "
        f"the right from 0 to 1. {int(points['front'].sum())} lie on the Pareto front."
    )
    if not len(below):
        return f"{start} None stays below the limit of {threshold:g}."
    best = below.iloc[0]
    return (
        f"{start} {len(below)} stay below the limit of {threshold:g}; of these the one that costs "
        f"least is {point_name(best['method'], best['strength'])}, with a loss of "
        f"{best['loss']:.2f}."
    )
