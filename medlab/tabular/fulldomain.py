"""Full-domain generalization: one level of a hierarchy for each whole column.

Sweeney, IJUFKS 10(5), 2002; the search follows Kohlmayer et al., "Flash", PASSAT 2012.
Rows that still stand out are suppressed, up to a limit.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.arrays import Array
from medlab.errors import InputError
from medlab.tabular.column_roles import Column
from medlab.tabular.criteria import Options, Task, make_task
from medlab.tabular.release import SUPPRESSED, Release, check_release, make_release, span

_MOST_CHECKS = 400
_MOST_NODES = 20_000  # level vectors looked at, where there are so many; some seconds of work


class _Ladder(NamedTuple):
    """Levels of one column: the node of each row, what a node shows, and its loss."""

    nodes: list[Array]
    cells: list[NDArray[np.object_]]
    loss: list[NDArray[np.float64]]


def full_domain(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None = None,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    *,
    suppress: float = 0.05,
    options: Options | None = None,
    **more: Any,
) -> Release:
    """Generalize each column to one level, the same for all rows, and suppress outliers.

    Parameters
    ----------
    table, quasi, sensitive, k, l, t
        See `medlab.tabular.mondrian`.
    suppress : float
        Largest share of rows suppressed.
    options, **more
        `Options`, as one object or by name. `hierarchies` are the levels of label columns;
        without one, a label is shown or suppressed. Numbers and dates are cut into 32,
        16, 8, 4, 2 and 1 intervals of equal width.

    Returns
    -------
    Release
        The best of the level vectors examined (some 400 at most), by loss; suppressed
        rows show ``*``.

    Notes
    -----
    The fewer rows break k the higher the levels, so that an acceptable vector settles
    all above it and a refused one all below it. Suppressed rows are a class like any
    other: there are none of them, or enough to satisfy every criterion.
    """
    if not 0 <= suppress <= 1:
        raise InputError(f"suppress={suppress} is out of range; it is a share from 0 to 1")
    task = make_task(table, quasi, sensitive, (k, l, t), options, **more)
    ladders = [_ladder(column) for column in task.columns]
    best = _search(task, ladders, int(suppress * len(table)))
    return _release(task, ladders, *best)


def _ladder(column: Column) -> _Ladder:
    if column.kind in ("number", "date"):
        return _interval_ladder(column)
    labels = column.values.astype(object)
    rows = [labels] if column.nodes is None else list(column.nodes)
    if len(set(rows[-1].tolist())) > 1:
        rows.append(np.full(len(labels), SUPPRESSED, dtype=object))
    ladder = _Ladder([], [], [])
    for row in rows:
        nodes, cells = pd.factorize(row)
        cells = np.append(np.asarray(cells, dtype=object), np.nan)
        nodes = np.append(nodes, len(cells) - 1)
        below = np.append(np.bincount(nodes[:-1], minlength=len(cells) - 1), 1)
        _add(ladder, nodes[column.codes], cells, (below - 1) / max(len(labels) - 1, 1))
    return ladder


def _interval_ladder(column: Column) -> _Ladder:
    """Return the values themselves, then ever fewer intervals of equal width."""
    values, ladder = column.values.tolist(), _Ladder([], [], [])
    place = column.place[:-1]
    _add(ladder, column.codes, np.array([*values, np.nan], dtype=object), np.zeros(len(place) + 1))
    for bins in (32, 16, 8, 4, 2, 1):
        which = np.minimum((place * bins).astype(np.int64), bins - 1)
        kinds, nodes = np.unique(which, return_inverse=True)
        if len(kinds) == len(values) or not values:
            continue
        low = np.searchsorted(nodes, np.arange(len(kinds)))
        high = np.searchsorted(nodes, np.arange(len(kinds)), side="right") - 1
        labels = np.empty(len(kinds) + 1, dtype=object)
        labels[:-1] = [span(values[a], values[b]) for a, b in zip(low, high, strict=True)]
        labels[-1] = np.nan
        _add(ladder, np.append(nodes, len(kinds))[column.codes], labels, place[high] - place[low])
    return ladder


def _add(ladder: _Ladder, nodes: Array, cells: Array, loss: Array) -> None:
    ladder.nodes.append(nodes.astype(np.int64))
    ladder.cells.append(cells)
    ladder.loss.append(np.resize(np.append(loss, 0.0), len(cells)))


class _Settled:
    """What is known of level vectors, without a lattice of them all: the checked ones tell.

    All above an accepted vector is acceptable, all below a refused one is not.
    """

    def __init__(self, columns: int) -> None:
        self.accepted = np.empty((0, columns), dtype=np.int64)
        self.refused = np.empty((0, columns), dtype=np.int64)

    def accepts(self, node: tuple[int, ...]) -> bool:
        return bool((self.accepted <= node).all(axis=1).any())

    def knows(self, node: tuple[int, ...]) -> bool:
        return self.accepts(node) or bool((self.refused >= node).all(axis=1).any())


def _search(task: Task, ladders: list[_Ladder], limit: int) -> tuple[tuple[int, ...], Array]:
    """Return the levels of least loss among the lowest acceptable ones, and the classes."""
    tops = tuple(len(ladder.nodes) - 1 for ladder in ladders)
    settled, checks = _Settled(len(tops)), _MOST_CHECKS
    best: tuple[float, tuple[int, ...], Array] | None = None
    for start in _upward(tops, settled):
        if checks <= 0:
            break
        path = _path(settled, start, tops)
        low, high = 0, len(path)
        while low < high:
            middle, checks = (low + high) // 2, checks - 1
            class_of = _classes(task, ladders, path[middle], limit)
            if class_of is None:
                settled.refused = np.vstack([settled.refused, path[middle]])
                low = middle + 1
                continue
            settled.accepted = np.vstack([settled.accepted, path[middle]])
            loss = _loss(ladders, path[middle], class_of)
            if best is None or loss < best[0]:
                best = (loss, path[middle], class_of)
            high = middle
    if best is None:
        raise InputError("no level satisfies the criteria; allow more suppression or ask for less")
    return best[1], best[2]


def _upward(tops: tuple[int, ...], settled: _Settled) -> Iterator[tuple[int, ...]]:
    """Yield level vectors of which nothing is known yet, those of fewest levels first."""
    bottom = (0,) * len(tops)
    waiting, met = [(0, bottom)], {bottom}
    while waiting:
        height, node = heapq.heappop(waiting)
        if settled.accepts(node):
            continue  # and so is all above it
        if not settled.knows(node):
            yield node
        for step in _steps(node, tops):
            if step not in met and len(met) < _MOST_NODES:
                met.add(step)
                heapq.heappush(waiting, (height + 1, step))


def _steps(node: tuple[int, ...], tops: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the level vectors one level above."""
    return [
        (*node[:j], level + 1, *node[j + 1 :]) for j, level in enumerate(node) if level < tops[j]
    ]


def _path(
    settled: _Settled, start: tuple[int, ...], tops: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """Return a chain of unsettled level vectors upward from a start."""
    path = [start]
    while open_ := [step for step in _steps(path[-1], tops) if not settled.knows(step)]:
        path.append(
            min(open_, key=lambda step: max(s / (n + 1) for s, n in zip(step, tops, strict=True)))
        )
    return path


def _classes(
    task: Task, ladders: list[_Ladder], levels: tuple[int, ...], limit: int
) -> Array | None:
    """Return the classes at these levels, -1 for suppressed rows; None if too many."""
    key = np.zeros(len(task.table), dtype=np.int64)
    for ladder, level in zip(ladders, levels, strict=True):
        nodes = ladder.nodes[level]
        key = pd.factorize(key * (int(nodes.max()) + 1) + nodes)[0].astype(np.int64)
    sizes, good = np.bincount(key), task.passes(key)
    if sizes[~good].sum() > limit:
        return None
    out = ~good
    spare = iter(np.argsort(sizes, kind="stable"))
    while out.any() and not task.passes(np.where(out[key], 0, -1)).all():
        smallest = next((number for number in spare if not out[number]), None)
        if smallest is None or sizes[out].sum() + sizes[smallest] > limit:
            return None
        out[smallest] = True
    return np.where(out[key], -1, key)


def _loss(ladders: list[_Ladder], levels: tuple[int, ...], class_of: Array) -> float:
    hidden = class_of < 0
    parts = [
        np.where(hidden, 1.0, ladder.loss[level][ladder.nodes[level]]).mean()
        for ladder, level in zip(ladders, levels, strict=True)
    ]
    return float(np.mean(parts))


def _release(
    task: Task, ladders: list[_Ladder], levels: tuple[int, ...], class_of: Array
) -> Release:
    class_of = np.unique(np.append(class_of, -1), return_inverse=True)[1][:-1] - 1
    facts = {"levels": dict(zip(task.quasi, levels, strict=True))}
    release = make_release(task, class_of, facts=facts)
    class_of = release.class_of
    table, classes = release.table.copy(), release.classes.copy()
    rows = np.flatnonzero(class_of >= 0)
    first = rows[np.unique(class_of[rows], return_index=True)[1]]
    for name, ladder, level in zip(task.quasi, ladders, levels, strict=True):
        cells = ladder.cells[level][ladder.nodes[level]]
        classes[name] = cells[first]
        table[name] = np.where(class_of < 0, SUPPRESSED, cells)
    release = replace(release, table=table, classes=classes)
    return check_release(release, task.table, task.criteria.k, task.criteria.l, task.persons)
