"""Parts of a table that are split together: stretches of rows sorted by every column."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medlab.arrays import Array
from medlab.tabular.column_roles import Column
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
    one = np.array([codes.shape[1]])
    return Batch(rows, codes, marks, orders, np.zeros_like(one), one, np.zeros_like(one), 0)


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
