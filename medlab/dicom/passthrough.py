"""The fast way in and out for plain files, and all that is known of pydicom's private layout.

Bytes that nobody touches are not decoded. Everything here has a slow equal in pydicom;
`files.parse` and `files.to_bytes` try this first and fall back where it says None. Plain means:
little endian, not deflated.

The files of a series say nearly the same. Every way an element is written has one object here;
what was found out about it is noted under that object, so that of the next file only what is new
is looked at. With `_on` false speed is lost and nothing else.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, MutableMapping
from functools import lru_cache
from operator import itemgetter
from struct import Struct, error
from typing import Any

from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from medlab.errors import InputError

#: Longer elements, in bytes, are hardly ever the same in two files.
_LARGEST = 4096
_MOST = 4096  # elements; with what is noted about each, a few megabytes
_on = True
_atoms: dict[bool, dict[bytes, Any]] = {False: {}, True: {}}  # of implicit VR or not, as written


class Atom(RawDataElement):
    """An undecoded element of which there is one for each way of writing it.

    Attributes
    ----------
    written : bytes
        Header and value as they go out; empty until somebody has written it.
    """

    written: bytes = b""


class Memory:
    """What was found out about atoms under the same circumstances."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[Any, Any]] = {}
        self.get = self._found.get  # by the atom's id: None, or the atom and what was noted

    def note(self, element: Any, fact: Any) -> None:
        """Note something about an element, if there is but one of it."""
        if type(element) is Atom:
            if len(self._found) >= _MOST:
                self._found.clear()
            self._found[id(element)] = element, fact  # with the atom: its id stays its own


@lru_cache(maxsize=64)
def _memories(*circumstances: Hashable) -> dict[Hashable, Memory]:
    return {}


def memories(*circumstances: Hashable) -> dict[Hashable, Memory]:
    """Return what is remembered under circumstances, by further ones that vary within a file.

    Circumstances are everything beside the element itself that decides what is found out, such
    as plan, key, SOP class, the words to search for. What can not be compared, remembers nothing.
    """
    try:
        return _memories(*circumstances)
    except TypeError:  # a set of other patients: somebody may add one
        return {}


def is_on() -> bool:
    """Tell whether what is known already may be passed over."""
    return _on


def _known_atoms(implicit: bool) -> tuple[dict[bytes, Any], type[RawDataElement]]:
    """Return the elements of one encoding as written, and the class of new ones."""
    if not _on:
        return {}, RawDataElement
    atoms = _atoms[implicit]
    if len(atoms) > _MOST:
        atoms.clear()
    return atoms, Atom


_UNDEFINED = 0xFFFFFFFF
VR_OF_CODE = {vr.encode(): vr.value for vr in VR if len(vr) == 2}
LONG_CODES = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_32)
_EXPLICIT, _IMPLICIT, _LENGTH = Struct("<HH2sH"), Struct("<HHI"), Struct("<I")
_HEAD_BYTES = 8
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_END_OF_ITEM = b"\xfe\xff\x0d\xe0\0\0\0\0"
_DEEPEST = 100
_PIXELS, _PIXEL_DATA = 0x7FE0, 0x7FE00010
_BLANK, _BLANK_META = dict(vars(Dataset())), dict(vars(FileMetaDataset()))
_BLANK_FILE = dict(vars(FileDataset("", {}, b"", FileMetaDataset())))
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


_SYNTAX, _CHARSET = _tag(0x00020010), _tag(0x00080005)


def items_of(dataset: Dataset) -> list[tuple[int, Any]]:
    """Return the tags and elements of one level in order, undecoded where they still are."""
    ordered = _sorted_items(dataset)
    if [
        1
        for _, element in ordered
        if element.value is None and isinstance(element, RawDataElement)
    ]:
        ordered = [(tag, dataset.get_item(tag)) for tag, _ in ordered]  # deferred reading
    return ordered


def _sorted_items(dataset: Dataset) -> list[tuple[int, Any]]:
    """Return the same, but what is read when it is touched is left so."""
    items = dataset._dict
    tags = [*map(int, items)]
    ordered = list(zip(tags, items.values(), strict=True))
    return ordered if tags == sorted(tags) else sorted(ordered, key=itemgetter(0))


@lru_cache(maxsize=65536)
def vr_in_dictionary(tag: int) -> str:
    """Return the VR that PS3.6 gives an element, such as ``US or SS``; empty where it has none."""
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else ""
    entry = DicomDictionary.get(tag)
    return entry[0] if entry else ""


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
        syntax = _syntax(meta)
        if not syntax.startswith("1.2.840.10008.1.2") or syntax in _NOT_PLAIN:
            return None
        implicit = syntax == _IMPLICIT_LITTLE
        read = _implicit if implicit else _explicit
        elements, _ = read(data, start, len(data))
    except (_NotPlainError, error, KeyError, UnicodeDecodeError):
        return None
    dataset = new_file(elements, new_meta(meta), data[:128], (implicit, True), "")
    dataset._read_charset = _charset_of(dataset)
    return dataset


def _syntax(meta: Mapping[Any, Any]) -> str:
    value = meta[_SYNTAX].value
    return value.decode("ascii").rstrip("\0 ") if isinstance(value, bytes) else str(value)


def elements(dataset: Dataset) -> MutableMapping[Any, Any]:
    """Return what a data set itself holds its elements in: by tag, undecoded where they are."""
    return dataset._dict


def element_at(dataset: Dataset, tag: int) -> Any:
    """Return one element as a data set holds it; None where there is none."""
    return dataset._dict.get(_tags.get(tag, tag))  # type: ignore[call-overload]


def with_elements(dataset: Dataset, elements: dict[Any, Any]) -> Dataset:
    """Return a data set that is like another but for its elements."""
    out = type(dataset).__new__(type(dataset))
    vars(out).update(vars(dataset), _dict=elements, _private_blocks={}, _pixel_id={})
    return out


def codecs_of(dataset: Dataset) -> Any:
    """Return the codecs by which pydicom decodes the texts of a data set."""
    return dataset._character_set


def new_meta(elements: dict[Any, Any]) -> FileMetaDataset:
    """Return file meta of undecoded elements."""
    meta = FileMetaDataset.__new__(FileMetaDataset)
    vars(meta).update(_BLANK_META, _dict=elements, _private_blocks={}, _pixel_id={})
    vars(meta).update(_read_implicit=False, _read_little=True)
    return meta


def new_file(
    elements: dict[Any, Any],
    meta: FileMetaDataset,
    preamble: bytes,
    encoding: tuple[bool | None, bool | None],
    charset: Any,
) -> FileDataset:
    """Return a data set of undecoded elements, at a tenth of the cost of pydicom's constructor."""
    made, (implicit, little) = FileDataset.__new__(FileDataset), encoding
    vars(made).update(_BLANK_FILE, _dict=elements, _private_blocks={}, _pixel_id={})
    vars(made).update(_pixel_array_opts={"use_pdh": False}, file_meta=meta, preamble=preamble)
    vars(made).update(_read_implicit=implicit, _read_little=little, _read_charset=charset)
    vars(made).update(_is_implicit_VR=implicit, _is_little_endian=little)
    return made


def _charset_of(dataset: Dataset) -> Any:
    """Return the codecs of a data set, as pydicom does; its charset stays undecoded if plain."""
    element = element_at(dataset, _CHARSET)
    if element is None:
        return dataset._parent_encoding
    return [*_codecs(element)] if isinstance(element.value, bytes) else dataset._character_set


@lru_cache(maxsize=64)
def _codecs(charset: RawDataElement) -> list[str]:
    with warnings.catch_warnings():  # which repeat the value
        warnings.simplefilter("ignore")
        alone = Dataset()
        alone._dict = {_CHARSET: charset}
        return list(alone._character_set)


def _explicit(
    data: bytes, at: int, end: int, *, only_meta: bool = False, in_item: bool = False
) -> tuple[dict[BaseTag, Any], int]:
    """Return the elements of explicit VR little endian bytes, and where they end.

    That is where the file meta or an item of undefined length does, if one of them is read.
    """
    elements: dict[BaseTag, Any] = {}
    unpack, new, (atoms, make) = _EXPLICIT.unpack_from, tuple.__new__, _known_atoms(False)
    while at < end:
        if end - at < _HEAD_BYTES:
            _check_whole(data, at)
        group, element, code, length = unpack(data, at)
        if only_meta and group != 2:
            break
        start = at + 8
        if code in LONG_CODES:
            (length,) = _LENGTH.unpack_from(data, start)
            start += 4
        stop = start + length
        written = data[at:stop] if length <= _LARGEST and stop <= end else b""
        atom = atoms.get(written)
        if atom is None:
            vr = VR_OF_CODE.get(code)
            if vr is None and in_item and data[at : at + 8] == _END_OF_ITEM:
                return elements, at + 8
            if vr is None:
                raise _NotPlainError
            tag = _tag(group << 16 | element)
            atom, stop = _element(data, (tag, vr, length), start, end, implicit=False)
            if written and group != _PIXELS:  # whose place in the file is asked for
                atom = atoms[written] = new(make, atom)
        elements[atom[0]] = atom
        at = stop
    if in_item:
        raise _NotPlainError
    return elements, at


def _implicit(
    data: bytes, at: int, end: int, *, in_item: bool = False
) -> tuple[dict[BaseTag, Any], int]:
    """Return the elements of implicit VR little endian bytes, and where they end."""
    elements: dict[BaseTag, Any] = {}
    unpack, new, (atoms, make) = _IMPLICIT.unpack_from, tuple.__new__, _known_atoms(True)
    while at < end:
        if end - at < _HEAD_BYTES:
            _check_whole(data, at)
        group, element, length = unpack(data, at)
        start = at + 8
        stop = start + length
        written = data[at:stop] if length <= _LARGEST and stop <= end else b""
        atom = atoms.get(written)
        if atom is None:
            if in_item and data[at : at + 8] == _END_OF_ITEM:
                return elements, at + 8
            tag = _tag(group << 16 | element)
            atom, stop = _element(data, (tag, None, length), start, end, implicit=True)
            if written and group != _PIXELS:  # whose place in the file is asked for
                atom = atoms[written] = new(make, atom)
        elements[atom[0]] = atom
        at = stop
    if in_item:
        raise _NotPlainError
    return elements, at


def _element(
    data: bytes, head: tuple[BaseTag, str | None, int], start: int, end: int, *, implicit: bool
) -> tuple[RawDataElement, int]:
    """Return an element that is met for the first time, by tag, VR, length; and where it ends."""
    tag, vr, length = head
    value, stop = data[start : start + length], start + length
    if length == _UNDEFINED:
        vr_known = vr or vr_in_dictionary(tag)
        value, stop = _undefined(data, tag, vr_known, start, implicit=implicit)
    if stop > end:
        raise _NotPlainError
    return RawDataElement(tag, vr, length, value, start, implicit, True), stop


def sequence_items(dataset: Dataset, element: Any) -> list[Dataset]:
    """Return the items of a sequence; their elements undecoded where that is plain."""
    data, at, items = element.value, 0, []
    if not getattr(element, "is_raw", False) or element.VR == "UN" or not element.is_little_endian:
        return list(dataset[element.tag].value or ())
    implicit, read = element.is_implicit_VR, _implicit if element.is_implicit_VR else _explicit
    try:
        while at < len(data):
            (length,) = _LENGTH.unpack_from(data, at + 4)
            undefined = length == _UNDEFINED
            end = len(data) if undefined else at + 8 + length
            if data[at : at + 4] != _ITEM or end > len(data):
                raise _NotPlainError
            elements, at = read(data, at + 8, end, in_item=undefined)
            items.append(new_item(elements, implicit, dataset.original_character_set))
            items[-1].is_undefined_length_sequence_item = undefined
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
        vars(item)["_read_charset"] = _charset_of(item)
    return item


def is_undefined(element: Any) -> bool:
    """Tell whether an element, decoded or not, was written without a length."""
    if isinstance(element, RawDataElement):
        return element.length == _UNDEFINED
    return bool(element.is_undefined_length)


def as_raw(sequence: Any, element: Any, charset: Any) -> Any:
    """Return a sequence encoded, like the undecoded element it came from; itself if not plain."""
    try:
        items = _items(sequence, element.is_implicit_VR, charset)
    except _NotPlainError:
        return sequence
    return with_bytes(element, b"".join(items))


def with_bytes(sequence: Any, value: bytes) -> Any:
    """Return an undecoded sequence with other items, its length as defined as it was."""
    length = _UNDEFINED if is_undefined(sequence) else len(value)
    return sequence._replace(value=value, length=length)


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
        parts += (_END_OF_ITEM,) if undefined else ()
    return parts


def _check_whole(data: bytes, at: int) -> None:
    """Refuse a file that ends within the head of an element; pydicom would not say."""
    if data[at:].strip(b"\0"):
        raise InputError(
            "the file ends within an element: it is cut off, or odd bytes stand behind the last"
        )


def _undefined(data: bytes, tag: int, vr: str, at: int, *, implicit: bool) -> tuple[bytes, int]:
    """Return pixel data or a sequence of undefined length without delimiter, and where it ends."""
    if tag != _PIXEL_DATA and vr != "SQ":
        raise _NotPlainError
    end = _delimiter(data, at, implicit, depth=0)
    return data[at:end], end + 8


def _delimiter(data: bytes, at: int, implicit: bool, depth: int) -> int:
    """Return where the delimiter behind some items stands."""
    if depth > _DEEPEST:
        raise _NotPlainError
    while data[at : at + 4] == _ITEM:
        (length,) = _LENGTH.unpack_from(data, at + 4)
        at += 8 + (0 if length == _UNDEFINED else length)
        while length == _UNDEFINED and data[at : at + 8] != _END_OF_ITEM:
            at = _behind(data, at, implicit, depth + 1)
        at += 8 * (length == _UNDEFINED)
    if data[at : at + 8] != _END:
        raise _NotPlainError
    return at


def _behind(data: bytes, at: int, implicit: bool, depth: int) -> int:
    """Return where an element ends."""
    group, number, code, length = _EXPLICIT.unpack_from(data, at)
    vr, start = VR_OF_CODE.get(code), at + 8
    if implicit:
        (length,) = _LENGTH.unpack_from(data, at + 4)
        vr = vr_in_dictionary(group << 16 | number)
    elif code in LONG_CODES:
        (length,), start = _LENGTH.unpack_from(data, start), start + 4
    if vr is None or (length == _UNDEFINED and vr != "SQ"):
        raise _NotPlainError
    return _delimiter(data, start, implicit, depth) + 8 if length == _UNDEFINED else start + length


def to_bytes(dataset: FileDataset) -> bytes | None:
    """Write a data set as a DICOM file; None where pydicom has to.

    Undecoded elements go out as they came in, decoded ones through pydicom.
    """
    meta, syntax = dataset.file_meta, _syntax(dataset.file_meta._dict)
    implicit = syntax == _IMPLICIT_LITTLE
    plain = syntax.startswith("1.2.840.10008.1.2") and syntax not in _NOT_PLAIN
    same = dataset.original_encoding == (implicit, True)
    if not plain or not same or dataset.original_character_set != _charset_of(dataset):
        return None
    if dataset.preamble is None or 0x00020000 in meta._dict:
        return None
    head = b"".join(_encoded(meta, False, "iso8859"))
    length = b"\x02\0\0\0UL\x04\0" + _LENGTH.pack(len(head))
    charset = _charset_of(dataset) if _CHARSET in dataset._dict else "iso8859"
    try:
        body = _encoded(dataset, implicit, charset)
    except _NotPlainError:
        return None
    return b"".join((dataset.preamble, b"DICM", length, head, *body))


def _encoded(dataset: Dataset, implicit: bool, charset: Any) -> list[bytes]:
    """Return the bytes of every element, in the order of their tags."""
    parts: list[bytes] = []
    for tag, element in _sorted_items(dataset):
        if type(element) is Atom and element.written and element[5] == implicit:
            parts.append(element.written)
        elif not tag & 0xFFFF and tag > 0xFFFFFF:
            continue  # group lengths are not written any more
        elif getattr(element, "is_raw", False):
            before = len(parts)
            _add_raw(parts, element, implicit)
            if type(element) is Atom:
                element.written = b"".join(parts[before:])
        elif element.VR == "SQ":
            value = b"".join(_items(element, implicit, charset))
            raw = RawDataElement(_tag(tag), "SQ", len(value), value, 0, implicit, True)
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
        parts.append(_END)


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
