"""Mondrian: split a table along its quasi-identifiers while every part stays safe.

LeFevre, DeWitt, Ramakrishnan, "Mondrian Multidimensional k-Anonymity", ICDE 2006.

All parts of one depth are split together by array operations. The rows of a part stand side
by side; nothing is sorted: the widest column of each part is counted by value, and the cut at
its median read off. Large tables are divided on the way into batches of parts that fit the
processor's cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.arrays import Array
from medlab.errors import InputError
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import Column
from medlab.tabular.criteria import Options, Task, make_task
from medlab.tabular.release import Release, make_release

_BATCH_ROWS = 1 << 17


@dataclass(frozen=True)
class _Plan:
    """What a split may do."""

    task: Task
    k: int
    strict: bool
    best: bool
    weights: NDArray[np.float64]
    place: NDArray[np.float64]


@dataclass
class _Batch:
    """Parts of the table: each a stretch of rows, in the order of the table.

    Attributes
    ----------
    rows : int array, shape (rows,)
        Position in the table of each row, part after part.
    codes : int array, shape (columns, rows)
    marks : list of int arrays, shape (rows,)
        Sensitive columns, and last the persons where they are counted.
    sizes, node : int arrays, shape (parts,)
    depth : int
    """

    rows: Array
    codes: Array
    marks: list[Array]
    sizes: Array
    node: Array
    depth: int

    def __post_init__(self) -> None:
        """Find where the parts start, and the smallest and largest code of each."""
        self.starts = np.cumsum(self.sizes) - self.sizes
        low = [np.minimum.reduceat(codes, self.starts) for codes in self.codes]
        high = [np.maximum.reduceat(codes, self.starts) for codes in self.codes]
        self.low, self.high = np.array(low, dtype=np.int64), np.array(high, dtype=np.int64)

    def spots(self, parts: Array, column: Array | int = 0) -> Array:
        """Return where the rows of parts stand, each in its own column of all codes."""
        sizes = self.sizes[parts]
        begin = column * len(self.rows) + self.starts[parts] - (np.cumsum(sizes) - sizes)
        spots = np.repeat(begin, sizes)
        spots += np.arange(len(spots))
        return spots


class _Cut(NamedTuple):
    """For each part: the column to cut (-1 for none), the last code and the rows that go left."""

    column: Array
    value: Array
    left: Array


def _sides(plan: _Plan, batch: _Batch, parts: Array, cut: _Cut) -> Array:
    """Tell which rows of parts go right."""
    sizes = batch.sizes[parts]
    code = batch.codes.ravel().take(batch.spots(parts, cut.column))
    value = np.repeat(cut.value.astype(code.dtype), sizes)
    right = code > value
    if not plan.strict:  # of the rows with the last code, the first ones go left
        starts = np.cumsum(sizes) - sizes
        rank = np.cumsum(code == value)
        ties = cut.left - np.add.reduceat(code < value, starts, dtype=np.int64)
        right |= (code == value) & (rank > np.repeat(np.r_[0, rank][starts] + ties, sizes))
    return right


def _split(plan: _Plan, batch: _Batch, cut: _Cut, node: int) -> _Batch:
    """Return the parts after their cuts: all left sides, then all right sides."""
    parts = np.flatnonzero(cut.column >= 0)
    cut = _Cut(*(values[parts] for values in cut))
    right = _sides(plan, batch, parts, cut)
    spots = batch.spots(parts)
    order = np.concatenate([spots[np.flatnonzero(~right)], spots[np.flatnonzero(right)]])
    return _Batch(
        batch.rows.take(order),
        batch.codes.take(order, axis=1),
        [mark.take(order) for mark in batch.marks],
        np.concatenate([cut.left, batch.sizes[parts] - cut.left]),
        node + np.arange(2 * len(parts)),
        batch.depth + 1,
    )


def _divide(batch: _Batch) -> list[_Batch]:
    """Divide a large batch between its parts into batches that fit the processor's cache."""
    home = (batch.starts + batch.sizes - 1) // _BATCH_ROWS
    edges = np.append(np.flatnonzero(np.r_[True, home[1:] != home[:-1]]), len(home))
    if len(batch.rows) <= 2 * _BATCH_ROWS or len(edges) < 3:
        return [batch]
    divided = []
    for a, b in itertools.pairwise(edges):
        rows = slice(batch.starts[a], batch.starts[b - 1] + batch.sizes[b - 1])
        divided.append(
            _Batch(
                batch.rows[rows],
                np.ascontiguousarray(batch.codes[:, rows]),
                [mark[rows] for mark in batch.marks],
                batch.sizes[a:b],
                batch.node[a:b],
                batch.depth,
            )
        )
    return divided


_FIRST_OF_ALL = 1e6
# By trial on Adult-like and cohort tables; discounts of 0.1 to 0.25 are much alike.
_DISCOUNT, _CLASSES = 0.25, 30.0


# From (part, option) to the column, and its cuts: last code and rows left, (parts, cuts).
_Propose = Callable[[Array, Array], tuple[Array, Array, Array]]


class _Runs(NamedTuple):
    """The codes of one column that occur in each part, with their counts, part after part.

    Attributes
    ----------
    begin, zero : int arrays, shape (parts,)
        Rows of the parts before; what is to be added to a code for the key of its run.
    key : int array, shape (runs,)
    upto : int array, shape (runs + 1,)
        Rows before each run, and all.
    """

    begin: Array
    zero: Array
    key: Array
    upto: Array

    def at(self, rank: Array) -> Array:
        """Return the run that holds the row of this rank in each part."""
        return np.asarray(np.searchsorted(self.upto[1:], self.begin + rank, side="right"))

    def code(self, run: Array) -> Array:
        """Return the code of one run, or some, of each part."""
        return np.asarray((self.key[run].T - self.zero).T)


def _runs(batch: _Batch, parts: Array, column: Array) -> _Runs:
    """Count the codes of parts, each in its own column."""
    sizes, low = batch.sizes[parts], batch.low[column, parts]
    span = batch.high[column, parts] - low + 1
    ends = np.cumsum(span)
    zero = ends - span - low
    key = np.repeat(zero, sizes)
    key += batch.codes.ravel().take(batch.spots(parts, column))
    runs, count = tally.count_keys(key, int(ends[-1]))
    return _Runs(np.cumsum(sizes) - sizes, zero, runs, np.r_[0, np.cumsum(count)])


def _widths(plan: _Plan, low: Array, high: Array) -> Array:
    """Return the weighted normalized range of each (column, part)."""
    column = np.arange(len(low))[:, None]
    return np.asarray((plan.place[column, high] - plan.place[column, low]) * plan.weights[:, None])


def _mixed(plan: _Plan, batch: _Batch, parts: Array) -> Array:
    """Tell for each (column, part) whether some of its cells are missing, but not all."""
    missing = np.array([[len(column.values)] for column in plan.task.columns])
    return np.asarray((batch.high[:, parts] == missing) & (batch.low[:, parts] < missing))


def _median_block(
    plan: _Plan, runs: _Runs, column: Array, ends: tuple[Array, Array], half: Array
) -> tuple[Array, Array]:
    """Return the first and last run that may not be separated from the median's.

    That is the run itself, or with a hierarchy everything below the child of the
    lowest common ancestor: cuts inside it would not make the released node smaller.
    """
    first = runs.at(half)
    last, middle = first.copy(), runs.code(first)
    for j, tree in enumerate(plan.task.columns):
        here = np.flatnonzero(column == j)
        if tree.first is not None and tree.last is not None and len(here):
            low, high = (end[here] for end in ends)
            level = np.argmax(tree.first[:, low] == tree.first[:, high], axis=0) - 1
            codes = (
                block[level, middle[here]] + runs.zero[here] for block in (tree.first, tree.last)
            )
            first[here] = np.searchsorted(runs.key, next(codes))
            last[here] = np.searchsorted(runs.key, next(codes), side="right") - 1
    return first, last


def _median_cuts(
    plan: _Plan, batch: _Batch, parts: Array, column: Array, unknown: Array
) -> tuple[Array, Array]:
    """Return the last code and the rows going left of two cuts of each part, shape (parts, 2).

    They are the cuts on both sides of the median's run of equal values, the more balanced one
    first; where `unknown`, the one between known and missing cells.
    """
    sizes = batch.sizes[parts]
    runs = _runs(batch, parts, column)
    ends = batch.low[column, parts], batch.high[column, parts]
    first, last = _median_block(plan, runs, column, ends, sizes // 2)
    if unknown.any():
        first, last = (np.where(unknown, runs.at(sizes - 1), run) for run in (first, last))
    final = np.stack([first - 1, last], axis=1)
    left = runs.upto[final + 1] - runs.begin[:, None]
    smaller = np.minimum(left, sizes[:, None] - left)
    swap = smaller[:, 1] > smaller[:, 0]
    for pair in (left, final):
        pair[swap] = pair[swap, ::-1]
    return runs.code(final), left


class _Candidates(NamedTuple):
    """Cuts with scores: the last code and the rows that go left, (columns, parts, candidates)."""

    value: Array
    left: Array
    score: Array


def _half_cuts(plan: _Plan, batch: _Batch, parts: Array) -> _Candidates:
    """Return cuts at half of the rows, scored by the width that the sides lose.

    By width alone a column of two labels, always wide, would be cut again and again.
    """
    half = batch.sizes[parts] // 2
    low, high = batch.low[:, parts], batch.high[:, parts]
    middles = []
    for column in range(len(low)):
        runs = _runs(batch, parts, np.full_like(parts, column))
        middles.append([runs.code(runs.at(rank)) for rank in (half - 1, half)])
    before, after = np.array(middles).transpose(1, 0, 2)
    lost = _widths(plan, low, high) * 2 - _widths(plan, low, before) - _widths(plan, after, high)
    left = np.broadcast_to(half, before.shape)
    return _Candidates(*(values[:, :, None] for values in (before, left, lost)))


def _keeps(plan: _Plan, batch: _Batch, parts: Array, cut: _Cut) -> Array:
    """Tell for each part whether both sides of its cut pass every test."""
    spots = batch.spots(parts)
    group = np.repeat(np.arange(0, 2 * len(parts), 2), batch.sizes[parts])
    group += _sides(plan, batch, parts, cut)
    holds = np.ones(2 * len(parts), dtype=bool)
    for test in plan.task.tests:
        people = batch.marks[-1].take(spots) if test.by_person else None
        codes = batch.marks[test.marks].take(spots)
        holds &= test.holds(tally.count_values(group, codes, len(holds), test.values, people))
    return np.asarray(holds.reshape(-1, 2).all(axis=1))


def _choose(plan: _Plan, batch: _Batch) -> _Cut:
    """Return for each part the cut of the highest score that keeps k and passes the tests."""
    able = batch.sizes >= 2 * plan.k
    if plan.strict:
        able &= (batch.low < batch.high).any(axis=0)
    parts = np.flatnonzero(able)
    if not len(parts):
        return _Cut(np.full(len(able), -1), *np.zeros((2, len(able)), dtype=np.int64))
    if plan.strict and not plan.best:
        return _first_that_keeps(plan, batch, parts, *_widest(plan, batch, parts))
    candidates = (_cheapest_cuts if plan.best else _half_cuts)(plan, batch, parts)
    width = candidates.left.shape[2]
    value, left, score = (some.transpose(1, 0, 2).reshape(len(parts), -1) for some in candidates)

    def propose(waiting: Array, option: Array) -> tuple[Array, Array, Array]:
        return option // width, value[waiting, option, None], left[waiting, option, None]

    return _first_that_keeps(plan, batch, parts, score, propose)


def _widest(plan: _Plan, batch: _Batch, parts: Array) -> tuple[Array, _Propose]:
    """Score the columns by their widths; their median cuts are found when asked for."""
    low, high = batch.low[:, parts], batch.high[:, parts]
    score = np.where(low < high, _widths(plan, low, high), -np.inf)
    columns = len(score)
    mixed = _mixed(plan, batch, parts)
    if mixed.any():
        score = np.vstack([score, np.where(mixed, score + _FIRST_OF_ALL, -np.inf)])

    def propose(waiting: Array, option: Array) -> tuple[Array, Array, Array]:
        column = option % columns
        return column, *_median_cuts(plan, batch, parts[waiting], column, option >= columns)

    return score.T.copy(), propose


def _first_that_keeps(
    plan: _Plan, batch: _Batch, parts: Array, score: Array, propose: _Propose
) -> _Cut:
    cut = _Cut(np.full(len(batch.sizes), -1), *np.zeros((2, len(batch.sizes)), dtype=np.int64))
    waiting = np.arange(len(parts))
    while len(waiting):
        option = score[waiting].argmax(axis=1)
        hopeful = score[waiting, option] > -np.inf
        waiting, option = waiting[hopeful], option[hopeful]
        if not len(waiting):
            break
        score[waiting, option] = -np.inf
        column, values, lefts = propose(waiting, option)
        for value, left in zip(values.T, lefts.T, strict=True):
            part = parts[waiting]
            smaller = np.minimum(left, batch.sizes[part] - left)
            good = np.flatnonzero((smaller >= plan.k) & (cut.column[part] < 0))
            trial = _Cut(column[good], value[good], left[good])
            if plan.task.tests and len(good):
                keeps = _keeps(plan, batch, part[good], trial)
                good, trial = good[keeps], _Cut(*(values[keeps] for values in trial))
            for values, chosen in zip(cut, trial, strict=True):
                values[part[good]] = chosen
        waiting = waiting[cut.column[parts[waiting]] < 0]
    return cut


def _cheapest_cuts(plan: _Plan, batch: _Batch, parts: Array) -> _Candidates:
    """Return the cuts that are expected to lose least, scored by the loss.

    The loss of a side is its rows times the sum of its normalized widths, less for a side
    that can be cut again: a side of m classes (rows // k, counted up to 30) will lose
    about m ** -0.25 of it. For each column the cheapest cut is a candidate; where
    sensitive values are tested, also the cheapest in the middle, and the median cuts.
    """
    sizes = batch.sizes[parts]
    part = np.repeat(np.arange(len(parts)), sizes)
    starts = np.cumsum(sizes) - sizes
    left = np.arange(len(part)) - starts[part]
    after = sizes[part] - left
    worth = [rows * np.clip(rows // plan.k, 1, _CLASSES) ** -_DISCOUNT for rows in (left, after)]
    middle = (4 * left >= sizes[part]) & (4 * left <= 3 * sizes[part])
    balanced = (left >= plan.k) & (after >= plan.k)
    mixed = _mixed(plan, batch, parts)
    none = np.zeros(len(parts), dtype=bool)
    candidates = []
    for column in range(len(batch.codes)):
        spots = _sorted(batch, parts, column, part)
        code = batch.codes[column].take(spots)
        allowed = balanced.copy()
        allowed[1:] &= code[1:] != code[:-1]
        before, behind = _losses(plan, batch, spots, part)
        cost = np.where(allowed, worth[0] * before + worth[1] * behind, np.inf)
        costs = [cost, np.where(middle, cost, np.inf)] if plan.task.tests else [cost]
        least = [np.flatnonzero(c == np.minimum.reduceat(c, starts)[part]) for c in costs]
        spot = np.stack([some[tally.run_starts(part[some])] for some in least], axis=1)
        value, rows = code[spot - 1], spot - starts[:, None]
        score = np.stack([-some[spot[:, i]] for i, some in enumerate(costs)], axis=1)
        if plan.task.tests:
            same = np.full_like(parts, column)
            medians = [
                _median_cuts(plan, batch, parts, same, some) for some in (none, mixed[column])
            ]
            values, lefts = (np.hstack(some) for some in zip(*medians, strict=True))
            spot = np.minimum(starts[:, None] + lefts, len(cost) - 1)
            smaller = np.minimum(lefts, sizes[:, None] - lefts)
            score = np.hstack([score, np.where(smaller >= plan.k, -cost[spot], -np.inf)])
            value, rows = np.hstack([value, values]), np.hstack([rows, lefts])
        candidates.append((value, rows, score))
    return _Candidates(*(np.stack(some) for some in zip(*candidates, strict=True)))


def _sorted(batch: _Batch, parts: Array, column: int, part: Array) -> Array:
    """Return where the rows of parts stand, sorted within each part by one column."""
    spots = batch.spots(parts)
    order = np.argsort(batch.codes[column].take(spots), kind="stable")  # small codes: by radix
    home = part.astype(np.min_scalar_type(len(parts)))
    return spots[order[np.argsort(home[order], kind="stable")]]


def _losses(plan: _Plan, batch: _Batch, spots: Array, part: Array) -> tuple[Array, Array]:
    """Return the width of the rows before each position of its part, and of the others."""
    before, after = np.zeros(len(spots)), np.zeros(len(spots))
    for j, column in enumerate(plan.task.columns):
        codes = batch.codes[j].take(spots)
        if column.kind in ("category", "ordered") and column.nodes is None:
            prefix, suffix = _running_labels(codes, part, len(column.values))
        else:
            prefix, suffix = _running_widths(plan.place[j, codes], part)
        before[1:] += plan.weights[j] * prefix[:-1]
        after += plan.weights[j] * suffix
    return before, after


def _running_labels(codes: Array, part: Array, labels: int) -> tuple[Array, Array]:
    """Return the share of labels up to and from each position, the first label not counted."""
    key = part * (labels + 1) + codes
    spot = np.arange(len(codes))
    seen = np.empty(int(key.max(initial=0)) + 1, dtype=np.int64)
    seen[key[::-1]] = spot[::-1]
    new = np.cumsum(seen[key] == spot)
    seen[key] = spot
    gone = np.cumsum(seen[key] == spot)
    starts = tally.run_starts(part)
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

    def finish(self, batch: _Batch, parts: Array) -> None:
        """Make classes of parts."""
        numbers = np.arange(self.classes, self.classes + len(parts), dtype=np.int32)
        rows = batch.rows[batch.spots(parts)]
        self.class_of[rows] = np.repeat(numbers, batch.sizes[parts])
        self.low.append(batch.low[:, parts].T)
        self.high.append(batch.high[:, parts].T)
        self.node.append(batch.node[parts])
        self.classes += len(parts)

    def record(self, batch: _Batch, cut: _Cut) -> int:
        """Keep the cuts of a batch; return the first number of the new parts."""
        parts = np.flatnonzero(cut.column >= 0)
        first = self.nodes
        self.nodes += 2 * len(parts)
        self.cuts.append(
            {
                "node": batch.node[parts],
                "depth": np.full(len(parts), batch.depth),
                "column": cut.column[parts],
                "value": cut.value[parts],
                "left": first + np.arange(len(parts)),
                "right": first + len(parts) + np.arange(len(parts)),
                "rows": batch.sizes[parts],
                "left_rows": cut.left[parts],
            }
        )
        return first


def _partition(plan: _Plan) -> _Harvest:
    rows = len(plan.task.table)
    harvest = _Harvest(rows, len(plan.task.columns))
    codes = np.stack([column.codes for column in plan.task.columns])
    whole = np.arange(rows, dtype=np.int32), codes, plan.task.marks, np.array([rows])
    batches = [_Batch(*whole, node=np.zeros(1, dtype=np.int64), depth=0)]
    while batches:
        batch = batches.pop()
        cut = _choose(plan, batch)
        done = np.flatnonzero(cut.column < 0)
        if len(done):
            harvest.finish(batch, done)
        if len(done) < len(batch.sizes):
            batches.extend(_divide(_split(plan, batch, cut, harvest.record(batch, cut))))
    return harvest


def mondrian(
    table: pd.DataFrame,
    quasi: Sequence[str] | str,
    sensitive: Sequence[str] | str | None = None,
    k: int = 5,
    l: float = 1,
    t: float | None = None,
    *,
    weights: Mapping[str, float] | None = None,
    strict: bool = True,
    quality: Literal["fast", "best"] = "fast",
    options: Options | None = None,
    **more: Any,
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
    weights : mapping of str to float, optional
        How much the width of a column matters when one is chosen to be cut; default 1.
    strict : bool
        Equal values stay together and boxes do not overlap. Otherwise (relaxed) a part
        is cut at exactly half of its rows.
    quality : "fast" or "best"
        "best" searches the cuts of all columns for the one that loses least.
    options, **more
        `Options`, as one object or by name: hierarchies, persons, kept columns, alpha.

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
    _check_choices(strict, quality)
    task = make_task(table, quasi, sensitive, (k, l, t), options, **more)
    scale = task.weights(weights)
    plan = _Plan(task, int(k), strict, quality == "best", scale, _places(task.columns))
    harvest = _partition(plan)
    return make_release(
        task,
        harvest.class_of,
        ends=(np.concatenate(harvest.low), np.concatenate(harvest.high)),
        node=np.concatenate(harvest.node),
        cuts=_cut_table(harvest, task.columns),
    )


def _check_choices(strict: bool, quality: str) -> None:
    if quality not in ("fast", "best"):
        raise InputError(f"no quality {quality!r}; choose fast or best")
    if quality == "best" and not strict:
        raise InputError("quality='best' makes strict cuts; leave strict=True")


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
    cuts = {name: np.concatenate([cut[name] for cut in harvest.cuts]) for name in names}
    order = np.lexsort((cuts["node"], cuts["depth"]))
    cuts = {name: values[order] for name, values in cuts.items()}
    column, codes = cuts["column"], cuts["value"]
    cuts["column"] = np.array([c.name for c in columns], dtype=object)[column]
    cuts["value"] = np.empty(len(order), dtype=object)
    for j, encoded in enumerate(columns):
        here = column == j
        cuts["value"][here] = np.append(encoded.values.astype(object), np.nan)[codes[here]]
    return pd.DataFrame(cuts)
