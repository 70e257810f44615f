"""Classes as rectangles over two quasi-identifiers: plain numbers, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.errors import InputError, MissingError
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import Column, encode
from medlab.tabular.criteria import ROUNDING
from medlab.tabular.release import Release


@dataclass(frozen=True)
class Axis:
    """One axis of a drawing: a number line, dates in days, or labels at 0, 1, 2 ...

    Attributes
    ----------
    name : str
    kind : "number", "date", "ordered" or "category"
    labels : tuple of str
        Text of each position of a categorical axis; empty otherwise.
    position : float array, shape (rows,)
        Where each row of the original stands; NaN if it is missing.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    position: NDArray[np.float64]


@dataclass(frozen=True)
class Rectangles:
    """Rectangles of classes over two axes.

    Attributes
    ----------
    boxes : DataFrame, one row a rectangle
        left, bottom, width, height (in units of the axes, padded so that a class of
        one value can be seen), x_low, x_high, y_low, y_high (without padding), size (rows),
        l (distinct sensitive values), top_share (share of the most frequent one), t
        (distance from the whole table), ok (whether the criteria asked for are satisfied).
        Without a sensitive column l, top_share and t are NaN.
    x, y : Axis
    sensitive : object array, shape (rows,), or None
        Sensitive value of each row as text.
    """

    boxes: pd.DataFrame
    x: Axis
    y: Axis
    sensitive: NDArray[np.object_] | None


def rectangles(
    release: Release,
    original: pd.DataFrame,
    x: str,
    y: str,
    *,
    k: int | None = None,
    l: float | None = None,
    t: float | None = None,
    cuts: int | None = None,
) -> Rectangles:
    """Return the classes of a release as rectangles over two quasi-identifiers.

    Parameters
    ----------
    release : Release
    original : DataFrame
        The table before, row by row the same; it gives the points.
    x, y : str
        Two quasi-identifiers.
    k, l : optional
        What a class should keep to be *ok*; default: what the release was asked for.
        A larger one shows which classes would break it.
    t : float, optional
        Largest distance of an *ok* class from the table, between values as their column
        has them; not looked at if not given.
    cuts : int, optional
        Show the parts as they stood after so many cuts, instead of the classes.

    Returns
    -------
    Rectangles

    Raises
    ------
    MissingError
        If x or y is no quasi-identifier of the release.
    InputError
        If the release was not made by cuts, or `original` has other rows.
    """
    for name in (x, y):
        if name not in release.quasi:
            raise MissingError(f"{name} is no quasi-identifier; choose of {release.quasi}")
    if len(original) != len(release.class_of):
        raise InputError("the original and the release differ in their number of rows")
    group = release.class_of if cuts is None else _parts_after(release, cuts)
    columns = [encode(original, name) for name in (x, y)]
    boxes = pd.DataFrame({}, index=range(int(group.max()) + 1))
    sides = (("x", "left", "width"), ("y", "bottom", "height"))
    for column, (axis, start, length) in zip(columns, sides, strict=True):
        place, pad = _scale(column)
        low, high = _extent(place[column.codes], group)
        boxes[start], boxes[length] = low - pad, high - low + 2 * pad
        boxes[f"{axis}_low"], boxes[f"{axis}_high"] = low, high
    boxes["size"] = np.bincount(group[group >= 0], minlength=len(boxes))
    least = release.asked.get("k", 1) if k is None else k
    diverse = release.asked.get("l", 1) if l is None else l
    texts = _promises(release, original, group, boxes, (least, diverse, t))
    return Rectangles(boxes, _axis(columns[0]), _axis(columns[1]), texts)


def _promises(
    release: Release,
    original: pd.DataFrame,
    group: NDArray[Any],
    boxes: pd.DataFrame,
    limits: tuple[int, float, float | None],
) -> NDArray[np.object_] | None:
    """Add l, top_share, t and ok to the boxes; return the first sensitive column as text."""
    boxes[["l", "top_share", "t"]] = np.nan
    k, l, t = limits
    boxes["ok"] = boxes["size"] >= k
    if not release.sensitive:
        return None
    name = release.sensitive[0]
    counts, ready = tally.count_column(original, name, group)
    boxes["l"], boxes["top_share"] = tally.distinct(counts), tally.top_share(counts)
    boxes["t"] = tally.emd(counts, ready)
    boxes["ok"] &= boxes["l"] >= l
    if t is not None:
        boxes["ok"] &= boxes["t"] <= t + ROUNDING
    return original[name].astype(object).map(str).to_numpy()


def _scale(column: Column) -> tuple[NDArray[np.float64], float]:
    """Return the position of each code on its axis and the padding of a box."""
    if column.kind == "number":
        values = column.values.astype(np.float64)
        occurring = np.unique(column.codes[column.codes < len(values)])
        steps = np.diff(values[occurring])
        # Boxes of one value get a width that can be seen: a step, at least 1/150 of the axis.
        pad = max(float(steps.min()) / 2, float(np.ptp(values)) / 300) if len(steps) else 0.5
        return np.append(values, np.nan), pad
    if column.kind == "date":
        moments = pd.Series(column.values)
        if moments.dt.tz is not None:
            moments = moments.dt.tz_localize(None)  # drawn as its clocks say
        days = moments.astype("datetime64[s]").to_numpy().astype(np.int64) / 86400
        return np.append(days, np.nan), 0.5
    return np.append(np.arange(len(column.values), dtype=np.float64), np.nan), 0.4


def _axis(column: Column) -> Axis:
    labels = tuple(map(str, column.values)) if column.kind in ("ordered", "category") else ()
    return Axis(column.name, column.kind, labels, _scale(column)[0][column.codes])


def _extent(
    position: NDArray[np.float64], group: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and largest position in each group; NaN if none is known."""
    groups = pd.Series(position[group >= 0]).groupby(group[group >= 0])
    low, high = groups.min().to_numpy(np.float64), groups.max().to_numpy(np.float64)
    return np.asarray(low), np.asarray(high)


def _parts_after(release: Release, cuts: int) -> NDArray[np.int64]:
    """Return the part of each row after the first so many cuts, numbered from 0.

    Parameters
    ----------
    release : Release
        Made by cuts (Mondrian).
    cuts : int
        0 gives the whole table as one part; all of them give the classes.
    """
    if "node" not in release.classes:
        raise InputError("this release was not made by cuts; take one made by mondrian")
    parent = np.arange(2 * len(release.cuts) + 1)
    later = release.cuts.iloc[cuts:]
    for side in ("left", "right"):
        parent[later[side].to_numpy(dtype=np.int64)] = later["node"].to_numpy(dtype=np.int64)
    while (parent[parent] != parent).any():
        parent = parent[parent]
    node = parent[release.classes["node"].to_numpy()]
    part = np.unique(node, return_inverse=True)[1]
    return np.asarray(part[release.class_of], dtype=np.int64)


def frames(release: Release, count: int = 12) -> Sequence[int]:
    """Return so many numbers of cuts, from none to all, growing by about equal ratios."""
    total = len(release.cuts)
    steps = np.geomspace(1, max(total, 1), max(count - 1, 1)).round().astype(int)
    return [0, *np.unique(np.minimum(steps, total)).tolist()] if total else [0]
