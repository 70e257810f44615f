"""Elements, read or still as the bytes they were read as: their texts, and private blocks.

pydicom leaves an element undecoded until it is touched. What is plain ASCII can be read
and replaced in that state, at a tenth of the cost of decoding and encoding it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydicom.datadict import keyword_for_tag, repeater_has_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.valuerep import FLOAT_VR, INT_VR

from medlab.dicom import passthrough
from medlab.dicom.passthrough import vr_in_dictionary
from medlab.errors import InputError

#: Value representations that hold text which someone may have typed.
TEXT_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
NUMBER_VRS = frozenset(vr.value for vr in INT_VR | FLOAT_VR)
TIME_VRS = frozenset({"DA", "DT", "TM", "AS"})
_PLAIN_VRS = TEXT_VRS | TIME_VRS | {"UI", "IS", "DS"}
#: Where a backslash is a character, not a border between values.
_ONE_VALUE = frozenset({"LT", "ST", "UT", "UR"})


def raw_element(tag: int, vr: str, value: bytes, implicit: bool, little: bool) -> RawDataElement:
    """Return an element that is encoded already; `value` has an even number of bytes."""
    written = None if implicit else vr
    return RawDataElement(BaseTag(tag), written, len(value), value, 0, implicit, little)


def vr_of(element: Any) -> str:
    """Return an element's VR, from the dictionary where the file does not say (or says UN).

    Private elements of implicit VR files come back as ``"UN"``.
    """
    written = element.VR
    return str(written) if written and written != "UN" else _vr(int(element.tag), written or "")


@lru_cache(maxsize=65536)
def _vr(tag: int, written: str) -> str:
    if written and written != "UN":
        return written
    listed = vr_in_dictionary(tag)
    return listed if listed and (len(listed) == 2 or not written) else "UN"


@lru_cache(maxsize=65536)
def is_known(tag: int) -> bool:
    """Tell whether PS3.6 lists a standard element; private ones it cannot know."""
    return bool(tag >> 16 & 1 or vr_in_dictionary(tag) or repeater_has_tag(tag))


def proper_vr(element: Any) -> str:
    """Return the VR that the dictionary gives a standard element, else the one it has."""
    tag = int(element.tag)
    listed = "" if tag >> 16 & 1 else vr_in_dictionary(tag)
    return listed if len(listed) == 2 else _vr(tag, element.VR or "")


def is_private(element: Any) -> bool:
    """Tell whether an element stands in an odd group."""
    return bool(int(element.tag) >> 16 & 1)


@lru_cache(maxsize=65536)
def label(tag: int) -> tuple[str, str]:
    """Return a tag as it is written, and its keyword (empty for private elements).

    Examples
    --------
    >>> label(0x00100010)
    ('(0010,0010)', 'PatientName')
    """
    keyword = "" if tag >> 16 & 1 else keyword_for_tag(tag)
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})", keyword


def is_plain(value: Any) -> bool:
    """Tell whether bytes are ASCII without escapes to other character sets."""
    return isinstance(value, bytes) and value.isascii() and b"\x1b" not in value


def texts_of(dataset: Dataset, element: Any) -> list[str]:
    """Return an element's values as texts, without padding; none for what holds no text."""
    if isinstance(element, RawDataElement) and element.value is not None:
        written = element.VR
        vr = written if written and written != "UN" else vr_of(element)
        texts = _texts_of_raw(vr, element.value)
        if texts is not None:
            return list(texts)
        element = dataset[element.tag]
    return values_of(element)


@lru_cache(maxsize=8192)
def _texts_of_raw(vr: str, value: bytes) -> tuple[str, ...] | None:
    """Return the texts in bytes; None where they are not plain ASCII."""
    if vr not in _PLAIN_VRS:
        return ()
    if not is_plain(value):
        return None
    text = value.decode("ascii").strip(" \0")
    parts = [text] if vr in _ONE_VALUE else text.split("\\")
    return tuple(part for part in map(str.strip, parts) if part)


def values_of(element: Any) -> list[str]:
    """Return a decoded element's values as texts; a sequence or a binary value has none."""
    value = element.value
    if value is None or element.VR == "SQ" or isinstance(value, bytes):
        return []
    many = value if isinstance(value, MultiValue | list | tuple) else [value]
    return [text for text in (str(item).strip(" \0") for item in many) if text]


def text_at(dataset: Dataset, tag: int) -> str:
    """Return the text of one element of a data set, empty where there is none."""
    element = passthrough.element_at(dataset, tag)
    return "" if element is None else "\\".join(texts_of(dataset, element))


def frame_count(dataset: Dataset) -> int:
    """Return how many frames an image says that it has; 1 where it does not say.

    Raises
    ------
    InputError
        If it says anything but a whole number.
    """
    try:
        number = float(text_at(dataset, 0x00280008) or 1)
    except ValueError:
        number = -1.0
    if number < 0 or not number.is_integer():
        raise InputError("Number of Frames is no whole number, so nobody knows what the image is")
    return int(number) or 1


def syntax_of(dataset: Dataset) -> str:
    """Return the Transfer Syntax UID that a data set states; empty where it has no file meta."""
    meta = getattr(dataset, "file_meta", None)
    return "" if meta is None else text_at(meta, 0x00020010)


def sequence_at(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none where its tag holds something else, such as text."""
    value = dataset.get(keyword)
    return list(value) if isinstance(value, Sequence) else []


def with_value(element: Any, value: Any) -> Any:
    """Return an element of the same tag with another value, and the VR the tag should have.

    Several texts are given as one, with backslashes between them; None empties, and so does
    text for a tag that should hold none.
    """
    vr = proper_vr(element)
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, str) and vr not in _PLAIN_VRS:
        value = None
    if isinstance(element, RawDataElement) and vr in _PLAIN_VRS and isinstance(value, str | None):
        text = value or ""
        if text.isascii():
            return _raw_with(element, vr, text)
    if vr == "SQ":
        value = Sequence(value or [])
    return DataElement(element.tag, vr, value)


def _raw_with(element: Any, vr: str, text: str) -> Any:
    data = text.encode("ascii")
    if len(data) & 1:
        data += b"\0" if vr == "UI" else b" "
    vr_written = vr if element.VR else None  # implicit VR: there is none to write
    return element._replace(VR=vr_written, length=len(data), value=data)


def is_creator(tag: int) -> bool:
    """Tell whether a tag is that of a private creator: (odd group,0010-00FF)."""
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


def creator_tag(tag: int) -> int:
    """Return the tag of the creator that reserves a private element's block.

    Examples
    --------
    >>> hex(creator_tag(0x0019100C))
    '0x190010'
    """
    return (tag & 0xFFFF0000) | (tag & 0xFFFF) >> 8


def creators(dataset: Dataset) -> dict[int, str]:
    """Return creator tag -> creator of one level of a data set."""
    names = {}
    for tag in dataset.keys():  # noqa: SIM118 - iterating a Dataset decodes its elements
        if is_creator(int(tag)):
            value = dataset.get_item(tag).value
            text = (
                value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")
            )
            names[int(tag)] = text.strip(" \0")
    return names
