"""Classes of a release drawn as rectangles over two quasi-identifiers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from anyascii import anyascii
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font
from matplotlib.legend import Legend

from medlab.errors import InputError
from medlab.tabular.rectangles import Axis, Rectangles
from medlab.viz.figure import Color, Shown, Stage, bare

# With a marker each, so that color never speaks alone.
_COLORS = (
    Color.BLUE, Color.ORANGE, Color.GREEN, Color.PINK, Color.AMBER, Color.SKY, "#666666",
)  # fmt: skip
_MARKERS = "o^sDvPX"
_MOST_LABELS = 24
_UNITS = {"Age": "years", "Weight": "kg", "Height": "cm"}  # as in dicom.cohort_table
_MOST_POINTS = 30_000
_MARK: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "fontsize": 9,
    "weight": "bold",
    "bbox": {"boxstyle": "circle,pad=0.15", "fc": "white", "ec": Color.RED, "lw": 1},
}
_SANS = "DejaVu Sans"  # of matplotlib: Latin, Greek, Cyrillic, Arabic, Hebrew
# Fonts with Chinese, Japanese or Korean, where a system has one.
_EAST_ASIAN = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK TC", "Noto Sans CJK KR",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAGothic", "Droid Sans Fallback",
    "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Hiragino Sans", "PingFang SC",
    "Arial Unicode MS",
)  # fmt: skip


_PATHS = {font.name: font.fname for font in font_manager.fontManager.ttflist}
# Fonts of texts that may be in any script: a character is taken from the first that has it.
_FAMILY = [name for name in (_SANS, *_EAST_ASIAN) if name in _PATHS]


def draw_rectangles(
    rectangles: Rectangles,
    *,
    title: str = "",
    points: bool = True,
) -> Figure:
    """Draw one set of rectangles.

    Parameters
    ----------
    rectangles : Rectangles
        From `medlab.tabular.rectangles`.
    title : str, optional
    points : bool
        Draw the original rows, jittered, colored by their sensitive value.

    Returns
    -------
    Figure
        Larger classes are darker; classes that violate a criterion are hatched and red.
    """
    return _side_by_side([rectangles], [title], (8.0, 5.2), 1, points)


def draw_panels(
    panels: Sequence[Rectangles],
    titles: Sequence[str],
    *,
    points: bool = True,
    columns: int = 2,
) -> Figure:
    """Draw several sets of rectangles side by side, with the same axes and shades.

    Parameters
    ----------
    panels : sequence of Rectangles
        Of the same two quasi-identifiers.
    titles : sequence of str
        One for each.
    points : bool
        See `draw_rectangles`.
    columns : int
        Panels in a row.
    """
    if len(panels) != len(titles) or not panels:
        raise InputError(f"{len(panels)} panels and {len(titles)} titles; give one title each")
    size = 4.6 * columns, 3.5 * -(-len(panels) // columns)
    return _side_by_side(panels, titles, size, columns, points)


def _side_by_side(
    panels: Sequence[Rectangles],
    titles: Sequence[str],
    size: tuple[float, float],
    columns: int,
    points: bool,
) -> Figure:
    fig = Figure(figsize=size, layout="constrained")
    rows = -(-len(panels) // columns)
    axes = fig.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    sizes = np.concatenate([panel.boxes["size"].to_numpy() for panel in panels])
    shade = _shades(int(sizes.min()), int(sizes.max()))
    for ax, panel, title in zip(axes.flat, panels, titles, strict=False):
        _draw(ax, panel, shade, points)
        ax.set_title(title)
        ax.label_outer()
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    _scale(fig, axes[:, -1].tolist(), shade)
    violated = any(not panel.boxes["ok"].all() for panel in panels)
    _legend(fig, panels[0], points, violated=violated)
    return fig


def _shades(smallest: int, largest: int) -> mpl.cm.ScalarMappable:
    norm = mpl.colors.LogNorm(max(smallest, 1), max(largest, 2))
    grays = mpl.colors.ListedColormap(mpl.colormaps["Greys"](np.linspace(0.12, 0.95, 256)))
    return mpl.cm.ScalarMappable(norm, grays)


def _draw(ax: Axes, panel: Rectangles, shade: mpl.cm.ScalarMappable, points: bool) -> None:
    for kept, edge, width in ((True, "#444444", 0.6), (False, Color.RED, 1.4)):
        many = PolyCollection([], edgecolors=edge)
        many.set(linewidths=width, hatch=None if kept else "////")
        _fill(many, panel.boxes[panel.boxes["ok"] == kept], shade)
        ax.add_collection(many)
    if points:
        _points(ax, panel)
    ax.autoscale_view()
    _label(ax, panel.x, "x")
    _label(ax, panel.y, "y")


def _fill(many: PolyCollection, boxes: pd.DataFrame, shade: mpl.cm.ScalarMappable) -> None:
    boxes = boxes.dropna(subset=["left", "bottom"])
    many.set_verts(list(_corners(boxes)))
    many.set_facecolor(shade.to_rgba(boxes["size"].to_numpy(), alpha=0.6).tolist())


def _corners(boxes: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the corners of rectangles, shape (boxes, 4, 2)."""
    x, y = boxes["left"].to_numpy(), boxes["bottom"].to_numpy()
    right, top = x + boxes["width"].to_numpy(), y + boxes["height"].to_numpy()
    return np.stack([np.stack([x, right, right, x], 1), np.stack([y, y, top, top], 1)], axis=2)


def _points(ax: Axes, panel: Rectangles) -> None:
    """Draw the original rows, jittered alike in every figure."""
    rng = np.random.default_rng(0)
    positions = []
    for axis in (panel.x, panel.y):
        spread = 0.35 if axis.labels or axis.kind == "date" else _step(axis.position) * 0.35
        positions.append(axis.position + rng.uniform(-spread, spread, len(axis.position)))
    x, y = positions
    names, which = _values(panel)
    size = 14 if len(x) < 2_000 else 3
    for number, _ in enumerate(names):
        here = np.flatnonzero(which == number)[:_MOST_POINTS]
        ax.scatter(
            x[here],
            y[here],
            s=size,
            c=_COLORS[number % len(_COLORS)],
            marker=_MARKERS[number % len(_MARKERS)],
            linewidths=0,
            alpha=0.8,
            zorder=3,
            rasterized=True,
        )


def _step(position: npt.NDArray[np.float64]) -> float:
    places = np.unique(position[~np.isnan(position)])
    return float(np.diff(places).min()) if len(places) > 1 else 1.0


def _values(panel: Rectangles) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the sensitive values to tell apart, most frequent first, and each row's."""
    if panel.sensitive is None:
        return ["patients"], np.zeros(len(panel.x.position), dtype=np.int64)
    codes, names = pd.factorize(panel.sensitive)
    order = np.argsort(-np.bincount(codes), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    most = len(_COLORS) - 1
    kept = [_readable(str(names[i])) for i in order[:most]]
    if len(order) > most:
        kept.append("other")
    return kept, np.minimum(rank[codes], most)


def _label(ax: Axes, axis: Axis, which: str) -> None:
    side = ax.xaxis if which == "x" else ax.yaxis
    unit = _UNITS.get(axis.name)
    name = _readable(f"{axis.name} ({unit})" if unit else axis.name)
    side.set_label_text(name, fontfamily=_FAMILY)
    if axis.kind == "date":
        locator = AutoDateLocator(maxticks=7)  # type: ignore[no-untyped-call]
        side.set_major_locator(locator)
        short = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        side.set_major_formatter(short)
    if axis.labels:
        step = -(-len(axis.labels) // _MOST_LABELS)
        at = np.arange(0, len(axis.labels), step)
        texts = [_readable(axis.labels[i]) for i in at]
        side.set_ticks(at, texts, fontfamily=_FAMILY)
        if which == "x" and sum(map(len, texts)) > 60:
            ax.tick_params(axis="x", labelrotation=60)


@cache
def _characters() -> frozenset[int]:
    """Return the characters that figures can show."""
    return frozenset().union(*(get_font(_PATHS[name]).get_charmap() for name in _FAMILY))


def _readable(text: str) -> str:
    """Return a text as `_FAMILY` can show it: in Latin letters where no font has its script."""
    if text.isascii() or set(map(ord, text)) <= _characters():
        return text
    _say_once()
    return anyascii(text)


@cache
def _say_once() -> None:
    logging.getLogger(__name__).warning(
        "no font on this machine has the script of some labels; figures show them in Latin letters"
    )


def _scale(fig: Figure, ax: Axes | list[Axes], shade: mpl.cm.ScalarMappable) -> None:
    low, high = shade.get_clim()
    ticks = np.unique(np.geomspace(low or 1, high or 2, 5).round())
    fig.colorbar(
        shade, ax=ax, label="rows in the class", alpha=0.6, shrink=0.8, ticks=ticks, format="%d"
    ).minorticks_off()


def _legend(fig: Figure, panel: Rectangles, points: bool, *, violated: bool) -> Legend:
    """Add a legend of what is drawn: classes, those that violate a criterion, and patients."""
    handles: list[mpl.artist.Artist] = [
        mpl.patches.Patch(facecolor="#dddddd", edgecolor="#444444", label="class")
    ]
    if violated:
        handles.append(
            mpl.patches.Patch(
                facecolor="#dddddd", edgecolor=Color.RED, hatch="////", label="criterion violated"
            )
        )
    if points:
        handles += [
            mpl.lines.Line2D(
                [],
                [],
                linestyle="",
                color=_COLORS[i % len(_COLORS)],
                marker=_MARKERS[i % len(_MARKERS)],
                label=name,
            )
            for i, name in enumerate(_values(panel)[0])
        ]
    return fig.legend(
        handles=handles,
        loc="outside lower center",
        ncols=4,
        prop={"family": _FAMILY, "size": "small"},
    )


class Board:
    """Rectangles that change, over axes and patients that stay until other axes are chosen.

    Parameters
    ----------
    whole : Rectangles
        The whole table as one part (`medlab.tabular.rectangles` with ``cuts=0``).
    points : bool
        See `draw_rectangles`.

    Attributes
    ----------
    most_marks : int
        Most rectangles that get a number.
    """

    most_marks = 6

    def __init__(
        self,
        whole: Rectangles,
        *,
        points: bool = True,
    ) -> None:
        fig = Figure(figsize=(7.2, 5.4))
        # At fixed places: searching them would cost as much again.
        fig.subplots_adjust(0.09, 0.26 if points else 0.17, 1.02, 0.94)
        self._ax = fig.add_subplot()
        self._ax.set_animated(True)
        # A tenth of the table is black already, so that small classes differ.
        self._shade = _shades(2, len(whole.x.position) // 10)
        self._shade.cmap.colorbar_extend = "max"  # type: ignore[assignment]
        _scale(fig, self._ax, self._shade)
        legends = [_legend(fig, whole, points, violated=some) for some in (False, True)]
        for legend in legends:
            legend.set_animated(True)
        self._points = points
        self._stage = Stage(fig)
        self._legends = [self._stage.piece(legend) for legend in legends]
        self.turn(whole)

    def turn(self, whole: Rectangles) -> None:
        """Choose other axes.

        Parameters
        ----------
        whole : Rectangles
            The same table as one part, over two other quasi-identifiers.
        """
        ax = self._ax
        ax.clear()
        _draw(ax, whole, self._shade, self._points)
        self._boxes = [many for many in ax.collections if isinstance(many, PolyCollection)]
        self._title = ax.set_title("cuts")
        self._moving = [*ax.collections, self._title]
        self._marks = [ax.text(0, 0, "", **_MARK) for _ in range(self.most_marks)]
        for artist in (*self._moving, *self._marks):
            artist.set_animated(True)
        self._stage.settle([ax])

    def show(
        self, rectangles: Rectangles, title: str, marked: pd.DataFrame, alt: str, caption: str = ""
    ) -> Shown:
        """Return the board with rectangles on it.

        Parameters
        ----------
        rectangles : Rectangles
            Of the same table and axes.
        title : str
        marked : DataFrame
            Rows of `shown.boxes` that get a number, counted from 1; the first `most_marks`.
        alt, caption : str
            See `medlab.viz.show`.
        """
        ok = rectangles.boxes["ok"].to_numpy(dtype=bool)
        for many, some in zip(self._boxes, (ok, ~ok), strict=True):
            _fill(many, rectangles.boxes[some], self._shade)
        self._title.set_text(title)
        middle = marked[["left", "bottom"]] + marked[["width", "height"]].to_numpy() / 2
        marks = self._marks[: len(middle)]
        for number, (mark, spot) in enumerate(zip(marks, middle.to_numpy(), strict=False), 1):
            mark.set(position=spot, text=str(number))
        legend = self._legends[int(not ok.all())]
        return self._stage.show([*self._moving, *marks], alt, caption, legend)


def draw_beliefs(curves: Mapping[str, npt.NDArray[np.float64]]) -> Figure:
    """Draw for how many patients the attacker's belief in the true value is how strong.

    Parameters
    ----------
    curves : mapping of str to float array, shape (rows,)
        From `medlab.tabular.beliefs`, by the name of the release.
    """
    fig = Figure(figsize=(7, 3.8), layout="constrained")
    ax = fig.add_subplot()
    styles = ("-", "--", "-.", ":")
    for number, (name, belief) in enumerate(curves.items()):
        beliefs = np.sort(belief[~np.isnan(belief)])
        share = 100 * (1 - np.arange(len(beliefs)) / len(beliefs))
        color = _COLORS[number % len(_COLORS)]
        ax.step(beliefs, share, where="pre", label=name, color=color, ls=styles[number % 4])
    ax.set_xlabel("belief in the true value (1 = certain)")
    ax.set_ylabel("patients believed at least so (%)")
    ax.set_xlim(0, 1.02)
    ax.set_ylim(0, 101)
    ax.legend()
    return fig


def draw_methods(table: pd.DataFrame, columns: Mapping[str, str]) -> Figure:
    """Draw some measures of several methods as bars; "n/a" where a measure means nothing.

    Parameters
    ----------
    table : DataFrame, one row a method (its index)
    columns : mapping of str to str
        The columns to draw and what they are called on the axis.
    """
    fig = Figure(figsize=(3.2 * len(columns) + 1, 0.34 * len(table) + 1.3), layout="constrained")
    axes = fig.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    place = np.arange(len(table))
    for ax, (name, label), color in zip(axes, columns.items(), _COLORS, strict=False):
        values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
        ax.barh(place, np.nan_to_num(values), color=color, height=0.7)
        for y, value in zip(place, values, strict=True):
            text = "n/a" if np.isnan(value) else f"{value:.3g}"
            ax.text(np.nan_to_num(value), y, f" {text}", va="center", fontsize="small")
        ax.set_yticks(place, table.index.astype(str))
        ax.set_xlabel(label)
        ax.margins(x=0.25)
        bare(ax)
    axes[0].invert_yaxis()
    return fig


def draw_reliefs(rows: Mapping[str, npt.NDArray[np.float64]]) -> Figure:
    """Draw depth maps as reliefs lit from the upper left, one row of pictures a name.

    Parameters
    ----------
    rows : mapping of str to float array, shape (pictures, height, width)
        Depth maps of the same size, in pixels; NaN where there is nothing.
    """
    most = max(len(pictures) for pictures in rows.values())
    fig = Figure(figsize=(1.5 * most, 2.1 * len(rows)), layout="constrained")
    axes = fig.subplots(len(rows), most, squeeze=False)
    light = mpl.colors.LightSource(azdeg=315, altdeg=50)
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for number, (ax, depth) in enumerate(zip(line, pictures, strict=False)):
            measured = np.isfinite(depth)
            relief = light.hillshade(np.where(measured, depth, np.nanmin(depth)), vert_exag=0.7)
            ax.imshow(np.where(measured, relief, np.nan), cmap="gray", vmin=0, vmax=1)
            ax.set_title(f"{name} {number + 1}", fontsize="small")
        for ax in line:
            ax.set_axis_off()
    return fig
