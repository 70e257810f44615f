"""The items of a long sequence, read side by side: an array operation an element, not an item.

The frames of a volume and the contours of a plan hold the same elements again and again. What
stands here says where their values are, and nothing about them. Who asks has a slow equal
(`passthrough.sequence_items`) and goes there on None: for undefined lengths, elements out of
order, another VR in one of the items, bytes that are no element.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from struct import Struct, error
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from medlab.dicom import passthrough
from medlab.dicom.element_texts import label, vr_of
from medlab.dicom.files import MAX_DEPTH
from medlab.dicom.passthrough import LONG_CODES, VR_OF_CODE, new_item

#: From about here on arrays are faster than items, measured on frames of an Enhanced MR.
_LEAST_ITEMS = 16
_MOST_ELEMENTS = 512  # different ones in one sequence, each an array operation on all its items
_DEEPEST = 16  # levels; the deepest of the standard's own macros nest five
_SHORT = 64  # bytes; longer values are hardly ever the same in every item
_ITEM, _HALF = 0xE000FFFE, 0xFFFFFFFF
_HEAD = Struct("<II")
#: A character set or content tree changes what stands beside it; an icon has pixel data.
_CHARSET, _CONTENT, _PIXELS = 0x00080005, 0x0040A730, 0x7FE0

Places = NDArray[np.int64]


class Edit(NamedTuple):
    """What stands instead in some places of a sequence.

    Attributes
    ----------
    start, end : array of int
        From where and to where, in each place.
    values : list of bytes
        What may stand there.
    which : array of int
        Which of them, in each place.
    """

    start: Places
    end: Places
    values: list[bytes]
    which: Places


class NotAlikeError(Exception):
    """Items that have to be looked at one by one."""


@dataclass(frozen=True, eq=False)
class _Items:
    """The items of one sequence; or those of a nested one, of all items that hold it.

    Attributes
    ----------
    tag : int
        Of the sequence.
    data : bytes
        The value of the outermost sequence.
    start, end : array of int
        Where the content of each item begins and ends in `data`.
    parent, number : array of int
        The number of the item of `outer` that holds each, and its place there, from 0.
    """

    tag: int
    implicit: bool
    charset: Any
    data: bytes
    start: Places
    end: Places
    parent: Places
    number: Places
    outer: _Items | None = None

    @cached_property
    def paths(self) -> list[str]:
        """What stands before the tags of each item's elements, such as ``(3006,0039)[4].``."""
        outer = self.outer.paths if self.outer else [""]
        places = zip(self.parent.tolist(), self.number.tolist(), strict=True)
        return [f"{outer[parent]}{label(self.tag)[0]}[{number}]." for parent, number in places]

    def stands_like(self, other: _Items) -> bool:
        """Tell whether as many items stand in the same places of other bytes."""
        mine, theirs = (self.parent, self.number), (other.parent, other.number)
        return all(map(np.array_equal, mine, theirs))


@dataclass(frozen=True, eq=False)
class Column:
    """One element of many items: which of them have it, and where it stands.

    Attributes
    ----------
    place : tuple of int
        The tags of the sequences it stands in, and its own.
    written : str or None
        Its VR in the file; None for implicit VR.
    rows : array of int
        Numbers of the items that have it, ascending.
    head, start, end : array of int
        Where header and value begin, and where the value ends.
    """

    items: _Items
    place: tuple[int, ...]
    written: str | None
    rows: Places
    head: Places
    start: Places
    end: Places

    @cached_property
    def vr(self) -> str:
        """The VR, from the dictionary where the file does not say."""
        return vr_of(self.element(b""))

    @cached_property
    def cells(self) -> NDArray[np.uint8] | None:
        """The values as rows of bytes; None where one is long, or they differ in length."""
        length = int(self.end[0] - self.start[0])
        if length > _SHORT or (self.end - self.start != length).any():
            return None
        if not length:
            return np.zeros((len(self.rows), 0), np.uint8)
        rows = _windows(np.frombuffer(self.items.data, np.uint8), length)[self.start]
        return rows.view(np.uint8).reshape(-1, length)

    @cached_property
    def values(self) -> list[bytes]:
        """The value in each of the items that have it."""
        if self.cells is None or not self.cells.size:
            data, places = self.items.data, (self.start.tolist(), self.end.tolist())
            return [data[a:b] for a, b in zip(*places, strict=True)]
        return list(self.cells.view(f"V{self.cells.shape[1]}")[:, 0].tolist())

    @cached_property
    def different(self) -> list[bytes]:
        """Each different value."""
        if self.cells is not None:
            first = self.cells[0].tobytes()
            if self.cells.tobytes() == first * len(self.cells):
                return [first]
        return list(dict.fromkeys(self.values))

    @cached_property
    def which(self) -> Places:
        """Which of the different values each item has."""
        if len(self.different) == 1:
            return np.zeros(len(self.rows), np.int64)
        numbers = {value: number for number, value in enumerate(self.different)}
        return np.fromiter(map(numbers.__getitem__, self.values), np.int64, len(self.rows))

    @property
    def joined(self) -> bytes:
        """All values, with a backslash between them."""
        if self.cells is None:
            return b"\\".join(self.values)
        apart = np.full((len(self.cells), self.cells.shape[1] + 1), ord("\\"), np.uint8)
        apart[:, :-1] = self.cells
        return apart.tobytes()

    def value(self, number: int) -> bytes:
        """Return the value in one of the items that have it."""
        return self.items.data[self.start[number] : self.end[number]]

    def element(self, value: bytes) -> Any:
        """Return a value as an undecoded element."""
        tag, implicit = BaseTag(self.place[-1]), self.items.implicit
        return RawDataElement(tag, self.written, len(value), value, 0, implicit, True)

    def alone(self, value: bytes) -> tuple[Dataset, Any]:
        """Return an item that holds nothing but a value, and the element."""
        element = self.element(value)
        return new_item({element.tag: element}, self.items.implicit, self.items.charset), element


_latest: list[tuple[Any, int, Any, list[Column] | None]] = []


def table(dataset: Dataset, element: Any, depth: int) -> list[Column] | None:
    """Return the elements of a long sequence of a data set, of every level of its items.

    A nested sequence is followed by what stands in it. None if the items are few, or not alike,
    or so deep (`depth` levels above the sequence) that one has to count.
    """
    data, charset = element.value, dataset.original_character_set
    if depth + _DEEPEST > MAX_DEPTH:
        return None
    if not isinstance(data, bytes) or len(data) < 8 * _LEAST_ITEMS or element.VR == "UN":
        return None
    if not element.is_little_endian or int(element.tag) == _CONTENT:
        return None
    for source, *where, read in _latest:  # identity, removal and verification ask in turns
        if source is element and where == [depth, charset]:
            return read
    read = _table(element, charset)
    if passthrough.is_on():
        _latest[:] = [*_latest[-1:], (element, depth, charset, read)]
    return read


def _table(element: Any, charset: Any) -> list[Column] | None:
    data = element.value
    try:
        places = _split(data, np.array([0]), np.array([len(data)]))
        if len(places[0]) < _LEAST_ITEMS:
            return None
        about = int(element.tag), bool(element.is_implicit_VR), charset
        start, end, parent, number = places
        items = _Items(*about, data, start, end, parent, number)
        return _columns(items, (items.tag,)) or None
    except (NotAlikeError, error):
        return None


def edited(columns: list[Column], edits: list[tuple[Column, Edit]]) -> bytes:
    """Return the bytes of a sequence with others in place of some, and the lengths around them."""
    data = columns[0].items.data
    patched = np.frombuffer(data, np.uint8).copy()
    rest = [
        remainder for _, edit in edits if (remainder := _written_over(patched, edit)).start.size
    ]
    if not rest:
        return patched.tobytes()
    start, end = (np.concatenate([edit[side] for edit in rest]) for side in (0, 1))
    new = [edit.values[number] for edit in rest for number in edit.which.tolist()]
    order = np.argsort(start, kind="stable")
    start, end, new = start[order], end[order], [new[number] for number in order.tolist()]
    grown = np.cumsum([0, *map(len, new)])
    grown[1:] -= np.cumsum(end - start)
    for part in _around(columns, [column for column, _ in edits]):
        more = grown[np.searchsorted(start, part.end)] - grown[np.searchsorted(start, part.start)]
        rows = np.flatnonzero(more)
        lengths = (part.end - part.start + more)[rows].astype("<u4")
        _windows(patched, 4)[part.start[rows] - 4] = lengths.view("V4")
    whole = patched.tobytes()
    parts = [b""] * (2 * len(new) + 1)
    places = zip([0, *end.tolist()], [*start.tolist(), len(whole)], strict=True)
    parts[::2] = [whole[a:b] for a, b in places]
    parts[1::2] = new
    return b"".join(parts)


def _windows(data: NDArray[np.uint8], length: int) -> NDArray[Any]:
    """Return the bytes from every place on, each as one value without type."""
    return np.ndarray((len(data) - length + 1,), f"V{length}", data, 0, (1,))


def _written_over(patched: NDArray[np.uint8], edit: Edit) -> Edit:
    """Write what is as long as what stood there; return the places where something is not."""
    lengths = np.array([*map(len, edit.values)])
    same = lengths[edit.which] == edit.end - edit.start
    for length in filter(None, np.unique(lengths[edit.which[same]]).tolist()):
        rows = same & (lengths[edit.which] == length)
        values = b"".join(value.ljust(length)[:length] for value in edit.values)
        cells = np.frombuffer(values, f"V{length}")
        _windows(patched, length)[edit.start[rows]] = cells[edit.which[rows]]
    return Edit(edit.start[~same], edit.end[~same], edit.values, edit.which[~same])


def _around(columns: list[Column], changed: list[Column]) -> list[_Items | Column]:
    """Return the items and sequences that some columns stand in, but for the outermost."""
    places = {column.place[:end] for column in changed for end in range(1, len(column.place))}
    inside = [column for column in columns if column.place[:-1] in places]
    sequences = [column for column in columns if column.place in places]
    return [*{column.items: None for column in inside}, *sequences]


def _need(condition: NDArray[np.bool_]) -> None:
    """Go on only where a condition holds everywhere."""
    if not condition.all():
        raise NotAlikeError


def _words(data: bytes) -> Places:
    """Return the eight bytes at every place as one number, of which the highest bit is a sign."""
    return np.ndarray((max(len(data) - 7, 0),), "<i8", data, 0, (1,))


def _split(data: bytes, start: Places, end: Places) -> tuple[Places, ...]:
    """Return start and end of every item of sequences, its sequence, and its place there."""
    if (end - start >= _HEAD.size).all():
        heads = _words(data)[start]
        alone = (heads & _HALF == _ITEM) & (start + _HEAD.size + (heads >> 32 & _HALF) == end)
        if alone.all():  # one item each, as in most sequences of a frame
            return start + _HEAD.size, end, np.arange(len(start)), np.zeros(len(start), np.int64)
    starts: list[int] = []
    ends: list[int] = []
    counts: list[int] = []
    for at, stop in zip(start.tolist(), end.tolist(), strict=True):
        before = len(starts)
        while at < stop:
            mark, length = _HEAD.unpack_from(data, at)
            if mark != _ITEM:
                raise NotAlikeError
            starts.append(at := at + _HEAD.size)
            ends.append(at := at + length)
        if at != stop:
            raise NotAlikeError
        counts.append(len(starts) - before)
    parent = np.repeat(np.arange(len(start)), counts)
    number = np.arange(len(starts)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.array(starts, np.int64), np.array(ends, np.int64), parent, number


def _columns(items: _Items, place: tuple[int, ...]) -> list[Column]:
    """Go through all items at once, one element at a time, in the order of tags."""
    columns: list[Column] = []
    words, at, previous = _words(items.data), items.start, 0
    every = np.arange(len(at))
    while (inside := at < items.end).any():
        rows = every if inside.all() else np.flatnonzero(inside)
        head = at[rows]
        _need(items.end[rows] - head >= _HEAD.size)
        heads = words[head]
        low = heads & _HALF
        if (low != low[0]).any():  # of those that come next the lowest tag
            tags = (heads & 0xFFFF) << 16 | heads >> 16 & 0xFFFF
            chosen = tags == tags.min()
            rows, head, heads = rows[chosen], head[chosen], heads[chosen]
        tag = int(heads[0]) << 16 & 0xFFFF0000 | int(heads[0]) >> 16 & 0xFFFF
        if not (tag > previous and len(columns) < _MOST_ELEMENTS and len(place) < _DEEPEST):
            raise NotAlikeError
        column = _column(items, (*place, tag), rows, head, heads)
        at, previous = at if rows is not every else column.end, tag
        if rows is not every:
            at = at.copy()
            at[rows] = column.end
        columns.append(column)
        if column.vr == "SQ":
            if column.written == "UN":
                raise NotAlikeError
            start, end, parent, number = _split(items.data, column.start, column.end)
            about = tag, items.implicit, items.charset, items.data
            within = _Items(*about, start, end, rows[parent], number, items)
            columns += _columns(within, column.place)
    return columns


def _column(
    items: _Items, place: tuple[int, ...], rows: Places, head: Places, heads: Places
) -> Column:
    """Read VR and length of one element in some items."""
    tag, vr, start = place[-1], None, head + 8
    # PS3.5 7.2: group lengths are retired, and nobody writes them any more
    odd = tag >> 16 in (0, 2, _PIXELS) or tag in (_CHARSET, _CONTENT) or not tag & 0xFFFF
    if items.implicit:
        length = heads >> 32 & _HALF
    else:
        code = int(heads[0]) >> 32 & 0xFFFF
        letters = code.to_bytes(2, "little")
        vr = VR_OF_CODE.get(letters)
        odd = odd or vr is None
        if letters in LONG_CODES:
            _need(
                heads >> 32 == code
            )  # with the two reserved bytes: something may be hidden there
            _need(items.end[rows] - head >= 12)
            start, length = head + 12, _words(items.data)[head + 4] >> 32 & _HALF
        else:
            _need(heads >> 32 & 0xFFFF == code)
            length = heads >> 48 & 0xFFFF
    end = start + length
    if odd:
        raise NotAlikeError
    _need(end <= items.end[rows])
    return Column(items, place, vr, rows, head, start, end)
