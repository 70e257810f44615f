"""Classes of a release drawn as rectangles over two quasi-identifiers."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from medlab.errors import InputError
from medlab.tabular.rects import Axis, Rectangles

# Okabe-Ito, with a marker each, so that color never speaks alone.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666")
_MARKERS = "o^sDvPX"
_MOST_LABELS = 24
_MOST_POINTS = 30_000


def draw_rectangles(
    shown: Rectangles,
    *,
    title: str = "",
    points: bool = True,
    seed: int = 0,
    size: tuple[float, float] = (8.0, 5.2),
) -> Figure:
    """Draw one set of rectangles.

    Parameters
    ----------
    shown : Rectangles
        From `medlab.tabular.rectangles`.
    title : str, optional
    points : bool
        Draw the original rows, jittered, colored by their sensitive value.
    seed : int
        Of the jitter.
    size : (width, height) in inches

    Returns
    -------
    Figure
        Larger classes are darker; classes that break a promise are hatched and red.
    """
    fig = Figure(figsize=size, layout="constrained")
    ax = fig.add_subplot()
    shade = _shade_scale([shown])
    _draw(ax, shown, shade, points, seed)
    ax.set_title(title)
    _legend(fig, ax, shown, shade, points)
    return fig


def draw_panels(
    panels: Sequence[Rectangles],
    titles: Sequence[str],
    *,
    points: bool = True,
    seed: int = 0,
    columns: int = 2,
) -> Figure:
    """Draw several sets of rectangles side by side, with the same axes and shades.

    Parameters
    ----------
    panels : sequence of Rectangles
        Of the same two quasi-identifiers.
    titles : sequence of str
        One for each.
    points, seed
        See `draw_rectangles`.
    columns : int
        Panels in a row.
    """
    if len(panels) != len(titles) or not panels:
        raise InputError(f"{len(panels)} panels and {len(titles)} titles; give one title each")
    rows = -(-len(panels) // columns)
    fig = Figure(figsize=(4.6 * columns, 3.5 * rows), layout="constrained")
    axes = fig.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    shade = _shade_scale(panels)
    for ax, shown, title in zip(axes.flat, panels, titles, strict=False):
        _draw(ax, shown, shade, points, seed)
        ax.set_title(title)
        ax.label_outer()
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    _legend(fig, axes[:, -1].tolist(), panels[0], shade, points)
    return fig


def _shade_scale(panels: Sequence[Rectangles]) -> mpl.cm.ScalarMappable:
    sizes = np.concatenate([panel.boxes["size"].to_numpy() for panel in panels])
    norm = mpl.colors.LogNorm(max(int(sizes.min()), 1), max(int(sizes.max()), 2))
    grays = mpl.colors.ListedColormap(mpl.colormaps["Greys"](np.linspace(0.12, 0.95, 256)))
    return mpl.cm.ScalarMappable(norm, grays)


def _draw(
    ax: Axes, shown: Rectangles, shade: mpl.cm.ScalarMappable, points: bool, seed: int
) -> None:
    ok = shown.boxes["ok"].to_numpy(dtype=bool)
    for kept, edge, width in ((True, "#444444", 0.6), (False, "#b2182b", 1.4)):
        boxes = shown.boxes[ok == kept].dropna(subset=["left", "bottom"])
        color = shade.to_rgba(boxes["size"].to_numpy(), alpha=0.45)
        many = PolyCollection(list(_corners(boxes)), facecolors=color, edgecolors=edge)
        many.set(linewidths=width, hatch=None if kept else "////")
        ax.add_collection(many)
    if points:
        _points(ax, shown, np.random.default_rng(seed))
    ax.autoscale_view()
    _label(ax, shown.x, "x")
    _label(ax, shown.y, "y")


def _corners(boxes: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the corners of rectangles, shape (boxes, 4, 2)."""
    x, y = boxes["left"].to_numpy(), boxes["bottom"].to_numpy()
    right, top = x + boxes["width"].to_numpy(), y + boxes["height"].to_numpy()
    return np.stack([np.stack([x, right, right, x], 1), np.stack([y, y, top, top], 1)], axis=2)


def _points(ax: Axes, shown: Rectangles, rng: np.random.Generator) -> None:
    x, y = (_jittered(axis, rng) for axis in (shown.x, shown.y))
    names, which = _values(shown)
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


def _jittered(axis: Axis, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    spread = 0.35 if axis.labels or axis.kind == "date" else _step(axis.position) * 0.35
    return axis.position + rng.uniform(-spread, spread, len(axis.position))


def _step(position: npt.NDArray[np.float64]) -> float:
    known = np.unique(position[~np.isnan(position)])
    return float(np.diff(known).min()) if len(known) > 1 else 1.0


def _values(shown: Rectangles) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the sensitive values to tell apart, most frequent first, and each row's."""
    if shown.sensitive is None:
        return ["patients"], np.zeros(len(shown.x.position), dtype=np.int64)
    codes, names = pd.factorize(shown.sensitive)
    order = np.argsort(-np.bincount(codes), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    most = len(_COLORS) - 1
    kept = [str(names[i]) for i in order[:most]]
    if len(order) > most:
        kept.append("other")
    return kept, np.minimum(rank[codes], most)


def _label(ax: Axes, axis: Axis, which: str) -> None:
    side = ax.xaxis if which == "x" else ax.yaxis
    side.set_label_text(axis.name)
    if axis.kind == "date":
        locator = AutoDateLocator(maxticks=7)  # type: ignore[no-untyped-call]
        side.set_major_locator(locator)
        short = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        side.set_major_formatter(short)
    if axis.labels:
        step = -(-len(axis.labels) // _MOST_LABELS)
        at = np.arange(0, len(axis.labels), step)
        texts = [axis.labels[i] for i in at]
        side.set_ticks(at, texts)
        if which == "x" and sum(map(len, texts)) > 60:
            ax.tick_params(axis="x", labelrotation=60)


def _legend(
    fig: Figure,
    ax: Axes | list[Axes],
    shown: Rectangles,
    shade: mpl.cm.ScalarMappable,
    points: bool,
) -> None:
    low, high = shade.get_clim()
    ticks = np.unique(np.geomspace(low or 1, high or 2, 5).round())
    fig.colorbar(
        shade, ax=ax, label="rows in the class", alpha=0.45, shrink=0.8, ticks=ticks, format="%d"
    ).minorticks_off()
    handles: list[mpl.artist.Artist] = [
        mpl.patches.Patch(facecolor="#dddddd", edgecolor="#444444", label="class"),
        mpl.patches.Patch(
            facecolor="#dddddd", edgecolor="#b2182b", hatch="////", label="breaks a promise"
        ),
    ]
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
            for i, name in enumerate(_values(shown)[0])
        ]
    fig.legend(handles=handles, loc="outside lower center", ncols=4, fontsize="small")
