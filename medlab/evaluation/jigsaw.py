"""A picture that was cut into blocks, put together again without the key: edges fit.

Gallagher, "Jigsaw Puzzles with Pieces of Unknown Orientation", CVPR 2012, for pieces whose
orientation is known: the best pairs join first, and trees of pieces grow until all are joined.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from medlab.arrays import Array, Floats, Ints

_RIGHT, _DOWN = (0, 1), (1, 0)
_NORM = 0.3  # of the paper
_TRIED = 8  # best partners of each edge that are looked at


class _Assembly(NamedTuple):
    """A picture put together.

    Attributes
    ----------
    picture : array, shape (rows, columns)
    places : int array, shape (blocks, 2)
        Row and column, in blocks, where each block of the sliced picture was put.
    """

    picture: Array
    places: Ints


def assemble(frame: Array, block: int) -> _Assembly:
    """Put the whole blocks of a sliced picture together by their edges alone.

    Parameters
    ----------
    frame : array, shape (rows, columns)
        Gray values; what is left beside whole blocks is not looked at.
    block : int
        Side of a block in pixels.
    """
    rows, columns = (side // block for side in frame.shape)
    whole = frame[: rows * block, : columns * block]
    blocks = whole.reshape(rows, block, columns, block).swapaxes(1, 2).reshape(-1, block, block)
    places = _filled(_joined(blocks, (rows, columns)), (rows, columns))
    picture = np.zeros((rows, columns, block, block), dtype=frame.dtype)
    picture[places[:, 0], places[:, 1]] = blocks
    return _Assembly(picture.swapaxes(1, 2).reshape(whole.shape), places)


def _misfits(blocks: Floats) -> Floats:
    """Return how badly each block fits at the right of each, shape (n, n).

    What each side would go on with is compared with what the other begins with, by a norm that
    few odd pixels do not rule: Pomeranz, Shemesh, Ben-Shahar, CVPR 2011.
    """
    there = 2 * blocks[:, :, -1] - blocks[:, :, -2]
    back = 2 * blocks[:, :, 0] - blocks[:, :, 1]
    apart = np.abs(there[:, None] - blocks[None, :, :, 0]) ** _NORM
    apart += np.abs(blocks[:, None, :, -1] - back[None]) ** _NORM
    total = apart.sum(axis=2)
    np.fill_diagonal(total, np.inf)
    return np.asarray(total)


def _pairs(blocks: Array) -> list[tuple[int, int, tuple[int, int]]]:
    """Return pairs of blocks and how the second lies to the first, the surest first.

    Sure is what fits much better than the second best partner of either edge.
    """
    data = blocks.astype(float)
    numbers, sure = [], []
    for way, turned in ((_RIGHT, data), (_DOWN, data.swapaxes(1, 2))):
        apart = _misfits(turned)
        second = np.maximum(
            np.partition(apart, 1, axis=0)[1], np.partition(apart, 1, axis=1)[:, 1:2]
        )
        best = np.argsort(apart, axis=1)[:, :_TRIED]
        first = np.repeat(np.arange(len(data)), best.shape[1])
        sure.append((apart[first, best.ravel()] + 1) / (second[first, best.ravel()] + 1))
        numbers += [
            (a, b, way) for a, b in zip(first.tolist(), best.ravel().tolist(), strict=True)
        ]
    return [numbers[i] for i in np.argsort(np.concatenate(sure), kind="stable")]


def _joined(blocks: Array, grid: tuple[int, int]) -> list[dict[int, tuple[int, int]]]:
    """Return trees of blocks with their places in each, largest first."""
    trees = {number: {number: (0, 0)} for number in range(len(blocks))}
    home = list(range(len(blocks)))
    for a, b, (down, across) in _pairs(blocks):
        first, other = trees[home[a]], trees[home[b]]
        if first is other:
            continue
        (ra, ca), (rb, cb) = first[a], other[b]
        shift = ra + down - rb, ca + across - cb
        moved = {n: (r + shift[0], c + shift[1]) for n, (r, c) in other.items()}
        if not set(moved.values()) & set(first.values()) and _fits(first | moved, grid):
            gone = home[b]
            first.update(moved)
            for number in moved:
                home[number] = home[a]
            del trees[gone]
    return sorted(trees.values(), key=len, reverse=True)


def _fits(tree: dict[int, tuple[int, int]], grid: tuple[int, int]) -> bool:
    spread = np.ptp(np.array(list(tree.values())), axis=0)
    return bool((spread < grid).all())


def _filled(trees: list[dict[int, tuple[int, int]]], grid: tuple[int, int]) -> Ints:
    """Return a place in the grid for every block: trees where they fit, then what is left."""
    places = np.full((sum(map(len, trees)), 2), -1)
    taken = np.zeros(grid, dtype=bool)
    for tree in trees:
        numbers, spots = list(tree), np.array(list(tree.values()))
        spots -= spots.min(axis=0)
        corner = next(
            (
                (row, column)
                for row in range(grid[0] - int(spots[:, 0].max()))
                for column in range(grid[1] - int(spots[:, 1].max()))
                if not taken[spots[:, 0] + row, spots[:, 1] + column].any()
            ),
            None,
        )
        # A tree that fits nowhere is taken apart.
        at = spots + corner if corner is not None else np.argwhere(~taken)[: len(numbers)]
        taken[at[:, 0], at[:, 1]] = True
        places[numbers] = at
    return places
