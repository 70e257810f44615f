"""The rows of a release that are nearest to someone the attacker knows.

The distance of a person to a class is the sum over the quasi-identifiers of the gap to the
released interval, divided by the range of the original column (0 inside, 1 at most), and of 0 or
1 for a label inside or outside the released set. A suppressed cell is at distance 0 from
everybody, a missing one from those whose value is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from medlab.arrays import Array
from medlab.tabular.released_cells import SAME, Exact, Seen

_CHUNK_CELLS = 200_000  # of float64: a chunk of distances stays within the processor's cache


class Near(NamedTuple):
    """Some targets and the classes nearest to them.

    Attributes
    ----------
    targets : slice
    distance : float array, shape (targets,)
    mask : bool array, shape (targets, classes)
        Which classes are at that distance.
    """

    targets: slice
    distance: Array
    mask: Array


def chunk_rows(classes: int) -> int:
    """Return how many targets are compared with so many classes at a time."""
    return max(1, _CHUNK_CELLS // classes)


def nearest(seen: Seen, exact: Exact, step: int | None = None) -> Iterator[Near]:
    """Yield the nearest classes of all targets, some targets at a time.

    Parameters
    ----------
    seen : Seen
    exact : dict of arrays, shape (targets,)
        From `exact_values`.
    step : int, optional
        How many targets at a time.
    """
    places = [exact[one.name] for one in seen.scales]
    count, classes = len(places[0]), len(seen.sizes)
    step = step or chunk_rows(classes)
    room = np.empty((2, step, classes))
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        total, gap = (space[: part.stop - start] for space in room)
        total[:] = 0.0
        for one, (a, b), values in zip(seen.scales, seen.parts, places, strict=True):
            if one.numeric:
                _add_gaps(total, gap, a, b, values[part, None])
            else:
                total += a
                total -= b[values[part]].toarray()  # a label that nobody has is row -1
        distance = total.min(axis=1)
        yield Near(part, distance, total <= distance[:, None] + SAME)


def _add_gaps(total: Array, gap: Array, low: Array, high: Array, values: Array) -> None:
    """Add how far `values` lie outside of [low, high], at most 1 a column."""
    np.subtract(low, values, out=gap)
    if low is not high:
        np.maximum(gap, values - high, out=gap)
        np.maximum(gap, 0.0, out=gap)
    else:
        np.abs(gap, out=gap)
    np.minimum(gap, 1.0, out=gap)
    total += gap
