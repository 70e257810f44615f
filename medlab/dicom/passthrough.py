"""The fast way in and out for plain files: bytes that nobody touches are not decoded.

Everything here has a slow equal in pydicom; `files.parse` and `files.to_bytes` try this
first and fall back where it says None. Taking the module out costs speed, nothing else.

Plain means: little endian, not deflated, no sequence of undefined length at the top level.
"""

from __future__ import annotations

from struct import Struct, error
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from medlab.errors import InputError

_UNDEFINED = 0xFFFFFFFF
VR_OF_CODE = {vr.encode(): vr.value for vr in VR if len(vr) == 2}
LONG_CODES = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_32)
_EXPLICIT, _IMPLICIT, _LENGTH = Struct("<HH2sH"), Struct("<HHI"), Struct("<I")
_HEAD_BYTES = 8
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_END_OF_ITEM = b"\xfe\xff\x0d\xe0"
_PIXEL_DATA, _SYNTAX, _CHARSET = 0x7FE00010, BaseTag(0x00020010), BaseTag(0x00080005)
_BLANK = dict(vars(Dataset()))
_IMPLICIT_LITTLE = "1.2.840.10008.1.2"
_NOT_PLAIN = frozenset({"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"})
_tags: dict[int, BaseTag] = {}


class _NotPlainError(Exception):
    """Something that pydicom has to look at."""


def _tag(number: int) -> BaseTag:
    """Return a tag object, one for every number."""
    tag = _tags.get(number)
    if tag is None:
        tag = _tags[number] = BaseTag(number)
    return tag


def parse(data: bytes) -> FileDataset | None:
    """Read a plain DICOM file; None where pydicom has to.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    FileDataset or None
        With the same undecoded elements that pydicom would give.
    """
    if data[128:132] != b"DICM":
        return None
    try:
        meta, start = _explicit(data, 132, len(data), only_meta=True)
        syntax = str(meta[_SYNTAX].value.decode("ascii").rstrip("\0 "))
        if not syntax.startswith("1.2.840.10008.1.2") or syntax in _NOT_PLAIN:
            return None
        implicit = syntax == _IMPLICIT_LITTLE
        read = _implicit if implicit else _explicit
        found, _ = read(data, start, len(data))
    except (_NotPlainError, error, KeyError, UnicodeDecodeError):
        return None
    return _as_dataset(data, meta, found, implicit)


def _as_dataset(
    data: bytes, meta: dict[BaseTag, Any], found: dict[BaseTag, Any], implicit: bool
) -> FileDataset:
    file_meta = FileMetaDataset()
    file_meta._dict = meta
    file_meta.set_original_encoding(False, True)
    dataset = FileDataset("", {}, data[:128], file_meta, implicit, True)
    dataset._dict = found
    dataset.set_original_encoding(implicit, True, dataset._character_set)
    return dataset


def _explicit(
    data: bytes, at: int, end: int, *, only_meta: bool = False
) -> tuple[dict[BaseTag, Any], int]:
    """Return the elements of explicit VR little endian bytes, and where they end."""
    found: dict[BaseTag, Any] = {}
    unpack, make = _EXPLICIT.unpack_from, tuple.__new__
    while at < end:
        if end - at < _HEAD_BYTES:
            _check_whole(data, at)
        group, element, code, length = unpack(data, at)
        if only_meta and group != 2:
            break
        vr = VR_OF_CODE.get(code)
        if vr is None:
            raise _NotPlainError
        start = at + 8
        if code in LONG_CODES:
            (length,) = _LENGTH.unpack_from(data, start)
            start += 4
        tag = _tag(group << 16 | element)
        at = start + length
        if length == _UNDEFINED:
            value, at = _fragments(data, tag, start)
        else:
            value = data[start:at]
        if at > end:
            raise _NotPlainError
        found[tag] = make(
            RawDataElement, (tag, vr, length, value, start, False, True, True, False)
        )
    return found, at


def _implicit(data: bytes, at: int, end: int) -> tuple[dict[BaseTag, Any], int]:
    """Return the elements of implicit VR little endian bytes, and where they end."""
    found: dict[BaseTag, Any] = {}
    unpack, make = _IMPLICIT.unpack_from, tuple.__new__
    while at < end:
        if end - at < _HEAD_BYTES:
            _check_whole(data, at)
        group, element, length = unpack(data, at)
        start = at + 8
        at = start + length
        if length == _UNDEFINED or at > end:
            raise _NotPlainError
        tag = _tag(group << 16 | element)
        value = data[start:at]
        found[tag] = make(
            RawDataElement, (tag, None, length, value, start, True, True, True, False)
        )
    return found, at


def sequence_items(dataset: Dataset, element: Any) -> list[Dataset]:
    """Return the items of a sequence; their elements undecoded where that is plain."""
    data, at, items = element.value, 0, []
    if not getattr(element, "is_raw", False) or element.VR == "UN" or not element.is_little_endian:
        return list(dataset[element.tag].value or ())
    implicit, read = element.is_implicit_VR, _implicit if element.is_implicit_VR else _explicit
    try:
        while at < len(data):
            end = at + 8 + _LENGTH.unpack_from(data, at + 4)[0]
            if data[at : at + 4] != _ITEM or end > len(data):
                raise _NotPlainError
            found = read(data, at + 8, end)[0] if end > at + 8 else {}
            items.append(new_item(found, implicit, dataset.original_character_set))
            at = end
    except (_NotPlainError, error):
        return list(dataset[element.tag].value or ())
    return items


def new_item(
    elements: dict[Any, Any], implicit: bool | None, charset: Any, little: bool | None = True
) -> Dataset:
    """Return an item; a tenth of the cost of pydicom's constructor, which sets one by one."""
    item = Dataset.__new__(Dataset)
    vars(item).update(_BLANK, _dict=elements, _private_blocks={}, _pixel_id={})
    vars(item).update(_read_implicit=implicit, _read_little=little, _parent_encoding=charset)
    vars(item)["_read_charset"] = charset
    if _CHARSET in elements:
        vars(item)["_read_charset"] = item._character_set
    return item


def as_raw(sequence: Any, element: Any, charset: Any) -> Any:
    """Return a sequence encoded, like the undecoded element it came from; itself if not plain."""
    try:
        items = _items(sequence, element.is_implicit_VR, charset)
    except _NotPlainError:
        return sequence
    value = b"".join(items)
    return element._replace(value=value, length=len(value))


def _items(sequence: Any, implicit: bool, charset: Any) -> list[bytes]:
    """Return the bytes of every item of a sequence."""
    parts: list[bytes] = []
    for item in sequence.value or ():
        if item.original_encoding not in ((implicit, True), (None, None)):
            raise _NotPlainError
        own = item.get("SpecificCharacterSet", charset) if _CHARSET in item._dict else charset
        body = b"".join(_encoded(item, implicit, own))
        undefined = item.is_undefined_length_sequence_item
        parts += (_ITEM, _LENGTH.pack(_UNDEFINED if undefined else len(body)), body)
        parts += (_END_OF_ITEM, b"\0\0\0\0") if undefined else ()
    return parts


def _check_whole(data: bytes, at: int) -> None:
    """Refuse a file that ends within the head of an element; pydicom would not say."""
    if data[at:].strip(b"\0"):
        raise InputError(
            "the file ends within an element: it is cut off, or odd bytes stand behind the last"
        )


def _fragments(data: bytes, tag: int, at: int) -> tuple[bytes, int]:
    """Return encapsulated pixel data without its delimiter, and where it ends."""
    if tag != _PIXEL_DATA:
        raise _NotPlainError
    start = at
    while data[at : at + 4] == _ITEM:
        at += 8 + _LENGTH.unpack_from(data, at + 4)[0]
    if data[at : at + 4] != _END:
        raise _NotPlainError
    return data[start:at], at + 8


def to_bytes(dataset: FileDataset) -> bytes | None:
    """Write a data set as a DICOM file; None where pydicom has to.

    Undecoded elements go out as they came in, decoded ones through pydicom.
    """
    meta = dataset.file_meta
    syntax = str(meta.get("TransferSyntaxUID", ""))
    implicit = syntax == _IMPLICIT_LITTLE
    plain = syntax.startswith("1.2.840.10008.1.2") and syntax not in _NOT_PLAIN
    same = dataset.original_encoding == (implicit, True)
    if not plain or not same or dataset.original_character_set != dataset._character_set:
        return None
    if dataset.preamble is None or 0x00020000 in meta:
        return None
    head = b"".join(_encoded(meta, False, "iso8859"))
    length = b"\x02\0\0\0UL\x04\0" + _LENGTH.pack(len(head))
    charset: Any = dataset.get("SpecificCharacterSet", "iso8859")
    try:
        body = b"".join(_encoded(dataset, implicit, charset))
    except _NotPlainError:
        return None
    return b"".join((dataset.preamble, b"DICM", length, head, body))


def _encoded(dataset: Dataset, implicit: bool, charset: Any) -> list[bytes]:
    """Return the bytes of every element, in the order of their tags."""
    parts: list[bytes] = []
    items = dataset._dict
    for tag in sorted(items, key=int):
        element = items[tag]
        if not int(tag) & 0xFFFF and int(tag) > 0xFFFFFF:
            continue  # group lengths are not written any more
        if getattr(element, "is_raw", False):
            _add_raw(parts, element, implicit)
        elif element.VR == "SQ":
            value = b"".join(_items(element, implicit, charset))
            raw = RawDataElement(tag, "SQ", len(value), value, 0, implicit, True)
            undefined = getattr(element, "is_undefined_length", False)
            _add_raw(parts, raw._replace(length=_UNDEFINED) if undefined else raw, implicit)
        else:
            if " or " in str(element.VR):  # pydicom decides between them by the elements around
                raise _NotPlainError
            parts.append(by_pydicom(element, implicit, charset))
    return parts


def _add_raw(parts: list[bytes], element: Any, implicit: bool) -> None:
    tag, vr, length, value = element[:4]
    if element.is_implicit_VR != implicit or value is None or element.is_buffered:
        raise _NotPlainError
    stated = length if length == _UNDEFINED else len(value)
    group, number = tag >> 16, tag & 0xFFFF
    if implicit:
        parts += (_IMPLICIT.pack(group, number, stated), value)
    elif vr.encode() in LONG_CODES:
        parts += (_EXPLICIT.pack(group, number, vr.encode(), 0), _LENGTH.pack(stated), value)
    elif stated > 0xFFFF:
        raise _NotPlainError
    else:
        parts += (_EXPLICIT.pack(group, number, vr.encode(), stated), value)
    if stated == _UNDEFINED:
        parts.append(_END + b"\0\0\0\0")


def element_bytes(element: Any) -> bytes:
    """Return an undecoded element as it is written."""
    parts: list[bytes] = []
    _add_raw(parts, element, element.is_implicit_VR)
    return b"".join(parts)


def by_pydicom(element: Any, implicit: bool, charset: Any) -> bytes:
    """Return a decoded element as pydicom writes it, little endian."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    write_data_element(buffer, element, charset)
    return buffer.getvalue()
