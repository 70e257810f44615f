"""Mondrian with controls: k, l, t, two axes, cut by cut, and the weakest classes as a table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import ipywidgets as ipw
import numpy as np
import pandas as pd

from medlab import tabular
from medlab.errors import InputError, KindError
from medlab.viz import rects
from medlab.widgets.interactive import InteractiveWidget, beside

_STEPS = 40  # positions of the control of cuts, from none to all


def partition_explorer(
    table: pd.DataFrame,
    axes: Sequence[str],
    sensitive: str,
    k: int = 5,
    l: int = 1,
    t: float = 1.0,
    *,
    reveal: bool = False,
) -> InteractiveWidget:
    """Return Mondrian over two quasi-identifiers, to be explored.

    Parameters
    ----------
    table : DataFrame, one row per patient
    axes : sequence of str
        Columns of numbers to choose two from; the first two are shown at the start.
    sensitive : str
        The sensitive column.
    k, l, t : optional
        Where the controls stand at the start; l 1 and t 1 ask for nothing.
    reveal : bool
        Show the patients themselves as points marked by their sensitive value. Otherwise
        only what is released is shown.

    Returns
    -------
    InteractiveWidget

    Raises
    ------
    KindError
        If an axis is no column of numbers.
    InputError
        If there are fewer than two axes.
    """
    if len(axes) < 2:
        raise InputError(f"{len(axes)} axes; name at least two columns of numbers")
    words = [name for name in axes if not pd.api.types.is_numeric_dtype(table[name])]
    if words:
        raise KindError(f"{', '.join(words)}: not a column of numbers; choose other axes")

    @lru_cache(maxsize=16)
    def release(x: str, y: str, *asked: Any) -> tabular.Release:
        return tabular.mondrian(table, [x, y], sensitive, *asked)

    @lru_cache(maxsize=16)
    def whole(x: str, y: str) -> tabular.Rectangles:
        return tabular.rectangles(release(x, y, len(table)), table, x, y, cuts=0)

    board = rects.Board(whole(*axes[:2]), points=reveal)
    chosen = tuple(axes[:2])

    def draw(k: int, l: int, t: float, limit: bool, x: str, y: str, step: int) -> str:
        nonlocal chosen
        if x == y:
            raise InputError(f"{x} stands on both axes; choose two different columns")
        limits = (l, t if t < 1 else None) if limit else (1, None)
        cut = release(x, y, k, *limits)
        counts = tabular.frames(cut, _STEPS + 1)  # the first cuts singly, later in strides
        cuts = counts[-1] if step == _STEPS else counts[min(step, len(counts) - 1)]
        classes = tabular.rectangles(cut, table, x, y, k=k, l=l, t=t, cuts=cuts)
        if (x, y) != chosen:
            board.turn(whole(x, y))
            chosen = (x, y)
        return _page(board, classes, f"step {step} of {_STEPS}: {cuts} of {len(cut.cuts)} cuts")

    return InteractiveWidget(
        "Partition explorer", _controls(axes, (k, l, t)), draw, layout_of_controls=_place
    )


def _controls(axes: Sequence[str], start: tuple[int, int, float]) -> dict[str, Any]:
    k, l, t = start
    released = {"continuous_update": False}
    steps = f"step (0: no cut, {_STEPS}: all)"
    return {
        "k": ipw.IntSlider(k, 2, 50, description="k: patients in a class", **released),
        "l": ipw.IntSlider(l, 1, 6, description="l: different values", **released),
        "t": ipw.FloatSlider(t, min=0.05, max=1, step=0.05, description="t: distance", **released),
        "limit": ipw.Checkbox(True, description="l and t reject splits (off: only marked)"),
        "x": ipw.Dropdown(options=axes, value=axes[0], description="x axis"),
        "y": ipw.Dropdown(options=axes, value=axes[1], description="y axis"),
        "step": ipw.IntSlider(_STEPS, 0, _STEPS, description=steps, **released),
    }


def _place(controls: list[Any]) -> ipw.Box:
    """Return the controls in rows, the last with a player beside it."""
    step = controls[-1]
    play = ipw.Play(value=_STEPS, min=0, max=_STEPS, interval=500, repeat=True)
    ipw.jslink((play, "value"), (step, "value"))
    row = {"flex_flow": "row wrap", "grid_gap": "4px 16px"}
    rows = (controls[:3], controls[3:6], [play, step])
    return ipw.VBox([ipw.Box(some, layout=ipw.Layout(**row)) for some in rows])


def _page(board: rects.Board, classes: tabular.Rectangles, title: str) -> str:
    order = classes.boxes.sort_values(["ok", "top_share", "size"], ascending=[True, False, True])
    weakest = order.head(board.most_marks)
    said = _sentence(classes)
    picture = board.show(
        classes, title, weakest,
        f"Classes as rectangles over {classes.x.name} and {classes.y.name}, {title}. {said}",
        "Darker: more patients look alike. Numbers: the classes of the table.",
    )  # fmt: skip
    return beside(picture, f"<p>{said}</p>{_weakest_table(classes, weakest)}", shares=(2, 1))


def _sentence(classes: tabular.Rectangles) -> str:
    """Return what holds for all classes in words."""
    boxes = classes.boxes
    broken = int((~boxes["ok"]).sum())
    return (
        f"{len(boxes)} classes; the smallest has {boxes['size'].min()} patients, the least "
        f"diverse {boxes['l'].min():.0f} different values, the farthest from the table a distance "
        f"of {boxes['t'].max():.2f}. Information loss (GCP): {100 * _loss(classes):.1f} %. "
        f"{broken or 'No'} class{'es violate' if broken != 1 else ' violates'} a criterion."
    )


def _loss(classes: tabular.Rectangles) -> float:
    """Return the GCP of the classes: their mean extent, as a share of that of the table."""
    boxes = classes.boxes
    ranges = [
        (boxes[f"{name}_high"] - boxes[f"{name}_low"]) / (np.ptp(axis.position) or 1)
        for name, axis in (("x", classes.x), ("y", classes.y))
    ]
    return float(np.average(sum(ranges) / 2, weights=boxes["size"]))


def _weakest_table(classes: tabular.Rectangles, weakest: pd.DataFrame) -> str:
    spans = {
        axis.name: [
            f"{low:g}–{high:g}"
            for low, high in zip(weakest[f"{side}_low"], weakest[f"{side}_high"], strict=True)
        ]
        for side, axis in (("x", classes.x), ("y", classes.y))
    }
    rows = pd.DataFrame(
        {
            "class": range(1, len(weakest) + 1),
            "patients": weakest["size"].to_numpy(),
            **spans,
            "l": weakest["l"].astype(int).to_numpy(),
            "top share": (100 * weakest["top_share"]).map("{:.0f} %".format).to_numpy(),
            "t": weakest["t"].map("{:.2f}".format).to_numpy(),
            "criteria": np.where(weakest["ok"], "satisfied", "violated"),
        }
    )
    table = rows.to_html(index=False, border=0)
    return (
        "<b>The classes that give most away</b>"
        f"<div style='white-space: nowrap; overflow-x: auto; font-size: 0.9em'>{table}</div>"
    )
