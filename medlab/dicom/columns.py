"""The items of a long sequence, read side by side: an array operation an element, not an item.

The frames of a volume and the contours of a plan hold the same elements again and again. What
stands here says where their values are, and nothing about them. Who asks has a slow equal
(`passthrough.sequence_items`) and goes there on None: for undefined lengths, elements out of
order, another VR in one of the items, bytes that are no element.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from struct import Struct, error
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from medlab.dicom import element_cache
from medlab.dicom.element_texts import label, vr_of
from medlab.dicom.files import MAX_DEPTH
from medlab.dicom.passthrough import LONG_CODES, VR_OF_CODE, new_item

#: From about here on arrays are faster than items, measured on frames of an Enhanced MR.
_LEAST_ITEMS = 16
_MOST_ELEMENTS = 512  # different ones in one sequence, each an array operation on all its items
_DEEPEST = 16  # levels; the deepest of the standard's own macros nest five
_SHORT = 64  # bytes; longer values are hardly ever the same in every item
_ITEM, _HALF = 0xE000FFFE, 0xFFFFFFFF
_HEAD, _LENGTH = Struct("<II"), Struct("<I")
#: A character set or content tree changes what stands beside it; an icon has pixel data.
_CHARSET, _CONTENT, _PIXELS = 0x00080005, 0x0040A730, 0x7FE0

Places = NDArray[np.int64]
#: From where, to where, and what stands there instead.
Edit = tuple[int, int, bytes]


class NotAlikeError(Exception):
    """Items that have to be looked at one by one."""


@dataclass(frozen=True, eq=False)
class Items:
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
    outer: Items | None = None

    @cached_property
    def paths(self) -> list[str]:
        """What stands before the tags of each item's elements, such as ``(3006,0039)[4].``."""
        outer = self.outer.paths if self.outer else [""]
        places = zip(self.parent.tolist(), self.number.tolist(), strict=True)
        return [f"{outer[parent]}{label(self.tag)[0]}[{number}]." for parent, number in places]

    def stands_like(self, other: Items) -> bool:
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

    items: Items
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
    def values(self) -> list[bytes]:
        """The value in each of the items that have it."""
        data, length = self.items.data, int(self.end[0] - self.start[0])
        if length <= _SHORT and (self.end - self.start == length).all():
            window = np.ndarray((len(data) - length + 1, length), np.uint8, data, 0, (1, 1))
            rows = window[self.start]
            if (rows == rows[0]).all():
                return [rows[0].tobytes()] * len(rows)
            return list(rows.view(f"V{length}")[:, 0].tolist())
        return [data[a:b] for a, b in zip(self.start.tolist(), self.end.tolist(), strict=True)]

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
    for known, *where, found in _latest:  # identity, removal and verification ask in turns
        if known is element and where == [depth, charset]:
            return found
    found = _table(element, charset)
    if element_cache.is_on():
        _latest[:] = [*_latest[-1:], (element, depth, charset, found)]
    return found


def _table(element: Any, charset: Any) -> list[Column] | None:
    data = element.value
    try:
        places = _split(data, np.array([0]), np.array([len(data)]))
        if len(places[0]) < _LEAST_ITEMS:
            return None
        about = int(element.tag), bool(element.is_implicit_VR), charset
        start, end, parent, number = places
        items = Items(*about, data, start, end, parent, number)
        return _columns(items, (items.tag,)) or None
    except (NotAlikeError, error):
        return None


def edited(columns: list[Column], edits: list[Edit]) -> bytes:
    """Return the bytes of a sequence with others in place of some, and the lengths around them."""
    data, edits = columns[0].items.data, sorted(edits, key=itemgetter(0))
    places = np.array([edit[0] for edit in edits], np.int64)
    grown = np.cumsum([0, *[len(new) - (end - start) for start, end, new in edits]])
    patched = np.frombuffer(data, np.uint8).copy()
    around: list[Items | Column] = [*{column.items for column in columns}]
    for one in [*around, *(column for column in columns if column.vr == "SQ")]:
        more = grown[np.searchsorted(places, one.end)] - grown[np.searchsorted(places, one.start)]
        rows = np.flatnonzero(more)
        lengths = (one.end - one.start + more)[rows].astype("<u4")
        patched[(one.start[rows] - 4)[:, None] + range(4)] = lengths.view(np.uint8).reshape(-1, 4)
    whole, at = memoryview(patched), 0
    parts: list[bytes | memoryview] = []
    for start, end, new in edits:
        parts += (whole[at:start], new)
        at = end
    return b"".join([*parts, whole[at:]])


def _need(condition: Any) -> None:
    """Go on only where a condition holds everywhere."""
    if not np.all(condition):
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
    found: list[int] = []
    for parent, (at, stop) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        number = 0
        while at < stop:
            mark, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size + length
            if mark != _ITEM or at > stop:
                raise NotAlikeError
            found += (at - length, at, parent, number)
            number += 1
    return tuple(np.array(found, np.int64).reshape(-1, 4).T)


def _columns(items: Items, place: tuple[int, ...]) -> list[Column]:
    """Go through all items at once, one element at a time, in the order of tags."""
    columns: list[Column] = []
    words, at, previous = _words(items.data), items.start.copy(), 0
    while (rows := np.flatnonzero(at < items.end)).size:
        _need(items.end[rows] - at[rows] >= 8)
        heads = words[at[rows]]
        tags = (heads & 0xFFFF) << 16 | heads >> 16 & 0xFFFF
        tag = int(tags.min())
        _need(tag > previous and len(columns) < _MOST_ELEMENTS and len(place) < _DEEPEST)
        if (chosen := tags != tag).any():
            rows, heads = rows[~chosen], heads[~chosen]
        column = _column(items, (*place, tag), rows, at[rows], heads)
        at[rows], previous = column.end, tag
        columns.append(column)
        if column.vr == "SQ":
            _need(column.written != "UN")
            start, end, parent, number = _split(items.data, column.start, column.end)
            about = tag, items.implicit, items.charset, items.data
            inside = Items(*about, start, end, rows[parent], number, items)
            columns += _columns(inside, column.place)
    return columns


def _column(
    items: Items, place: tuple[int, ...], rows: Places, head: Places, heads: Places
) -> Column:
    """Read VR and length of one element in some items."""
    tag, vr, start, length = place[-1], None, head + 8, heads >> 32 & _HALF
    # PS3.5 7.2: group lengths are retired, and nobody writes them any more
    _need(tag & 0xFFFF and tag >> 16 not in (0, 2, _PIXELS) and tag not in (_CHARSET, _CONTENT))
    if not items.implicit:
        code = int(length[0]) & 0xFFFF
        letters = code.to_bytes(2, "little")
        vr, length = VR_OF_CODE.get(letters), length >> 16
        _need(vr and heads >> 32 & 0xFFFF == code)
        if letters in LONG_CODES:
            _need(length == 0)  # the two reserved bytes: something may be hidden there
            _need(items.end[rows] - head >= 12)
            start, length = head + 12, _words(items.data)[head + 4] >> 32 & _HALF
    _need(start + length <= items.end[rows])
    return Column(items, place, vr, rows, head, start, start + length)
