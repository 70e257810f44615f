"""A released table as it is seen from outside: classes of equal cells, measured by the original.

The one reading of released cells, from a DataFrame or from the text of a CSV file. Numbers are put
on the scale 0 to 1 of the original column, labels stand for sets of the original's labels; a
suppressed cell allows everything, a missing one those whose value is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from medlab.arrays import Array, Floats
from medlab.errors import InputError
from medlab.tabular import counts as tally
from medlab.tabular.column_roles import Hierarchies, label_text
from medlab.tabular.release import SUPPRESSED

_CHUNK_PEOPLE = 2048  # a multiple of 64
SAME = 1e-9
MISSING_PLACE = 3.0  # of a missing number, on the scale 0 to 1
_MISSING_LABEL = "\ue000"  # of the private use area: no label of a table
TRUTHFUL = ("generalized", "anatomized")  # kinds of release whose cells hold what was there
_PAIRINGS = 19  # at random: the true pairs are nearer than all of them but once in 20 (p = .05)
_FEWEST_PAIRED = 20  # rows; of fewer some pairing is as near by chance
# [20, 30], and as others write it: [20, 30), [20, 30[, (20, 30]
_INTERVAL = re.compile(r"([\[(\]])\s*(.+?)\s*,\s*(.+?)\s*([\])\[])")
# 20-29; 90+ and >=90; <20; 81*** for the numbers that begin so
_RANGE = re.compile(r"(\d+(?:\.\d+)?)\s*[-\u2013]\s*(\d+(?:\.\d+)?)")
_FROM = re.compile(r"(?:>=|\u2265)\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\+")
_BELOW = re.compile(r"<\s*(\d+(?:\.\d+)?)")
_MASK = re.compile(r"(\d+)(\*+)")
_MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")
_OPEN = 1e-6  # of an interval's width lies between an open end and what belongs to it
_LABEL = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,]*)\s*(?:,|$)')
Exact = dict[str, Array]


def bounds(column: pd.Series[Any]) -> tuple[Floats, Floats]:
    """Return the lower and upper ends of released numbers or dates.

    Parameters
    ----------
    column : Series
        Numbers, dates, intervals, or their text such as ``[20, 30]``; also ``[20, 30)`` and
        ``[20, 30[``, ``20-29``, ``90+``, ``>=90``, ``<20``, ``2024-03``, and ``81***`` for the
        numbers that begin so.

    Returns
    -------
    low, high : float arrays, shape (rows,)
        Equal for a single value; NaN for missing, suppressed and other cells. Dates are
        seconds since 1970. An open end lies a millionth of the width inside; one that
        is not given is infinite.
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return values, values.copy()
    codes, cells = tally.distinct_cells(column)
    ends = np.array([_ends_of(cell) for cell in cells], dtype=np.float64).reshape(-1, 2)
    return ends[codes, 0], ends[codes, 1]


def _ends_of(cell: Any) -> tuple[float, float]:
    if isinstance(cell, pd.Interval):
        ends = _number(cell.left), _number(cell.right)
        return _without_open_ends(*ends, cell.open_left, cell.open_right)
    if not isinstance(cell, str):
        return _number(cell), _number(cell)
    if match := _INTERVAL.fullmatch(cell):
        opening, first, second, closing = match.groups()
        ends = _number(first), _number(second)
        return _without_open_ends(*ends, opening != "[", closing != "]")
    if (match := _RANGE.fullmatch(cell)) and float(match[1]) <= float(match[2]):
        return float(match[1]), float(match[2])
    if match := _MASK.fullmatch(cell):
        first, second = (float(match[1] + digit * len(match[2])) for digit in "09")
        return first, second
    if _MONTH.fullmatch(cell):
        month = pd.Period(cell, "M")
        return _seconds(month.start_time), _seconds(month.end_time)
    if match := _FROM.fullmatch(cell):
        return float(match[1] or match[2]), np.inf
    if match := _BELOW.fullmatch(cell):
        return -np.inf, float(np.nextafter(float(match[1]), -np.inf))
    return _number(cell), _number(cell)


def _without_open_ends(
    low: float, high: float, open_low: bool, open_high: bool
) -> tuple[float, float]:
    inside = (high - low) * _OPEN
    return low + inside * open_low, high - inside * open_high


def _number(value: Any) -> float:
    """Return a number or date as a float; NaN for what is neither."""
    for read in (float, _seconds):
        try:
            return read(value)
        except (TypeError, ValueError):
            continue
    return np.nan


def _seconds(value: Any) -> float:
    moment = pd.Timestamp(value)
    return np.nan if pd.isna(moment) else moment.timestamp()


def _allowed(cell: Any) -> frozenset[str]:
    """Return the labels that one released cell allows.

    Raises
    ------
    InputError
        If a text in braces is no list of labels.
    """
    if isinstance(cell, frozenset | set):
        return frozenset(map(str, cell))
    if not isinstance(cell, str):
        return frozenset() if pd.isna(cell) else frozenset({str(cell)})
    if cell == "*":
        return frozenset()
    if not (cell.startswith("{") and cell.endswith("}")):
        return frozenset({cell})
    parts = [match.group(1).strip() for match in _LABEL.finditer(cell[1:-1]) if match.group(0)]
    try:
        return frozenset(json.loads(part) if part[:1] == '"' else part for part in parts)
    except json.JSONDecodeError as error:
        raise InputError("a cell in braces is not a list of labels; write {a, b}") from error


def range_text(release_table: pd.DataFrame, quasi: Sequence[str]) -> pd.DataFrame:
    """Return released cells as text, as they stand in a CSV file.

    Intervals are ``[20, 30]``, sets ``{F, M}``, dates without a time of day; missing
    cells are empty.
    """
    text = {}
    for name in quasi:
        codes, cells = tally.distinct_cells(release_table[name])
        text[name] = np.array([_cell_text(cell) for cell in cells], dtype=object)[codes]
    return pd.DataFrame(text, index=release_table.index)


def _cell_text(cell: Any) -> str:
    """Return one released cell as text."""
    if isinstance(cell, pd.Interval):
        return f"[{_cell_text(cell.left)}, {_cell_text(cell.right)}]"
    if isinstance(cell, frozenset):
        return str(cell)
    if pd.isna(cell):
        return ""
    return str(cell).removesuffix(" 00:00:00")


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
    return codes, pd.Index([*label_text(pd.Series(values)), _MISSING_LABEL])


def scales_of(
    people: pd.DataFrame,
    names: Sequence[str],
    hierarchies: Hierarchies | None = None,
    released: pd.DataFrame | None = None,
) -> list[Scale]:
    """Return how columns are measured; those with a hierarchy hold labels.

    Parameters
    ----------
    people : DataFrame
        The original table, or, where that is not known, a register.
    names : sequence of str
    hierarchies : mapping of str to DataFrame, optional
    released : DataFrame, optional
        Where there is a register only: the release then tells what its columns hold.
    """
    scales = []
    for name in names:
        if name in (hierarchies or {}):
            scales.append(_scale(label_text(people[name])))
        elif released is None:
            scales.append(_scale(people[name]))
        else:
            scales.append(_released_scale(released[name], people[name]))
    return scales


def _scale(column: pd.Series[Any]) -> Scale:
    """Return how the column of an original table is measured."""
    name, types = str(column.name), pd.api.types
    if column.dtype == object and types.infer_dtype(column, skipna=True) in ("date", "datetime"):
        column = pd.to_datetime(column, utc=True)  # of several time zones, say
    plain = types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
    if plain or types.is_datetime64_any_dtype(column.dtype):
        return _number_scale(name, *_ends(column))
    names = _names(column)[1]
    return Scale(name, False, 0.0, 1.0, names if column.hasnans else names[:-1])


def _number_scale(name: str, *ends: Array) -> Scale:
    places = np.concatenate(ends)
    places = places[np.isfinite(places)]
    low, high = (places.min(), places.max()) if places.size else (0.0, 0.0)
    return Scale(name, True, float(low), float(high - low) or 1.0, pd.Index([]))


def _released_scale(released: pd.Series[Any], people: pd.Series[Any]) -> Scale:
    """Return how a released column is measured by itself and by what is known of people.

    Where each of its cells is a number or stands for a range of numbers, the
    column holds numbers, whatever type a register has by itself.
    """
    ends = _ends(released)
    if not np.isfinite(ends[0]).any() or _is_odd(released, ends).any():
        return _scale(label_text(people).rename(str(released.name)))
    return _number_scale(str(released.name), *ends, *_ends(people))


@dataclass(frozen=True)
class Seen:
    """A release as classes of equal cells.

    Attributes
    ----------
    scales : tuple of Scale
        One a quasi-identifier.
    codes : list of int arrays, shape (classes,)
        One a quasi-identifier: a number for each cell, the same for equal cells.
    class_of : int array, shape (rows,)
    sizes : int array, shape (classes,)
    parts : tuple
        One a quasi-identifier. For numbers (low, high), float arrays of shape (classes,) on
        the scale 0 to 1, infinite where suppressed. For labels (outside, fits): 1.0 where the
        cell rules anyone out, and a sparse array (labels + 1, classes) of 1.0 for each label
        that it allows; its last row stands for labels that the original does not know.
    """

    scales: tuple[Scale, ...]
    codes: Sequence[Array]
    class_of: Array
    sizes: Array
    parts: tuple[tuple[Any, Any], ...]

    def loss(self) -> Array:
        """Return the normalized certainty penalty of each class, shape (classes, columns).

        Numbers: width of the interval / range of the original; labels: (labels - 1) / (M - 1) of
        the original's M; suppressed, or nothing that the original knows, 1; exact 0.
        """
        losses = []
        for scale, (a, b) in zip(self.scales, self.parts, strict=True):
            if scale.numeric:
                hidden = np.isinf(a)
                width = np.where(hidden, 0.0, b) - np.where(hidden, 0.0, a)
                losses.append(np.where(hidden, 1.0, np.clip(width, 0.0, 1.0)))
            else:
                labels = np.asarray(b.sum(axis=0)).ravel()
                share = np.clip((labels - 1) / max(len(scale.labels) - 1, 1), 0.0, 1.0)
                losses.append(np.where((a == 0) | (labels == 0), 1.0, share))
        return np.stack(losses, axis=1)

    def distance(self, exact: Exact) -> Array:
        """Return how far released row i is from person i, shape (rows,).

        The sum over the columns of the gap to the interval, 1 at most, and of 0 or 1 for labels.
        """
        total = np.zeros(len(self.class_of))
        for scale, (a, b) in zip(self.scales, self.parts, strict=True):
            low, values = a[self.class_of], exact[scale.name]
            if scale.numeric:
                gap = np.maximum(low - values, values - b[self.class_of])
                total += np.clip(gap, 0.0, 1.0)
            else:
                total += low - np.asarray(b[values, self.class_of]).ravel()
        return total

    def only(self, names: Sequence[str]) -> Seen:
        """Return what an attacker sees who knows some of the columns only."""
        chosen = [i for i, scale in enumerate(self.scales) if scale.name in names]
        scales = tuple(self.scales[i] for i in chosen)
        group = tally.combined([self.codes[i] for i in chosen])
        first = np.unique(group, return_index=True)[1]
        parts = tuple(_taken(self.scales[i], self.parts[i], first) for i in chosen)
        class_of = group[self.class_of]
        codes = [self.codes[i][first] for i in chosen]
        return Seen(scales, codes, class_of, np.bincount(class_of), parts)

    def described(self, classes: Array, used: Array) -> Seen:
        """Return descriptions as classes of one row each: the used cells of a class.

        Parameters
        ----------
        classes : int array, shape (descriptions,)
        used : bool array, shape (descriptions, columns)
            A cell that is not used allows everything.
        """
        parts: list[tuple[Any, Any]] = []
        for scale, part, mine in zip(self.scales, self.parts, used.T, strict=True):
            a, b = _taken(scale, part, classes)
            if scale.numeric:
                parts.append((np.where(mine, a, -np.inf), np.where(mine, b, np.inf)))
            else:
                parts.append((a * mine, b.multiply(mine).tocsr()))
        codes = [
            np.where(mine, code[classes], -1)
            for code, mine in zip(self.codes, used.T, strict=True)
        ]
        rows = np.arange(len(classes))
        return Seen(self.scales, codes, rows, np.ones_like(rows), tuple(parts))

    def fits(self, exact: Exact) -> Array:
        """Return how many people fit each class, shape (classes,).

        Who fits a cell is one bit a person; the bits of a class are the common ones.
        """
        values = [exact[scale.name] for scale in self.scales]
        columns = list(zip(self.scales, self._distinct(), values, strict=True))
        counts = np.zeros(len(self.sizes), dtype=np.int64)
        for start in range(0, len(values[0]), _CHUNK_PEOPLE):
            part = slice(start, start + _CHUNK_PEOPLE)
            common: Any = np.uint64(2**64 - 1)
            for scale, (code, a, b), places in columns:
                common = common & _bits(_inside(scale, a, b, places[part]))[code]
            counts += np.bitwise_count(common).sum(axis=1, dtype=np.int64)
        return counts

    def _distinct(self) -> Iterator[tuple[Array, Any, Any]]:
        """Yield for each column the number of each class's cell, and the cells' parts."""
        for scale, (a, b), codes in zip(self.scales, self.parts, self.codes, strict=True):
            if scale.numeric:
                ends, code = np.unique(np.stack([a, b]), axis=1, return_inverse=True)
                yield code, ends[0][:, None], ends[1][:, None]
            else:
                _, first, code = np.unique(codes, return_index=True, return_inverse=True)
                yield code, *_taken(scale, (a, b), first)


def _taken(scale: Scale, part: tuple[Any, Any], classes: Array) -> tuple[Any, Any]:
    """Return the parts of some classes."""
    a, b = part
    if not scale.numeric:
        return a[classes], b[:, classes].tocsr()
    low = a[classes]
    return low, low if a is b else b[classes]


def exact_values(people: pd.DataFrame, scales: Sequence[Scale]) -> Exact:
    """Return the exact values of people by column, for the scales that the table has."""
    return {
        scale.name: scale.place(people[scale.name]) for scale in scales if scale.name in people
    }


def see(
    released: pd.DataFrame,
    scales: Sequence[Scale],
    aligned: pd.DataFrame | None = None,
    hierarchies: Hierarchies | None = None,
) -> Seen:
    """Read a released table.

    Parameters
    ----------
    released : DataFrame
        Holds a column for each scale; cells as `medlab.tabular` writes them, or their text.
    scales : sequence of Scale
    aligned : DataFrame, optional
        The original of the same rows. A cell that can't be read as what the column holds,
        such as a node of a hierarchy that is not given, or ``thirties``, then stands for the
        values of the rows that show it.
    hierarchies : mapping of str to DataFrame, optional
        A node of a column's hierarchy stands for the labels below it.

    Raises
    ------
    InputError
        Such a cell among numbers, where there is no original of the same rows.
    """
    numbers = [tally.cell_numbers(released[scale.name]) for scale in scales]
    group = tally.combined(numbers)
    first = np.unique(group, return_index=True)[1]
    codes = [column[first] for column in numbers]
    parts = []
    for j, scale in enumerate(scales):
        column, original = released[scale.name], None if aligned is None else aligned[scale.name]
        cells = column.iloc[first].reset_index(drop=True)
        if scale.numeric:
            ends = _ends(cells)
            odd = _is_odd(cells, ends)
            if odd.any():
                cells = cells.mask(odd, cells.map(_ranges(column, original)))
                ends, codes[j] = _ends(cells), tally.cell_numbers(cells)
            parts.append(_interval(cells, ends, scale))
            continue
        behind = _behind(column, original, scale, (hierarchies or {}).get(scale.name))
        if behind:
            cells = _spelled(cells, behind)
            codes[j] = tally.cell_numbers(cells)
        parts.append(_labels(cells, scale))
    return Seen(tuple(scales), codes, group, np.bincount(group), tuple(parts))


def _ends(column: pd.Series[Any]) -> tuple[Array, Array]:
    """Return lower and upper ends; dates as seconds."""
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        return bounds(column)
    values = column.to_numpy(dtype="datetime64[us]").astype(np.float64) / 1e6
    values = np.where(column.isna().to_numpy(), np.nan, values)
    return values, values


def _interval(
    column: pd.Series[Any], ends: tuple[Array, Array], scale: Scale
) -> tuple[Array, Array]:
    low, high = ((end - scale.low) / scale.width for end in ends)
    # an end that is not given, as in 90+, is that of the original
    ends_at = np.isposinf(high) & ~np.isnan(low), np.isneginf(low) & ~np.isnan(high)
    low, high = np.where(ends_at[1], 0.0, low), np.where(ends_at[0], np.maximum(low, 1.0), high)
    hidden, missing = np.isnan(low) & column.notna().to_numpy(), column.isna().to_numpy()
    low, high = (np.where(missing, MISSING_PLACE, end) for end in (low, high))
    low, high = np.where(hidden, -np.inf, low), np.where(hidden, np.inf, high)
    return (low, low) if np.array_equal(low, high) else (low, high)


def _is_odd(column: pd.Series[Any], ends: tuple[Array, Array]) -> Array:
    """Tell which cells of a column of numbers are neither number, interval, star nor missing."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return np.zeros(len(column), dtype=bool)
    unread = np.isnan(ends[0])
    if unread.any():
        unread &= (column.notna() & (column.astype(object) != SUPPRESSED)).to_numpy(dtype=bool)
    return unread


def _ranges(released: pd.Series[Any], original: pd.Series[Any] | None) -> dict[Any, Any]:
    """Return the interval of original values behind each cell that can't be read."""
    if original is None:
        raise InputError(
            f"{released.name} holds cells that are no number; write 30, [20, 30] or *"
        )
    odd = _is_odd(released, _ends(released))
    values = pd.Series(_ends(original)[0], index=released.index)[odd]
    ends = values.groupby(released[odd]).agg(["min", "max"]).dropna()
    return {cell: pd.Interval(a, b, closed="both") for cell, a, b in ends.itertuples()}


def _behind(
    released: pd.Series[Any],
    original: pd.Series[Any] | None,
    scale: Scale,
    hierarchy: pd.DataFrame | None,
) -> dict[str, Any]:
    """Return the labels behind each released text that is no label of the original.

    A node covers those below it in the hierarchy, ``81***`` those that begin so and are as long;
    any other text stands for what the rows that show it held before.
    """
    codes, objects = tally.distinct_cells(released)
    texts = pd.Series([cell if isinstance(cell, str) else "" for cell in objects], dtype="str")
    strange = ~texts.isin([*scale.labels, SUPPRESSED, ""]) & ~texts.str.startswith("{")
    if not strange.any():
        return {}
    text = pd.Series(texts.astype(object).to_numpy()[codes], released.index)
    odd = pd.Series(strange.to_numpy()[codes], released.index)
    meanings: dict[str, Any] = {}
    for cell in texts[strange].unique():
        stem = cell.rstrip("*")
        if hierarchy is not None:
            below = hierarchy.index[(hierarchy.astype(str) == cell).any(axis=1)].astype(str)
            meanings[cell] = frozenset(below) & frozenset(scale.labels)
        if stem != cell and not meanings.get(cell):
            alike = (name for name in scale.labels if len(name) == len(cell))
            meanings[cell] = frozenset(name for name in alike if name.startswith(stem))
    rest = (odd & ~text.isin([cell for cell, some in meanings.items() if some])).to_numpy()
    if original is not None and rest.any():
        codes, names = _names(original)
        behind = names[codes].to_series(index=released.index)[rest]
        meanings |= {str(key): frozenset(some) for key, some in behind.groupby(text[rest]) if key}
    return {cell: some for cell, some in meanings.items() if some}


def _spelled(column: pd.Series[Any], behind: dict[str, Any]) -> pd.Series[Any]:
    """Return the column with nodes of hierarchies written as the labels that they cover."""
    codes, objects = tally.distinct_cells(column)
    spelled = np.empty(len(objects), dtype=object)
    spelled[:] = [behind.get(cell, cell) if isinstance(cell, str) else cell for cell in objects]
    return pd.Series(spelled[codes], index=column.index, name=column.name)


def _labels(column: pd.Series[Any], scale: Scale) -> tuple[Array, Any]:
    codes, objects = tally.distinct_cells(column)
    free = np.array([isinstance(cell, str) and cell == SUPPRESSED for cell in objects])
    allowed = [_allowed(cell) or {_MISSING_LABEL} for cell in objects]
    sizes = np.array([len(some) for some in allowed])
    flat = scale.labels.get_indexer(pd.Index([label for some in allowed for label in some]))
    owner = np.repeat(np.arange(len(objects)), sizes)
    keep = flat >= 0
    shape = (len(scale.labels) + 1, len(objects))
    ones = np.ones(int(keep.sum()))
    table = sparse.csr_array((ones, (flat[keep], owner[keep])), shape=shape)
    table = table.multiply(~free).tocsr() if free.any() else table
    return 1.0 - free[codes], table[:, codes].tocsr()


def _inside(scale: Scale, a: Array, b: Any, values: Array) -> Array:
    """Tell which cells allow which values, shape (cells, values)."""
    if scale.numeric:
        return np.asarray((a - SAME <= values) & (values <= b + SAME))
    return np.asarray((b[values].toarray().T > 0) | (a == 0)[:, None])


def _bits(inside: Array) -> Array:
    """Return bools, shape (cells, values), as bits, shape (cells, words)."""
    padded = np.zeros((len(inside), _CHUNK_PEOPLE), dtype=bool)
    padded[:, : inside.shape[1]] = inside
    return np.packbits(padded, axis=1).view(np.uint64)


def in_order(seen: Seen, exact: Exact, owners: Array, kind: str) -> bool:
    """Tell whether each released row can be made of the original row in its place.

    Raises
    ------
    InputError
        If rows were changed, and the pairs are no nearer than pairs made at random; or if persons
        have several rows, and it is not known whose each is.
    """
    distance = seen.distance(exact)
    if kind in TRUTHFUL:
        aligned = bool((distance <= SAME).all())
        if not aligned and len(np.unique(owners)) < len(owners):
            raise InputError(
                "the released rows stand in another order than the original's, so it is not known "
                "whose row each is; put them back, or leave one row a person"
            )
        return aligned
    if kind in ("microdata", "aggregate") and len(distance) >= _FEWEST_PAIRED:
        rng = np.random.default_rng(0)
        for _ in range(_PAIRINGS):
            mixed = rng.permutation(len(distance))
            other = seen.distance({name: values[mixed] for name, values in exact.items()})
            if other.mean() < distance.mean() - SAME:
                raise InputError(
                    "rows are in another order; give --key-file, or release with --keep-order"
                )
    return True
