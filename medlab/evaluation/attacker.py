"""What an attacker sees of a release, and the rows nearest to someone he knows.

The released rows are looked at as classes of equal cells. The distance of a person to a
class is the sum over the quasi-identifiers of the gap to the released interval, divided by
the range of the original column (0 inside, 1 at most), and of 0 or 1 for a label inside or
outside the released set. A suppressed cell is at distance 0 from everybody, a missing one
from those whose value is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from medlab.errors import InputError
from medlab.tabular import cells, models
from medlab.tabular.release import SUPPRESSED

_CHUNK_CELLS = 200_000  # of float64: a chunk of distances stays within the processor's cache
_CHUNK_PEOPLE = 2048  # a multiple of 64
_SAME = 1e-9
MISSING_PLACE = 3.0  # of a missing number, on the scale 0 to 1
_MISSING_LABEL = "\ue000"  # of the private use area: no label of a table
Array = NDArray[Any]
Exact = dict[str, Array]


class Scale(NamedTuple):
    """How a column of the original is measured: a range for numbers, labels otherwise."""

    name: str
    numeric: bool
    low: float
    width: float
    labels: pd.Index

    def place(self, column: pd.Series[Any]) -> Array:
        """Return exact values: numbers on the scale 0 to 1, labels by number, others -1."""
        if self.numeric:
            values = _ends(column)[0]
            return np.where(np.isnan(values), MISSING_PLACE, (values - self.low) / self.width)
        codes, names = _names(column)
        return np.asarray(self.labels.get_indexer(names)[codes])


def _names(column: pd.Series[Any]) -> tuple[Array, pd.Index]:
    """Return the number of each cell's label, and the labels; the last is the missing one."""
    codes, values = pd.factorize(column)
    return codes, pd.Index([*map(str, values), _MISSING_LABEL])


def scale(column: pd.Series[Any]) -> Scale:
    """Return how the column of an original table is measured."""
    name, types = str(column.name), pd.api.types
    plain = types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
    if not plain and not types.is_datetime64_any_dtype(column.dtype):
        names = _names(column)[1]
        return Scale(name, False, 0.0, 1.0, names if column.hasnans else names[:-1])
    values = _ends(column)[0]
    known = values[~np.isnan(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
    return Scale(name, True, float(low), float(high - low) or 1.0, pd.Index([]))


@dataclass(frozen=True)
class Seen:
    """A release as classes of equal cells.

    Attributes
    ----------
    scales : tuple of Scale
        One a quasi-identifier.
    cells : DataFrame, one row a class
    class_of : int array, shape (rows,)
    sizes : int array, shape (classes,)
    parts : tuple
        One a quasi-identifier. For numbers (low, high), float arrays of shape (classes,) on
        the scale 0 to 1, infinite where suppressed. For labels (outside, fits): 1.0 where the
        cell rules anyone out, and a sparse array (labels + 1, classes) of 1.0 for each label
        that it allows; its last row stands for labels that the original does not know.
    """

    scales: tuple[Scale, ...]
    cells: pd.DataFrame
    class_of: Array
    sizes: Array
    parts: tuple[tuple[Any, Any], ...]

    def only(self, names: Sequence[str]) -> Seen:
        """Return what an attacker sees who knows some of the columns only."""
        chosen = [i for i, one in enumerate(self.scales) if one.name in names]
        scales = tuple(self.scales[i] for i in chosen)
        group = models.class_numbers(self.cells, [one.name for one in scales])
        first = np.unique(group, return_index=True)[1]
        classes = self.cells.iloc[first].reset_index(drop=True)
        parts = tuple(_taken(self.scales[i], self.parts[i], first) for i in chosen)
        class_of = group[self.class_of]
        return Seen(scales, classes, class_of, np.bincount(class_of), parts)

    def fits(self, exact: Exact) -> Array:
        """Return how many people fit each class, shape (classes,).

        Who fits a cell is one bit a person; the bits of a class are the common ones.
        """
        values = [exact[one.name] for one in self.scales]
        columns = list(zip(self.scales, self._distinct(), values, strict=True))
        found = np.zeros(len(self.sizes), dtype=np.int64)
        for start in range(0, len(values[0]), _CHUNK_PEOPLE):
            part = slice(start, start + _CHUNK_PEOPLE)
            common: Any = np.uint64(2**64 - 1)
            for one, (code, a, b), places in columns:
                common = common & _bits(_inside(one, a, b, places[part]))[code]
            found += np.bitwise_count(common).sum(axis=1, dtype=np.int64)
        return found

    def _distinct(self) -> Iterator[tuple[Array, Any, Any]]:
        """Yield for each column the number of each class's cell, and the cells' parts."""
        for one, (a, b) in zip(self.scales, self.parts, strict=True):
            if one.numeric:
                ends, code = np.unique(np.stack([a, b]), axis=1, return_inverse=True)
                yield code, ends[0][:, None], ends[1][:, None]
            else:
                code = cells.distinct(self.cells[one.name])[0]
                first = np.unique(code, return_index=True)[1]
                yield code, *_taken(one, (a, b), first)


def _taken(one: Scale, part: tuple[Any, Any], classes: Array) -> tuple[Any, Any]:
    """Return the parts of some classes."""
    a, b = part
    if not one.numeric:
        return a[classes], b[:, classes].tocsr()
    low = a[classes]
    return low, low if a is b else b[classes]


def exact_values(people: pd.DataFrame, scales: Sequence[Scale]) -> Exact:
    """Return the exact values of people by column, for the scales that the table has."""
    return {one.name: one.place(people[one.name]) for one in scales if one.name in people}


def see(
    released: pd.DataFrame, scales: Sequence[Scale], aligned: pd.DataFrame | None = None
) -> Seen:
    """Read a released table.

    Parameters
    ----------
    released : DataFrame
        Holds a column for each scale; cells as `medlab.tabular` writes them, or their text.
    scales : sequence of Scale
    aligned : DataFrame, optional
        The original of the same rows. A cell that can't be read as what the column holds,
        such as a node of a hierarchy, ``010**`` or ``thirties``, then stands for the values
        of the rows that show it.

    Raises
    ------
    InputError
        Such a cell among numbers, where there is no original of the same rows.
    """
    names = [one.name for one in scales]
    group = models.class_numbers(released, names)
    first = np.unique(group, return_index=True)[1]
    classes = released[names].iloc[first].reset_index(drop=True)
    parts = []
    for one in scales:
        if one.numeric:
            odd = _is_odd(classes[one.name])
            if odd.any():
                behind = _ranges(
                    released[one.name], None if aligned is None else aligned[one.name]
                )
                classes[one.name] = classes[one.name].mask(odd, classes[one.name].map(behind))
            parts.append(_interval(classes[one.name], one))
            continue
        known = None if aligned is None else _known(released[one.name], aligned[one.name], one)
        classes[one.name] = _spelled(classes[one.name], one, known)
        parts.append(_labels(classes[one.name], one))
    return Seen(tuple(scales), classes, group, np.bincount(group), tuple(parts))


def _ends(column: pd.Series[Any]) -> tuple[Array, Array]:
    """Return lower and upper ends; dates as nanoseconds."""
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        return cells.bounds(column)
    values = column.to_numpy(dtype="datetime64[ns]").astype(np.float64)
    values = np.where(column.isna().to_numpy(), np.nan, values)
    return values, values


def _interval(column: pd.Series[Any], one: Scale) -> tuple[Array, Array]:
    low, high = ((end - one.low) / one.width for end in _ends(column))
    hidden, missing = np.isnan(low) & column.notna().to_numpy(), column.isna().to_numpy()
    low, high = (np.where(missing, MISSING_PLACE, end) for end in (low, high))
    low, high = np.where(hidden, -np.inf, low), np.where(hidden, np.inf, high)
    return (low, low) if np.array_equal(low, high) else (low, high)


def _is_odd(column: pd.Series[Any]) -> Array:
    """Tell which cells of a column of numbers are neither number, interval, star nor missing."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return np.zeros(len(column), dtype=bool)
    unread = np.isnan(_ends(column)[0]) & column.notna().to_numpy()
    return unread & (column.astype(object) != SUPPRESSED).to_numpy(dtype=bool)


def _ranges(released: pd.Series[Any], original: pd.Series[Any] | None) -> dict[Any, Any]:
    """Return the interval of original values behind each cell that can't be read."""
    if original is None:
        raise InputError(
            f"{released.name} holds cells that are no number; write 30, [20, 30] or *"
        )
    odd = _is_odd(released)
    values = pd.Series(_ends(original)[0], index=released.index)[odd]
    ends = values.groupby(released[odd]).agg(["min", "max"]).dropna()
    return {cell: pd.Interval(a, b, closed="both") for cell, a, b in ends.itertuples()}


def _known(released: pd.Series[Any], original: pd.Series[Any], one: Scale) -> dict[str, Any]:
    """Return the labels behind each released text that is no label of the original."""
    text = released.astype(object).map(lambda cell: cell if isinstance(cell, str) else "")
    odd = ~text.isin([*one.labels, SUPPRESSED, ""]) & ~text.str.startswith("{")
    codes, names = _names(original)
    behind = names[codes].to_series(index=released.index)[odd.to_numpy()]
    return {str(key): frozenset(some) for key, some in behind.groupby(text[odd]) if key}


def _spelled(column: pd.Series[Any], one: Scale, known: dict[str, Any] | None) -> pd.Series[Any]:
    """Return the column with nodes of hierarchies written as the labels that they cover."""
    if not known:
        return column
    codes, objects = cells.distinct(column)
    spelled = np.empty(len(objects), dtype=object)
    spelled[:] = [known.get(cell, cell) if isinstance(cell, str) else cell for cell in objects]
    return pd.Series(spelled[codes], index=column.index, name=one.name)


def _labels(column: pd.Series[Any], one: Scale) -> tuple[Array, Any]:
    codes, objects = cells.distinct(column)
    free = np.array([isinstance(cell, str) and cell == SUPPRESSED for cell in objects])
    allowed = [cells.labels(cell) or {_MISSING_LABEL} for cell in objects]
    sizes = np.array([len(some) for some in allowed])
    flat = one.labels.get_indexer(pd.Index([label for some in allowed for label in some]))
    owner = np.repeat(np.arange(len(objects)), sizes)
    keep = flat >= 0
    shape = (len(one.labels) + 1, len(objects))
    ones = np.ones(int(keep.sum()))
    table = sparse.csr_array((ones, (flat[keep], owner[keep])), shape=shape)
    table = table.multiply(~free).tocsr() if free.any() else table
    return 1.0 - free[codes], table[:, codes].tocsr()


def _inside(one: Scale, a: Array, b: Any, values: Array) -> Array:
    """Tell which cells allow which values, shape (cells, values)."""
    if one.numeric:
        return np.asarray((a - _SAME <= values) & (values <= b + _SAME))
    return np.asarray((b[values].toarray().T > 0) | (a == 0)[:, None])


def _bits(inside: Array) -> Array:
    """Return bools, shape (cells, values), as bits, shape (cells, words)."""
    padded = np.zeros((len(inside), _CHUNK_PEOPLE), dtype=bool)
    padded[:, : inside.shape[1]] = inside
    return np.packbits(padded, axis=1).view(np.uint64)


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
        yield Near(part, distance, total <= distance[:, None] + _SAME)


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
