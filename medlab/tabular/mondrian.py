"""Mondrian: split a table along its quasi-identifiers while every part stays safe.

LeFevre, DeWitt, Ramakrishnan, "Mondrian Multidimensional k-Anonymity", ICDE 2006.

All parts of one depth are split together by array operations. The rows are sorted once
by every quasi-identifier; a split keeps these orders, so that the smallest, the median
and the largest value of any part are read off. Large tables are divided on the way
into batches of parts that fit the processor's cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.errors import InputError
from medlab.tabular import counts as tally
from medlab.tabular.counts import Distance, Diversity
from medlab.tabular.models import person_numbers
from medlab.tabular.release import Grouping, Release, check_release, make_release, number_by_box
from medlab.tabular.roles import Column, Hierarchies, check_columns, encode
from medlab.tabular.rules import Rules, Test, make_tests

Array = NDArray[Any]
_BATCH_ROWS = 1 << 16
_ROUNDING = 1e-9
_FIRST_OF_ALL = 1e6


@dataclass(frozen=True)
class Plan:
    """What a split may do."""

    k: int
    strict: bool
    best: bool
    columns: tuple[Column, ...]
    weights: NDArray[np.float64]
    tests: tuple[Test, ...]
    place: NDArray[np.float64]


@dataclass
class Batch:
    """Parts of the table: each a stretch of rows, sorted by every column.

    Attributes
    ----------
    rows : int array, shape (rows,)
        Position in the table of each local row.
    codes : int array, shape (columns, rows)
    marks : list of int arrays, shape (rows,)
        Sensitive columns, and last the persons where they are counted.
    orders : int array, shape (columns, rows still in parts)
        Local rows, part after part, within a part sorted by the column.
    starts, sizes, node : int arrays, shape (parts,)
    depth : int
    """

    rows: Array
    codes: Array
    marks: list[Array]
    orders: Array
    starts: Array
    sizes: Array
    node: Array
    depth: int

    def ids(self, column: Array, parts: Array) -> Array:
        """Return the local rows of parts, each in the order of its own column."""
        sizes = self.sizes[parts]
        begin = column * self.orders.shape[1] + self.starts[parts]
        begin = begin - (np.cumsum(sizes) - sizes)
        spots = np.repeat(begin, sizes)
        spots += np.arange(len(spots))
        return self.orders.ravel().take(spots)

    def code_at(self, spots: Array) -> Array:
        """Return the codes at positions of every column's own order, (columns, parts)."""
        which = np.take_along_axis(self.orders, spots, axis=1)
        return np.take_along_axis(self.codes, which, axis=1)


class Cut(NamedTuple):
    """For each part: the column to cut (-1 for none) and the rows that go left."""

    column: Array
    left: Array


def _lower_bound(batch: Batch, target: Array, low: Array, high: Array) -> Array:
    """Return for each (column, part) the number of rows whose code is below the target."""
    low, high = low.copy(), high.copy()
    while (low < high).any():
        middle = (low + high) >> 1
        spot = batch.starts + np.minimum(middle, batch.sizes - 1)
        below = (batch.code_at(spot) < target) & (low < high)
        low = np.where(below, middle + 1, low)
        high = np.where(below, high, np.minimum(high, middle))
    return low


def _widths(plan: Plan, low: Array, high: Array) -> Array:
    """Return the weighted normalized range of each (column, part)."""
    column = np.arange(len(low))[:, None]
    return (plan.place[column, high] - plan.place[column, low]) * plan.weights[:, None]


def _median_blocks(plan: Plan, low: Array, high: Array, middle: Array) -> tuple[Array, Array]:
    """Return the codes that may not be separated from the median code.

    That is the code itself, or with a hierarchy everything below the child of the
    lowest common ancestor: cuts inside it would not make the released node smaller.
    """
    first, last = middle.copy(), middle.copy()
    for j, column in enumerate(plan.columns):
        if column.first is not None and column.last is not None:
            together = column.first[:, low[j]] == column.first[:, high[j]]
            level = np.argmax(together, axis=0) - 1
            first[j] = column.first[level, middle[j]]
            last[j] = column.last[level, middle[j]]
    return first, last


def _median_cuts(plan: Plan, batch: Batch, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the rows going left and the score of each candidate, (columns, parts, 3).

    The candidates of a column are the cuts on both sides of the median's run of equal
    values, and before all others the one between known and missing cells.
    """
    half = np.broadcast_to(batch.sizes // 2, low.shape)
    if plan.strict:
        middle = batch.code_at(batch.starts + half).astype(np.int64)
        first, last = _median_blocks(plan, low, high, middle)
        none, every = np.zeros_like(half), np.broadcast_to(batch.sizes, half.shape)
        lefts = [
            _lower_bound(batch, first, none, half),
            _lower_bound(batch, last + 1, half, every),
        ]
        unknown = np.array([len(column.values) for column in plan.columns])[:, None]
        mixed = (high == unknown) & (low < unknown)
        if mixed.any():
            lefts.append(np.where(mixed, _lower_bound(batch, unknown, none, every), 0))
        left = np.stack(lefts, axis=2)
    else:
        left = half[:, :, None].copy()
    smaller = np.minimum(left, batch.sizes[:, None] - left)
    score = _widths(plan, low, high)[:, :, None] + _ROUNDING * smaller / batch.sizes[:, None]
    score[:, :, 2:] += _FIRST_OF_ALL
    return left, np.where(smaller >= plan.k, score, -np.inf)


def _keeps(plan: Plan, batch: Batch, parts: Array, cut: Cut) -> Array:
    """Tell for each part whether both sides of its cut pass every test."""
    ids = batch.ids(cut.column, parts)
    sides = np.stack([cut.left, batch.sizes[parts] - cut.left], axis=1).ravel()
    group = np.repeat(np.arange(len(sides)), sides)
    persons = batch.marks[-1][ids] if any(test.by_person for test in plan.tests) else None
    holds = np.ones(len(sides), dtype=bool)
    for test in plan.tests:
        codes = batch.marks[test.marks][ids]
        people = persons if test.by_person else None
        holds &= test.holds(tally.count_values(group, codes, len(sides), test.values, people))
    return np.asarray(holds.reshape(-1, 2).all(axis=1))


def _choose(plan: Plan, batch: Batch, left: Array, score: Array) -> Cut:
    """Return for each part the candidate of the highest score that passes the tests."""
    parts, options = len(batch.sizes), left.shape[2]
    left = left.transpose(1, 0, 2).reshape(parts, -1)
    score = score.transpose(1, 0, 2).reshape(parts, -1)
    column, size = np.full(parts, -1), np.zeros(parts, dtype=np.int64)
    waiting = np.arange(parts)
    while len(waiting):
        best = score[waiting].argmax(axis=1)
        open_ = score[waiting, best] > -np.inf
        waiting, best = waiting[open_], best[open_]
        if not len(waiting):
            break
        cut = Cut(best // options, left[waiting, best])
        good = np.ones(len(waiting), dtype=bool)
        if plan.tests:
            good = _keeps(plan, batch, waiting, cut)
        column[waiting[good]], size[waiting[good]] = cut.column[good], cut.left[good]
        score[waiting[~good], best[~good]] = -np.inf
        waiting = waiting[~good]
    return Cut(column, size)


def _split(batch: Batch, cut: Cut, node: int) -> Batch:
    """Return the parts after their cuts: all left sides, then all right sides."""
    parts = np.flatnonzero(cut.column >= 0)
    left, right = cut.left[parts], batch.sizes[parts] - cut.left[parts]
    flags = np.zeros(len(batch.rows), dtype=np.uint8)
    sides = np.tile(np.array([1, 2], np.uint8), len(parts))
    lengths = np.stack([left, right], axis=1).ravel()
    flags[batch.ids(cut.column[parts], parts)] = np.repeat(sides, lengths)
    total = int(left.sum())
    orders = np.empty((len(batch.orders), int(lengths.sum())), dtype=batch.orders.dtype)
    for old, new in zip(batch.orders, orders, strict=True):
        side = flags.take(old)
        old.take(np.flatnonzero(side == 1), out=new[:total], mode="clip")
        old.take(np.flatnonzero(side == 2), out=new[total:], mode="clip")
    sizes = np.concatenate([left, right])
    return Batch(
        batch.rows,
        batch.codes,
        batch.marks,
        orders,
        np.cumsum(sizes) - sizes,
        sizes,
        node + np.arange(2 * len(parts)),
        batch.depth + 1,
    )


def _divide(batch: Batch) -> list[Batch]:
    """Divide a large batch between its parts into batches that number their own rows."""
    home = (batch.starts + batch.sizes - 1) // _BATCH_ROWS
    edges = np.append(np.flatnonzero(np.r_[True, home[1:] != home[:-1]]), len(home))
    if len(batch.rows) <= 2 * _BATCH_ROWS or len(edges) < 3:
        return [batch]
    renumber = np.empty(len(batch.rows), dtype=np.int32)
    divided = []
    for a, b in itertools.pairwise(edges):
        begin, end = batch.starts[a], batch.starts[b - 1] + batch.sizes[b - 1]
        ids = batch.orders[0, begin:end]
        renumber[ids] = np.arange(len(ids), dtype=np.int32)
        divided.append(
            Batch(
                batch.rows[ids],
                batch.codes[:, ids],
                [mark[ids] for mark in batch.marks],
                renumber[batch.orders[:, begin:end]],
                batch.starts[a:b] - begin,
                batch.sizes[a:b],
                batch.node[a:b],
                batch.depth,
            )
        )
    return divided


class _Harvest:
    """The finished parts and the cuts, collected while the batches are worked off."""

    def __init__(self, rows: int, columns: int) -> None:
        self.class_of = np.full(rows, -1, dtype=np.int32)
        self.low: list[Array] = []
        self.high: list[Array] = []
        self.node: list[Array] = []
        self.cuts: list[dict[str, Array]] = []
        self.classes = 0
        self.nodes = 1

    def finish(self, batch: Batch, parts: Array, low: Array, high: Array) -> int:
        """Make classes of parts and return the number of their rows."""
        numbers = np.arange(self.classes, self.classes + len(parts), dtype=np.int32)
        ids = batch.ids(np.zeros_like(parts), parts)
        self.class_of[batch.rows[ids]] = np.repeat(numbers, batch.sizes[parts])
        self.low.append(low[:, parts].T)
        self.high.append(high[:, parts].T)
        self.node.append(batch.node[parts])
        self.classes += len(parts)
        return len(ids)

    def record(self, batch: Batch, cut: Cut) -> int:
        """Keep the cuts of a batch; return the first number of the new parts."""
        parts = np.flatnonzero(cut.column >= 0)
        last = batch.starts[parts] + cut.left[parts] - 1
        column = cut.column[parts]
        first = self.nodes
        self.nodes += 2 * len(parts)
        self.cuts.append(
            {
                "node": batch.node[parts],
                "depth": np.full(len(parts), batch.depth),
                "column": column,
                "value": batch.codes[column, batch.orders[column, last]],
                "left": first + np.arange(len(parts)),
                "right": first + len(parts) + np.arange(len(parts)),
                "rows": batch.sizes[parts],
                "left_rows": cut.left[parts],
            }
        )
        return first


def _advance(plan: Plan, batch: Batch, harvest: _Harvest) -> tuple[list[Batch], int]:
    """Cut every part of a batch once; return the new batches and the rows finished."""
    ends = np.broadcast_to(batch.starts, (len(batch.orders), len(batch.starts)))
    low = batch.code_at(ends).astype(np.int64)
    high = batch.code_at(ends + batch.sizes - 1).astype(np.int64)
    able = batch.sizes >= 2 * plan.k
    if plan.strict:
        able &= (low < high).any(axis=0)
    cut = Cut(np.full(len(able), -1), np.zeros(len(able), dtype=np.int64))
    tried = np.flatnonzero(able)
    if len(tried):
        some = Batch(
            batch.rows,
            batch.codes,
            batch.marks,
            batch.orders,
            batch.starts[tried],
            batch.sizes[tried],
            batch.node[tried],
            batch.depth,
        )
        left, score = _candidates(plan, some, low[:, tried], high[:, tried])
        cut.column[tried], cut.left[tried] = _choose(plan, some, left, score)
    done = np.flatnonzero(cut.column < 0)
    finished = harvest.finish(batch, done, low, high) if len(done) else 0
    if len(done) == len(able):
        return [], finished
    return _divide(_split(batch, cut, harvest.record(batch, cut))), finished


def _candidates(plan: Plan, batch: Batch, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the candidate cuts of every part with their scores."""
    return _median_cuts(plan, batch, low, high)


def _first_batch(plan: Plan, marks: list[Array]) -> Batch:
    """Return the whole table as one part, sorted by every column."""
    codes = np.stack([column.codes for column in plan.columns])
    rows = np.arange(codes.shape[1], dtype=np.int32)
    orders = np.empty(codes.shape, dtype=np.int32)
    for column, order in zip(codes, orders, strict=True):
        # Small codes are sorted by radix. Only relaxed cuts see the order of ties.
        stable = column.itemsize <= 2 or not plan.strict
        order[:] = np.argsort(column, kind="stable" if stable else None)
    one = np.array([codes.shape[1]])
    return Batch(rows, codes, marks, orders, np.zeros_like(one), one, np.zeros_like(one), 0)


def _partition(plan: Plan, marks: list[Array], progress: bool) -> _Harvest:
    rows = len(plan.columns[0].codes)
    harvest = _Harvest(rows, len(plan.columns))
    batches = [_first_batch(plan, marks)]
    with _bar(rows, progress) as bar:
        while batches:
            more, finished = _advance(plan, batches.pop(), harvest)
            batches.extend(more)
            bar.update(finished)
    return harvest


def _bar(rows: int, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=rows, unit="row", unit_scale=True, disable=not progress, leave=False)


def mondrian(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None = None,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    *,
    l_kind: Diversity = "distinct",
    c: float = 3.0,
    alpha: float | None = None,
    distance: Distance = "auto",
    hierarchies: Hierarchies | None = None,
    weights: Mapping[str, float] | None = None,
    strict: bool = True,
    quality: Literal["fast", "best"] = "fast",
    subject: str | None = None,
    keep: Sequence[str] = (),
    identifiers: Sequence[str] = (),
    progress: bool = False,
) -> Release:
    """Generalize a table so that every class keeps k, and l, t, alpha if asked for.

    Parameters
    ----------
    table : DataFrame, one row per record
    quasi : column names
        Numbers, dates, ordered categoricals, labels. Missing cells are a value of
        their own, never equal to another.
    sensitive : column name or names, optional
        A class keeps l, t and alpha for each of them.
    k : int
        Smallest class allowed, from 1.
    l : float
        Diversity of every class; 1 asks for nothing. Missing values do not count.
    t : float, optional
        Largest earth mover's distance between a class and the table, 0 to 1.
    l_kind : "distinct", "entropy" or "recursive"
    c : float
        For recursive (c,l)-diversity.
    alpha : float, optional
        Largest share of one sensitive value in a class, in (0, 1].
    distance : "auto", "equal" or "ordered"
        Between sensitive values, for t; "auto" follows the column, or its hierarchy.
    hierarchies : mapping of str to DataFrame, optional
        For labels: one row a label (the index), one column a level, fine to coarse.
        The released cell is then a node. A hierarchy of a sensitive column is for t.
    weights : mapping of str to float, optional
        How much the width of a column matters when one is chosen to be cut; default 1.
    strict : bool
        Equal values stay together and boxes do not overlap. Otherwise (relaxed) a part
        is cut at exactly half of its rows.
    quality : "fast" or "best"
        "best" searches the cuts of all columns for the one that loses least.
    subject : str, optional
        Column that tells whose row it is. k, l and t then count distinct persons.
    keep : column names
        Other columns that pass through unchanged.
    identifiers : column names
        Direct identifiers; never released, refused in any other role.
    progress : bool
        Show a bar that counts finished rows.

    Returns
    -------
    Release
        Checked by an independent count of the cells that were written.

    Raises
    ------
    InputError
        Fewer rows (or persons) than k; l, t or alpha out of range or not feasible, with
        the largest feasible l; infinite numbers; columns in two roles or named twice.
    MissingError, KindError
        Unknown columns; mixed types in a column.

    Notes
    -----
    With the rows of a part sorted by a column, only the cuts just before and just after
    the run of values equal to the median need to be tried for k: any other cut is more
    unbalanced. Where the widest column cannot be cut, the next widest is tried.
    """
    quasi, sensitive = check_columns(
        table, quasi, sensitive, keep=keep, identifiers=identifiers, subject=subject
    )
    _check_choices(strict, quality)
    hierarchies = hierarchies or {}
    rules = Rules(k, l, t, l_kind, c, alpha, distance)
    tests, marks = make_tests(table, sensitive, rules, hierarchies, subject)
    columns = tuple(encode(table, name, hierarchies.get(name)) for name in quasi)
    scale = _weights(weights or {}, quasi)
    plan = Plan(int(k), strict, quality == "best", columns, scale, tests, _places(columns))
    harvest = _partition(plan, marks, progress)
    low, high = np.concatenate(harvest.low), np.concatenate(harvest.high)
    grouping, old = number_by_box(Grouping(harvest.class_of, low, high))
    release = make_release(
        table,
        columns,
        grouping,
        sensitive,
        keep,
        cuts=_cut_table(harvest, columns),
        asked=rules.asked(),
    )
    release.classes["node"] = np.concatenate(harvest.node)[old]
    return check_release(release, table, k, l, person_numbers(table, subject))


def _check_choices(strict: bool, quality: str) -> None:
    if quality not in ("fast", "best"):
        raise InputError(f"no quality {quality!r}; choose fast or best")
    if quality == "best" and not strict:
        raise InputError("quality='best' makes strict cuts; leave strict=True")


def _weights(weights: Mapping[str, float], quasi: Sequence[str]) -> NDArray[np.float64]:
    unknown = set(weights) - set(quasi)
    scale = np.array([weights.get(name, 1.0) for name in quasi], dtype=np.float64)
    if unknown or not np.isfinite(scale).all() or (scale <= 0).any():
        raise InputError("weights are positive numbers, each for a quasi-identifier by name")
    return scale


def _places(columns: Sequence[Column]) -> NDArray[np.float64]:
    """Return the places of all columns as one table, (columns, longest)."""
    table = np.zeros((len(columns), max(len(column.place) for column in columns)))
    for row, column in zip(table, columns, strict=True):
        row[: len(column.place)] = column.place
    return table


def _cut_table(harvest: _Harvest, columns: Sequence[Column]) -> pd.DataFrame:
    """Return the cuts in order of depth, with column names and values."""
    names = ["node", "depth", "column", "value", "left", "right", "rows", "left_rows"]
    if not harvest.cuts:
        return pd.DataFrame(columns=names)
    found = {name: np.concatenate([cut[name] for cut in harvest.cuts]) for name in names}
    order = np.lexsort((found["node"], found["depth"]))
    found = {name: values[order] for name, values in found.items()}
    column, codes = found["column"], found["value"]
    found["column"] = np.array([c.name for c in columns], dtype=object)[column]
    found["value"] = np.empty(len(order), dtype=object)
    for j, one in enumerate(columns):
        here = column == j
        found["value"][here] = np.append(one.values.astype(object), np.nan)[codes[here]]
    return pd.DataFrame(found)
