"""Parts of a table, each sorted by every column: where they may be cut, and which cut is taken."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medlab.arrays import Array
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import Column
from medlab.tabular.counts import run_starts
from medlab.tabular.criteria import Test

_BATCH_ROWS = 1 << 16


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
        column = np.arange(len(self.orders))[:, None]
        which = self.orders.ravel().take(spots + column * self.orders.shape[1])
        return np.asarray(self.codes.ravel().take(which + column * self.codes.shape[1]))


class Cut(NamedTuple):
    """For each part: the column to cut (-1 for none) and the rows that go left."""

    column: Array
    left: Array


def first_batch(plan: Plan, marks: list[Array]) -> Batch:
    """Return the whole table as one part, sorted by every column."""
    codes = np.stack([column.codes for column in plan.columns])
    rows = np.arange(codes.shape[1], dtype=np.int32)
    orders = np.empty(codes.shape, dtype=np.int32)
    for column, order in zip(codes, orders, strict=True):
        # Small codes are sorted by radix. Only relaxed cuts see the order of ties.
        stable = column.itemsize <= 2 or not plan.strict
        order[:] = np.argsort(column, kind="stable" if stable else None)
    whole = np.array([codes.shape[1]])
    return Batch(rows, codes, marks, orders, np.zeros_like(whole), whole, np.zeros_like(whole), 0)


def split(batch: Batch, cut: Cut, node: int) -> Batch:
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
    return replace(
        batch,
        orders=orders,
        starts=np.cumsum(sizes) - sizes,
        sizes=sizes,
        node=node + np.arange(2 * len(parts)),
        depth=batch.depth + 1,
    )


def divide(batch: Batch) -> list[Batch]:
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
                batch.codes.take(ids, axis=1),
                [mark[ids] for mark in batch.marks],
                renumber.take(batch.orders[:, begin:end]),
                batch.starts[a:b] - begin,
                batch.sizes[a:b],
                batch.node[a:b],
                batch.depth,
            )
        )
    return divided


_FIRST_OF_ALL = 1e6
# By trial on Adult-like and cohort tables; discounts of 0.1 to 0.25 are much alike.
_DISCOUNT, _CLASSES = 0.25, 30.0


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


def median_cuts(plan: Plan, batch: Batch, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the rows going left and the score of each candidate, (columns, parts, 3).

    The candidates of a column are the cuts on both sides of the median's run of equal
    values, and before all others the one between known and missing cells.
    """
    half = np.broadcast_to(batch.sizes // 2, low.shape)
    if not plan.strict:
        return _half_cuts(plan, batch, (low, high), half)
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
    smaller = np.minimum(left, batch.sizes[:, None] - left)
    score = np.repeat(_widths(plan, low, high)[:, :, None], left.shape[2], axis=2)
    score[:, :, 2:] += _FIRST_OF_ALL
    score[smaller < plan.k] = -np.inf
    # Of equal scores the first is taken: the more balanced cut, the column named first.
    order = np.argsort(-smaller, axis=2, kind="stable")
    return np.take_along_axis(left, order, axis=2), np.take_along_axis(score, order, axis=2)


def _half_cuts(
    plan: Plan, batch: Batch, ends: tuple[Array, Array], half: Array
) -> tuple[Array, Array]:
    """Return cuts at half of the rows, scored by the width that the sides lose.

    By width alone a column of two labels, always wide, would be cut again and again.
    """
    low, high = ends
    before = batch.code_at(batch.starts + half - 1).astype(np.int64)
    after = batch.code_at(batch.starts + half).astype(np.int64)
    lost = _widths(plan, low, high) * 2 - _widths(plan, low, before) - _widths(plan, after, high)
    smaller = np.minimum(half, batch.sizes - half)
    score = np.where(smaller >= plan.k, lost, -np.inf)
    return half[:, :, None].copy(), score[:, :, None]


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


def choose(plan: Plan, batch: Batch, left: Array, score: Array) -> Cut:
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


def cheapest_cuts(plan: Plan, batch: Batch, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the rows going left and the score of the cuts that are expected to lose least.

    The loss of a side is its rows times the sum of its normalized widths, less for a side
    that can be cut again: a side of m classes (rows // k, counted up to 30) will lose
    about m ** -0.25 of it. For each column the cheapest cut is a candidate; where
    sensitive values are tested, also the cheapest in the middle, and the median cuts.

    Returns
    -------
    left, score : arrays, shape (columns, parts, candidates)
    """
    part = np.repeat(np.arange(len(batch.sizes)), batch.sizes)
    costs = [_cut_costs(plan, batch, column, part) for column in range(len(batch.orders))]
    candidates = [[_cheapest(batch, part, cost) for cost in costs]]
    if plan.tests:
        middle = _middle(batch, part)
        inner = [np.where(middle, cost, np.inf) for cost in costs]
        candidates.append([_cheapest(batch, part, cost) for cost in inner])
    left = np.stack([[one[0] for one in some] for some in candidates], axis=2)
    score = np.stack([[one[1] for one in some] for some in candidates], axis=2)
    if plan.tests:
        left, score = _with_medians(plan, batch, costs, (left, score), (low, high))
    return left, score


def _with_medians(
    plan: Plan,
    batch: Batch,
    costs: list[Array],
    candidates: tuple[Array, Array],
    ends: tuple[Array, Array],
) -> tuple[Array, Array]:
    """Add the median cuts to the candidates, scored by their cost."""
    left, score = median_cuts(plan, batch, *ends)
    starts = np.cumsum(batch.sizes) - batch.sizes
    spots = np.minimum(starts[:, None] + left, len(costs[0]) - 1)
    worth = -np.stack([cost[spot] for cost, spot in zip(costs, spots, strict=True)])
    worth = np.where(score > -np.inf, worth, -np.inf)
    return np.concatenate([candidates[0], left], axis=2), np.concatenate(
        [candidates[1], worth], axis=2
    )


def _middle(batch: Batch, part: Array) -> Array:
    """Tell which positions are neither in the first nor in the last quarter of a part."""
    n = batch.sizes[part]
    left = _left_rows(batch, part)
    return np.asarray((4 * left >= n) & (4 * left <= 3 * n))


def _left_rows(batch: Batch, part: Array) -> Array:
    """Return for each position how many rows of its part come before it."""
    starts = np.cumsum(batch.sizes) - batch.sizes
    return np.asarray(np.arange(len(part)) - starts[part])


def _cut_costs(plan: Plan, batch: Batch, column: int, part: Array) -> Array:
    """Return the cost of cutting before each position; infinite where it is not allowed."""
    parts = np.arange(len(batch.sizes))
    ids = batch.ids(np.full_like(parts, column), parts)
    before, after = np.zeros(len(ids)), np.zeros(len(ids))
    for j, other in enumerate(plan.columns):
        codes = batch.codes[j, ids]
        if other.kind in ("category", "ordered") and other.nodes is None:
            prefix, suffix = _running_labels(codes, part, len(other.values))
        else:
            prefix, suffix = _running_widths(plan.place[j, codes], part)
        before[1:] += plan.weights[j] * prefix[:-1]
        after += plan.weights[j] * suffix
    left, n = _left_rows(batch, part), batch.sizes[part]
    code = batch.codes[column, ids]
    allowed = (left >= plan.k) & (n - left >= plan.k)
    allowed[1:] &= code[1:] != code[:-1]
    cost = _discounted(left, plan.k) * before + _discounted(n - left, plan.k) * after
    return np.where(allowed, cost, np.inf)


def _discounted(rows: Array, k: int) -> Array:
    return np.asarray(rows * np.clip(rows // k, 1, _CLASSES) ** -_DISCOUNT)


def _running_labels(codes: Array, part: Array, labels: int) -> tuple[Array, Array]:
    """Return the share of labels up to and from each position, the first label not counted."""
    key = part * (labels + 1) + codes
    spot = np.arange(len(codes))
    seen = np.empty(int(key.max(initial=0)) + 1, dtype=np.int64)
    seen[key[::-1]] = spot[::-1]
    new = np.cumsum(seen[key] == spot)
    seen[key] = spot
    gone = np.cumsum(seen[key] == spot)
    starts = run_starts(part)
    before = np.r_[0, new][starts][part]
    stops = np.r_[starts[1:], len(part)] - 1
    left = gone[stops][part] - np.r_[0, gone[:-1]]
    scale = max(labels - 1, 1)
    return (new - before - 1) / scale, (left - 1) / scale


def _running_widths(x: Array, part: Array) -> tuple[Array, Array]:
    """Return the range up to and from each position, within its part; at most 1.

    Each part is lifted above the one before, so that running extremes start anew.
    """
    lift = 4.0 * part
    up, down = x + lift, x - lift
    prefix = np.maximum.accumulate(up) - np.minimum.accumulate(down) - 2 * lift
    back = slice(None, None, -1)
    top, bottom = np.maximum.accumulate(down[back])[back], np.minimum.accumulate(up[back])[back]
    return np.minimum(prefix, 1.0), np.minimum(top - bottom + 2 * lift, 1.0)


def _cheapest(batch: Batch, part: Array, cost: Array) -> tuple[Array, Array]:
    """Return the rows going left and the score of the cheapest cut of each part."""
    starts = np.cumsum(batch.sizes) - batch.sizes
    least = np.minimum.reduceat(cost, starts)
    spots = np.flatnonzero(cost == least[part])
    first = spots[run_starts(part[spots])]
    return first - starts, -least
