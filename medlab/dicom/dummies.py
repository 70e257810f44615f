"""Dummies: values that fit their VR, pass a validator and say nothing (action D)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medlab.dicom.dates import DUMMY_DATE
from medlab.dicom.element_texts import BINARY_VRS, is_empty, proper_vr, texts_of, with_value
from medlab.dicom.files import MAX_DEPTH

_TEXT = "ANONYMIZED"
_OF_VR: dict[str, Any] = {
    "DA": DUMMY_DATE,
    "DT": DUMMY_DATE + "000000",
    "TM": "000000",
    "AS": "000Y",
    "CS": "ANON",
    "AE": "ANON",
    "UR": "anonymized",
    "IS": "0",
    "DS": "0",
    "AT": 0,
}
_NUMBERS = frozenset({"US", "SS", "UL", "SL", "UV", "SV"})
_FLOATS = frozenset({"FL", "FD"})
_COUNTS = frozenset({"US", "UL", "SS"})
_CONTENT, _REASON = 0x0040A730, 0x04000565


def dummy(
    dataset: Dataset,
    element: Any,
    new_uid: Callable[[str], str],
    is_harmless: Callable[[str], bool],
    depth: int = 0,
) -> Any:
    """Return a value that fits an element's VR and says nothing.

    Parameters
    ----------
    dataset : Dataset
        What the element stands in.
    element : DataElement or RawDataElement
        Its first item, if it is a sequence, gives the shape of the one dummy item.
    new_uid : callable
        Gives the replacement of a UID.
    is_harmless : callable
        Tells whether a coded value (CS) of a dummy item may stay.
    depth : int
        How deep in dummy items we are.
    """
    vr = proper_vr(element)
    if vr == "SQ":
        return _items(dataset[element.tag], new_uid, is_harmless, depth)
    if vr in BINARY_VRS:
        return b"\0\0"
    if vr in _FLOATS:
        many = dataset[element.tag].VM
        return [0.0] * many if many > 1 else 0.0
    if int(element.tag) == _REASON:
        return "COERCE"  # a defined term of (0400,0565)
    return 0 if vr in _NUMBERS else _OF_VR.get(vr, _TEXT)


def dummy_text(vr: str) -> str:
    """Return the dummy of a text VR."""
    return str(_OF_VR.get(vr, _TEXT))


def _items(
    sequence: Any, new_uid: Callable[[str], str], is_harmless: Callable[[str], bool], depth: int
) -> list[Dataset]:
    """Return one item that says nothing, in the shape of the first."""
    if int(sequence.tag) == _CONTENT:
        return [_content()]
    if depth > MAX_DEPTH or sequence.VR != "SQ":
        return []
    out = Dataset()
    for first in list(sequence.value)[:1]:
        for tag in first.keys():  # noqa: SIM118 - iterating a Dataset decodes its elements
            if not int(tag) >> 16 & 1 and int(tag) & 0xFFFF:
                out.add(_of_item(first, first[tag], new_uid, is_harmless, depth + 1))
    return [out]


def _of_item(
    item: Dataset,
    element: Any,
    new_uid: Callable[[str], str],
    is_harmless: Callable[[str], bool],
    depth: int,
) -> Any:
    """Return an element of a dummy item: codes of the standard and counts stay."""
    vr = proper_vr(element)
    if vr == "UI":
        return with_value(element, "\\".join(map(new_uid, texts_of(item, element))))
    if vr == "CS" and all(map(is_harmless, texts_of(item, element))):
        return element
    if vr in _COUNTS or is_empty(element):
        return element
    return with_value(element, dummy(item, element, new_uid, is_harmless, depth))


def _content() -> Dataset:
    """Return the one content item of a report whose content was taken out."""
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator = "121106", "DCM"
    name.CodeMeaning = "Comment"
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = Sequence([name])
    item.TextValue = _TEXT
    return item
