"""The release: a table whose quasi-identifiers are generalized, and what came of them.

A released cell of a number or date is the value itself when its class has only one,
else the closed interval of the values that occur in the class. A released category is
its label, else the set of the labels that occur, or the lowest node of a hierarchy
above them. A class that mixes missing and known cells shows ``*``; a class of missing
cells stays missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.arrays import Array, Ints
from medlab.errors import InputError, RefusedError
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import Column
from medlab.tabular.criteria import Task

ReleaseKind = Literal["microdata", "generalized", "anatomized", "sliced", "synthetic", "aggregate"]
SUPPRESSED = "*"


class _LabelSet(frozenset[str]):
    """A set of labels whose text is ``{F, M}``; labels with commas or braces are quoted."""

    def __str__(self) -> str:
        """Return the labels in braces, sorted."""
        labels = sorted(map(str, self))
        for i, label in enumerate(labels):
            if not label or label != label.strip() or set(label) & set(',{}"'):
                labels[i] = json.dumps(label, ensure_ascii=False)
        return "{" + ", ".join(labels) + "}"

    __repr__ = __str__
    # pandas shows cells that have this attribute by their text, others as "frozenset(...)".
    __next__ = None


@dataclass(frozen=True)
class Release:
    """A released table and the classes that it consists of.

    Attributes
    ----------
    table : DataFrame, one row per record
        Rows, order and index of the original; quasi-identifiers as released, sensitive
        and kept columns unchanged (unless the kind says otherwise).
    kind : str
        "generalized" (classes of equal cells), "microdata" (perturbed rows),
        "anatomized", "sliced", "synthetic" or "aggregate" (centroids). A measure that
        makes no sense for a kind answers "n/a".
    quasi, sensitive : tuples of str
    class_of : int array, shape (rows,)
        Class number of each row; -1 for a suppressed row.
    lower, upper : DataFrame, one row a class, one column a quasi-identifier
        Smallest and largest value in the class; missing where the cell is suppressed.
    classes : DataFrame, one row a class
        The released cells, and ``size``, the number of rows; Mondrian adds ``node``,
        the number of the class in `cuts`.
    cuts : DataFrame, one row a cut
        How the classes came about, in order: node, depth, column, value (the last that
        went left), left, right (the nodes made), rows, left_rows. Empty for algorithms
        that do not cut.
    asked : dict
        The privacy criteria asked for, such as ``{"k": 5, "l": 2}``.
    facts : dict
        What must be published with the table, such as the share of replaced values.
    extra : dict of DataFrame
        Further tables of the release, such as the sensitive table of Anatomy.
    """

    table: pd.DataFrame
    kind: ReleaseKind
    quasi: tuple[str, ...]
    sensitive: tuple[str, ...]
    class_of: NDArray[Any]
    lower: pd.DataFrame
    upper: pd.DataFrame
    classes: pd.DataFrame
    cuts: pd.DataFrame = field(default_factory=pd.DataFrame)
    asked: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def partitions(self) -> list[Ints]:
        """Row positions of each class, in the order of the class numbers."""
        order = np.argsort(self.class_of, kind="stable")
        sizes = np.bincount(self.class_of + 1, minlength=len(self.classes) + 1)
        return np.split(order, np.cumsum(sizes)[:-1])[1:]


def make_release(
    task: Task,
    class_of: NDArray[Any],
    *,
    ends: tuple[Array, Array] | None = None,
    node: Array | None = None,
    by_box: bool = True,
    **details: Any,
) -> Release:
    """Return the release of rows put into classes, checked before it is returned.

    Parameters
    ----------
    task : Task
    class_of : int array, shape (rows,)
        -1 for suppressed rows.
    ends : two int arrays, shape (classes, columns), optional
        Smallest and largest code of each class, where they are known.
    node : int array, shape (classes,), optional
        Of classes that were made by cuts: see `Release`.
    by_box : bool
        Number the classes by their lower, then upper corner.
    **details
        Other attributes of `Release`.
    """
    low, high = ends or _ends(class_of, task.columns)
    if by_box:
        order = np.lexsort(np.hstack([high[:, ::-1], low[:, ::-1]]).T)
        rank = np.empty(len(order) + 1, dtype=np.int32)
        rank[order], rank[-1] = np.arange(len(order)), -1
        class_of, low, high = rank[class_of], low[order], high[order]
        node = None if node is None else node[order]
    cells, lower, upper = {}, {}, {}
    for column, first, last in zip(task.columns, low.T, high.T, strict=True):
        codes = first.astype(np.int64), last.astype(np.int64)
        cells[column.name] = _class_cells(column, *codes, class_of)
        lower[column.name], upper[column.name] = _corners(column, *codes)
    exact = (low == high).all(axis=0) & (class_of >= 0).all()
    released = {
        name: _row_cells(task.table[name], cells[name], class_of, bool(whole))
        for name, whole in zip(cells, exact, strict=True)
    }
    others = {name: occurring(task.table[name]) for name in (*task.sensitive, *task.keep)}
    names = [name for name in task.table.columns if name in released or name in others]
    sizes = np.bincount(class_of + 1, minlength=len(low) + 1)[1:]
    release = Release(
        table=pd.DataFrame({**released, **others}, index=task.table.index)[names],
        quasi=tuple(cells),
        sensitive=tuple(task.sensitive),
        class_of=class_of,
        lower=pd.DataFrame(lower),
        upper=pd.DataFrame(upper),
        classes=pd.DataFrame({**cells, "size": sizes} | ({} if node is None else {"node": node})),
        **{"kind": "generalized", "asked": task.criteria.asked()} | details,
    )
    return check_release(release, task.table, task.criteria.k, task.criteria.l, task.persons)


def _ends(class_of: NDArray[Any], columns: Sequence[Column]) -> tuple[Array, Array]:
    """Return the smallest and largest code of each class, shape (classes, columns)."""
    order = np.argsort(class_of, kind="stable")
    order = order[np.searchsorted(class_of[order], 0) :]
    starts = tally.run_starts(class_of[order])
    low = [np.minimum.reduceat(column.codes[order], starts) for column in columns]
    high = [np.maximum.reduceat(column.codes[order], starts) for column in columns]
    return np.stack(low, axis=1), np.stack(high, axis=1)


def occurring(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column without categories that no row has: they tell of people elsewhere."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.remove_unused_categories()
    return column


def _row_cells(
    column: pd.Series[Any], cells: NDArray[np.object_], class_of: NDArray[Any], exact: bool
) -> pd.Series[Any]:
    """Return the cell of each row, of a plain type where nothing was generalized.

    Never the original column: what was not encoded must not be published.
    """
    rows = np.append(cells, SUPPRESSED)[class_of]
    released = pd.Series(rows, index=column.index, dtype=object)
    return released.infer_objects() if exact else released


def _corners(column: Column, low: Ints, high: Ints) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Return the values at the lower and upper ends; missing where nothing is known."""
    values = pd.Series(column.values if len(column.values) else [np.nan])
    present = high < len(column.values)
    ends = (values.array.take(np.where(present, codes, 0)) for codes in (low, high))
    first, second = (pd.Series(end, dtype=values.dtype) for end in ends)
    return (first, second) if present.all() else (first.where(present), second.where(present))


def _class_cells(
    column: Column, low: Ints, high: Ints, class_of: NDArray[Any]
) -> NDArray[np.object_]:
    """Return the released cell of each class."""
    if column.kind in ("number", "date"):
        cells = _intervals(column, low, high)
    elif column.nodes is not None:
        cells = _nodes(column, low, high)
    else:
        cells = _sets(column, low, high, class_of)
    missing = len(column.values)
    cells[high == missing] = SUPPRESSED
    cells[low == missing] = pd.NaT if column.kind == "date" else np.nan
    return cells


def _intervals(column: Column, low: Ints, high: Ints) -> NDArray[np.object_]:
    count = len(column.values)
    present = high < count
    pairs, which = np.unique(np.where(present, low * count + high, 0), return_inverse=True)
    values = column.values.tolist()
    ends = zip((pairs // max(count, 1)).tolist(), (pairs % max(count, 1)).tolist(), strict=True)
    objects = np.empty(len(pairs), dtype=object)
    if count:
        objects[:] = [span(values[a], values[b]) for a, b in ends]
    return objects[which]


def span(low: Any, high: Any) -> Any:
    """Return a closed interval, or the value itself if both ends are the same."""
    return low if low == high else pd.Interval(low, high, closed="both")


def _nodes(column: Column, low: Ints, high: Ints) -> NDArray[np.object_]:
    """Return the lowest node above all labels of each class, ``*`` if there is none."""
    assert column.nodes is not None
    assert column.first is not None
    nodes = np.hstack([column.nodes, np.full((len(column.nodes), 1), SUPPRESSED, object)])
    cells = np.full(len(low), SUPPRESSED, dtype=object)
    for level in range(len(nodes) - 1, -1, -1):
        same = column.first[level, low] == column.first[level, high]
        cells[same] = nodes[level, low[same]]
    return cells


def _sets(column: Column, low: Ints, high: Ints, class_of: NDArray[Any]) -> NDArray[np.object_]:
    """Return a label or the set of labels of each class; equal sets are one object."""
    labels = column.values.astype(object)
    cells = np.append(labels, SUPPRESSED)[low]
    mixed = (low != high) & (high < len(labels))
    if not mixed.any():
        return cells
    rank = np.append(np.cumsum(mixed) - 1, 0)
    rows = np.flatnonzero(np.append(mixed, False)[class_of])
    sets = int(mixed.sum())
    counts = tally.count_values(rank[class_of[rows]], column.codes[rows], sets, len(labels))
    # Equal sets are found by adding up one random 64-bit number a label.
    marks = np.random.default_rng(0).integers(0, 1 << 63, len(labels), dtype=np.uint64)
    starts = tally.run_starts(counts.group)
    sums = np.add.reduceat(marks[counts.value], starts)
    _, first, which = np.unique(sums, return_index=True, return_inverse=True)
    stops = np.append(starts, len(counts.group))
    distinct = np.empty(len(first), dtype=object)
    distinct[:] = [_LabelSet(labels[counts.value[stops[i] : stops[i + 1]]]) for i in first]
    cells[mixed] = distinct[which]
    return cells


def check_release(
    release: Release,
    table: pd.DataFrame,
    k: int,
    l: float = 1,
    persons: NDArray[Any] | None = None,
) -> Release:
    """Return the release if its published cells keep k and distinct l, else refuse.

    The classes are found anew from the cells that were written, not taken from the
    algorithm that made them. Suppressed rows are left out.

    Raises
    ------
    RefusedError
        A class is smaller than k, or shows fewer than l sensitive values.
    """
    cells = tally.class_numbers(release.classes, release.quasi)
    rows = np.flatnonzero(release.class_of >= 0)
    group = cells[release.class_of[rows]]
    sizes = tally.group_sizes(group, None if persons is None else persons[rows])
    met = sizes > 0
    if len(rows) and sizes[met].min() < k:
        raise RefusedError(f"a class came out smaller than k={k}; nothing was released")
    for name in release.sensitive if l > 1 else ():
        codes = pd.factorize(table[name])[0][rows]
        pairs = np.sort(group[codes >= 0] * (int(codes.max()) + 1) + codes[codes >= 0])
        first = pairs[tally.run_starts(pairs)] // (int(codes.max()) + 1)
        if np.bincount(first, minlength=len(sizes))[met].min() < np.floor(l):
            raise RefusedError(f"a class shows fewer than l={l} of {name}; nothing was released")
    return release


def representative(release: Release, original: pd.DataFrame) -> pd.DataFrame:
    """Return one value for each released quasi-identifier cell.

    Parameters
    ----------
    release : Release
        Of kind "generalized" or "aggregate".
    original : DataFrame
        The table before; it tells whether a number column holds whole numbers.

    Returns
    -------
    DataFrame, one row per record, one column per quasi-identifier
        Numbers: the middle of the interval, whole where the original is whole. Dates:
        the day in the middle. Categories: the label or node; of a set the label that
        is most frequent in the whole table. Missing where the cell is suppressed or
        missing. All rows of a class get the same value, so that writing these values
        keeps the classes.

    Raises
    ------
    InputError
        If the release does not generalize.
    """
    if release.kind not in ("generalized", "aggregate"):
        raise InputError(f"a release of kind {release.kind} has no cells to be represented")
    columns = {name: _single_values(release.table[name], original[name]) for name in release.quasi}
    return pd.DataFrame(columns, index=release.table.index)


def _single_values(released: pd.Series[Any], original: pd.Series[Any]) -> pd.Series[Any]:
    codes, cells = tally.distinct_cells(released)
    whole = pd.api.types.is_integer_dtype(original.dtype)
    often = original.astype(object).map(str).value_counts()
    values = np.empty(len(cells), dtype=object)
    values[:] = [_single_value(cell, whole, often) for cell in cells]
    return pd.Series(values[codes], index=released.index, dtype=object)


def _single_value(cell: Any, whole: bool, often: pd.Series[int]) -> Any:
    if isinstance(cell, pd.Interval):
        return _middle(cell, whole)
    if isinstance(cell, frozenset):
        return min(cell, key=lambda label: (-int(often.get(label, 0)), label))
    if isinstance(cell, str) and cell == SUPPRESSED:
        return None
    return None if pd.isna(cell) else cell


def _middle(cell: pd.Interval[Any], whole: bool) -> Any:
    middle = cell.left + (cell.right - cell.left) / 2
    if isinstance(middle, pd.Timestamp):
        return middle.normalize()
    return round(float(middle)) if whole else round(float(middle), 3)
