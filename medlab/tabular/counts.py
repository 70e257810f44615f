"""Equivalence classes, the sensitive values counted in them, and what follows: l, t, alpha.

An equivalence class is a set of rows that are equal in all quasi-identifiers; a missing cell
equals another missing cell and nothing else. Groups are numbered from 0. Only the values that
occur in a group are listed, so that a million groups and a thousand values need no table of a
thousand million cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medlab.arrays import Floats, Ints
from medlab.errors import InputError
from medlab.tabular.column_roles import Column, check_columns, encode

Diversity = Literal["distinct", "entropy", "recursive"]
Distance = Literal["auto", "equal", "ordered"]


def class_numbers(table: pd.DataFrame, quasi: Sequence[str] | str) -> Ints:
    """Return the equivalence class of each row, numbered in order of appearance."""
    quasi, _ = check_columns(table, quasi)
    return combined([cell_numbers(table[name]) for name in quasi])


def cell_numbers(column: pd.Series[Any]) -> Ints:
    """Return a number for each cell, the same for equal cells."""
    codes, objects = distinct_cells(column)
    numbers = pd.factorize(objects, use_na_sentinel=False)[0].astype(np.int64)
    return np.asarray(numbers[codes])


def combined(columns: Iterable[Ints]) -> Ints:
    """Return a number for each row, the same where all columns are; in order of appearance."""
    group: Any = 0
    for codes in columns:
        group = pd.factorize(group * (int(codes.max()) + 1) + codes)[0].astype(np.int64)
    return np.asarray(group)


def person_numbers(table: pd.DataFrame, subject: str | None) -> Ints | None:
    """Return a number for the person of each row.

    Raises
    ------
    InputError
        If it is not known of some row whose it is.
    """
    if subject is None:
        return None
    codes = pd.factorize(table[subject])[0].astype(np.int64)
    if len(codes) and codes.min() < 0:
        raise InputError(
            f"{int((codes < 0).sum())} rows have no {subject}; "
            "fill it in or leave these rows out, so that persons can be counted"
        )
    return codes


def distinct_cells(column: pd.Series[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return a number for each cell and the objects numbered, each looked at once.

    Equal values share a number; equal objects, such as intervals, only if they are one.
    """
    if column.dtype != object:
        numbers, values = pd.factorize(column, use_na_sentinel=False)
        return numbers.astype(np.int64), pd.Index(values).astype(object).to_numpy()
    objects = column.astype(object).to_numpy()
    ids = np.fromiter(map(id, objects), np.int64, len(objects))
    _, first, codes = np.unique(ids, return_index=True, return_inverse=True)
    return codes, objects[first]


def group_sizes(group: Ints, persons: Ints | None = None) -> Ints:
    """Return the number of rows, or of distinct persons, of each group."""
    if persons is None:
        return np.bincount(group)
    groups, people = int(group.max()) + 1, int(persons.max()) + 1
    counts = count_values(group, persons, groups, people)
    return distinct(counts).astype(np.int64)


@dataclass(frozen=True)
class Counts:
    """How often each sensitive value occurs in each group; only what occurs is listed.

    Attributes
    ----------
    group, value, count : int arrays, shape (pairs,)
        Sorted by group, then value.
    size : int array, shape (groups,)
        Rows (or persons) with a known value, by group.
    """

    group: Ints
    value: Ints
    count: Ints
    size: Ints

    @property
    def share(self) -> Floats:
        """Share of each listed value in its group."""
        return np.asarray(self.count / self.size[self.group], dtype=np.float64)

    def sums(self, weights: Floats) -> Floats:
        """Add up one number a listed pair within each group."""
        return np.asarray(np.bincount(self.group, weights, len(self.size)), np.float64)

    def largest(self, numbers: Floats) -> Floats:
        """Return the largest of one number a listed pair in each group; 0 without pairs."""
        most = np.zeros(len(self.size))
        if len(self.group):
            starts = run_starts(self.group)
            most[self.group[starts]] = np.maximum.reduceat(numbers, starts)
        return most


def count_values(
    group: NDArray[Any],
    codes: NDArray[Any],
    groups: int,
    values: int,
    persons: NDArray[Any] | None = None,
) -> Counts:
    """Count sensitive values by group.

    Parameters
    ----------
    group : int array, shape (rows,)
    codes : int array, shape (rows,)
        Sensitive value of each row, ``values`` where it is missing.
    groups, values : int
        Number of groups, number of distinct values.
    persons : int array, shape (rows,), optional
        Who each row belongs to. A person counts once for a value in a group.

    Returns
    -------
    Counts
    """
    key = group.astype(np.int64)
    key *= values + 1
    key += codes
    if persons is not None:
        people = int(persons.max(initial=0)) + 1
        key = _runs(key * people + persons)[0] // people
    cells, count = count_keys(key, groups * (values + 1))
    who, what = np.divmod(cells, values + 1)
    present = what < values
    who, what, count = who[present], what[present], count[present]
    size = np.bincount(who, count, minlength=groups).astype(np.int64)
    return Counts(who, what, count, size)


def count_keys(key: Ints, size: int) -> tuple[Ints, Ints]:
    """Return the distinct keys and their counts, by table where it is small enough."""
    if size <= 4 * len(key) + 1024:
        table = np.bincount(key, minlength=size)
        cells = np.flatnonzero(table)
        return cells, table[cells]
    return _runs(key)


def _runs(key: Ints) -> tuple[Ints, Ints]:
    key = np.sort(key)
    starts = run_starts(key)
    return key[starts], np.diff(np.r_[starts, len(key)])


def run_starts(numbers: NDArray[Any]) -> Ints:
    """Return where a run of equal neighbors begins."""
    if not len(numbers):
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])


def distinct(counts: Counts) -> Floats:
    """Return the number of distinct sensitive values of each group."""
    return np.bincount(counts.group, minlength=len(counts.size)).astype(np.float64)


def _recursive(counts: Counts, c: float) -> Floats:
    """Return the largest l for which each group is recursively (c,l)-diverse.

    With counts r1 >= r2 >= ..., that is the largest l with r1 < c (r_l + ... + r_m).
    """
    order = np.lexsort((-counts.count, counts.group))
    group, count = counts.group[order], counts.count[order]
    starts = run_starts(group)
    first = np.repeat(starts, np.diff(np.r_[starts, len(group)]))
    before = np.r_[0, np.cumsum(count)]
    tail = counts.size[group] - (before[:-1] - before[first])
    holds = count[first] < c * tail
    return np.bincount(group, holds, minlength=len(counts.size)).astype(np.float64)


def top_share(counts: Counts) -> Floats:
    """Return the share of the most frequent sensitive value of each group (alpha)."""
    return counts.largest(counts.share)


def top_values(
    counts: Counts, numbers: Floats | Ints, values: NDArray[Any]
) -> NDArray[np.object_]:
    """Return the value of the largest number in each group; None in a group without any."""
    order = np.lexsort((-numbers, counts.group))
    first = order[run_starts(counts.group[order])]
    best = np.full(len(counts.size), None, dtype=object)
    best[counts.group[first]] = values[counts.value[first]]
    return best


def diversity(counts: Counts, kind: Diversity, c: float = 3.0) -> Floats:
    """Return l of each group, of the given kind."""
    if kind == "distinct":
        return distinct(counts)
    if kind == "entropy":  # exp of it: the *effective* number of values
        p = counts.share
        effective = np.exp(-counts.sums(p * np.log(p)))
        return np.where(counts.size > 0, effective, 0.0)
    if kind == "recursive":
        return _recursive(counts, c)
    raise InputError(f"no l-diversity {kind!r}; choose distinct, entropy or recursive")


@dataclass(frozen=True)
class Sensitive:
    """A sensitive column made ready for distances between distributions.

    Attributes
    ----------
    column : Column
    share : float array, shape (values,)
        Distribution of the whole table.
    levels : list of int arrays, shape (values,)
        Node numbers by level for the tree distance; one level is the equal distance,
        no level the ordered one.
    """

    column: Column
    share: Floats
    levels: tuple[NDArray[Any], ...]


def _prepare(
    table: pd.DataFrame,
    name: str,
    distance: Distance = "auto",
    hierarchy: pd.DataFrame | None = None,
    persons: NDArray[Any] | None = None,
    counts: pd.Series[Any] | None = None,
) -> Sensitive:
    """Encode a sensitive column and choose the distance between its values."""
    if distance not in ("auto", "equal", "ordered"):
        raise InputError(f"no distance {distance!r}; choose auto, equal or ordered")
    if counts is None:
        column = _compact(encode(table, name, hierarchy))
        total = count_values(
            np.zeros(len(column.codes), np.int64), column.codes, 1, len(column.values), persons
        )
        share = np.zeros(len(column.values))
        share[total.value] = total.share
    else:
        column, share = _part_of(table[name], counts, hierarchy)
    if distance == "auto" and column.kind != "category":
        distance = "ordered"
    if distance == "ordered":
        return Sensitive(column, share, ())
    if distance == "auto" and column.nodes is not None:
        levels = tuple(pd.factorize(row)[0] for row in column.nodes)
        has_root = len(set(column.nodes[-1])) == 1
        return Sensitive(column, share, levels[:-1] if has_root else levels)
    return Sensitive(column, share, (np.arange(len(column.values)),))


def _part_of(
    part: pd.Series[Any], counts: pd.Series[Any], hierarchy: pd.DataFrame | None
) -> tuple[Column, Floats]:
    """Encode a part of a column by the values of the whole, and return the whole's shares."""
    both = pd.concat([part, counts.index.to_series().astype(part.dtype)], ignore_index=True)
    column = _compact(encode(both.to_frame(part.name), str(part.name), hierarchy))
    share = np.zeros(len(column.values))
    share[column.codes[len(part) :]] = counts / counts.sum()
    return replace(column, codes=column.codes[: len(part)]), share


def count_column(
    table: pd.DataFrame,
    name: str,
    group: NDArray[Any],
    *,
    distance: Distance = "auto",
    hierarchy: pd.DataFrame | None = None,
    persons: NDArray[Any] | None = None,
    counts: pd.Series[Any] | None = None,
) -> tuple[Counts, Sensitive]:
    """Count a sensitive column by group, and make the whole table's distribution ready.

    Parameters
    ----------
    table, name
    group : int array, shape (rows,)
        -1 for rows that are in no group (suppressed); the whole table still holds them.
    distance, hierarchy
        "auto" takes the ordered distance for numbers, dates and ordered categoricals, the
        tree distance where a hierarchy is given, and the equal distance otherwise.
    persons
        See `count_values`.
    counts : Series, optional
        Where the table is a part of a larger one: how often that one has each value.
    """
    ready, released = _prepare(table, name, distance, hierarchy, persons, counts), group >= 0
    codes, values = ready.column.codes[released], len(ready.column.values)
    people = None if persons is None else persons[released]
    groups = int(group.max(initial=-1)) + 1
    return count_values(group[released], codes, groups, values, people), ready


def _compact(column: Column) -> Column:
    """Drop values that do not occur: distances count the values of the table only."""
    occurs = np.bincount(column.codes, minlength=len(column.values) + 1)[:-1] > 0
    if occurs.all():
        return column
    rank = np.r_[np.cumsum(occurs) - 1, occurs.sum()]
    return replace(
        column,
        codes=rank[column.codes],
        values=column.values[occurs],
        place=column.place[np.r_[occurs, True]],
        labels=int(occurs.sum()),
    )


def emd(counts: Counts, sensitive: Sensitive) -> Floats:
    """Return the earth mover's distance of each group from the whole table, 0 to 1.

    Li, Li, Venkatasubramanian, "t-Closeness", ICDE 2007. The tree distance (level of
    the lowest common ancestor over the height) is the mean over the levels of the
    total variation between the distributions of their nodes.
    """
    if not sensitive.levels:
        return _emd_ordered(counts, sensitive.share)
    parts = [_variation(counts, sensitive.share, nodes) for nodes in sensitive.levels]
    return np.asarray(np.mean(parts, axis=0), dtype=np.float64)


def _variation(counts: Counts, share: Floats, nodes: NDArray[Any]) -> Floats:
    """Return half of the absolute differences, from the nodes that gained share."""
    above = np.bincount(nodes, share, minlength=1)
    width = len(above)
    key = counts.group * width + nodes[counts.value]
    cells, which = np.unique(key, return_inverse=True)
    p = np.bincount(which, counts.share, minlength=len(cells))
    gain = np.maximum(p - above[cells % width], 0.0)
    return np.asarray(np.bincount(cells // width, gain, len(counts.size)), np.float64)


def _emd_ordered(counts: Counts, share: Floats) -> Floats:
    """Return the sum of |P - Q| over cumulative distributions, divided by (values - 1).

    Between two values that a group has, its P is constant while Q climbs: the sum over
    such a run is found from running sums of Q and the place where Q passes P.
    """
    m = len(share)
    if m < 2:
        return np.zeros(len(counts.size))
    Q = np.cumsum(share)
    S = np.r_[0.0, np.cumsum(Q)]
    starts = run_starts(counts.group)
    running = np.r_[0.0, np.cumsum(counts.share)]
    sizes = np.diff(np.r_[starts, len(counts.group)])
    P = np.minimum(running[1:] - np.repeat(running[starts], sizes), 1.0)
    here = counts.value
    until = np.r_[here[1:], m]
    until[np.r_[starts[1:] - 1, len(here) - 1][: len(starts)]] = m
    cross = np.clip(np.searchsorted(Q, P), here, until)
    total = counts.sums(P * (2 * cross - here - until) - 2 * S[cross] + S[here] + S[until])
    total[counts.group[starts]] += S[here[starts]]
    return np.asarray(np.maximum(total, 0.0) / (m - 1), dtype=np.float64)
