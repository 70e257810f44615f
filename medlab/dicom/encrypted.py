"""Encrypted attributes: what a job took out, readable for some (PS3.3 C.12.1.1.4, PS3.15 E.1).

An item of the Encrypted Attributes Sequence (0400,0500) holds a CMS envelope, whose content is a
data set of nothing but a Modified Attributes Sequence (0400,0550) of one item: the elements as
they were. Ours holds a SHA-256 of itself, for CBC alone lets altered bytes pass. That finds
damage. It proves no sender: whoever has the certificate can write an envelope.
"""

from __future__ import annotations

import copy
import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import correct_ambiguous_vr_element
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medlab.crypto import envelope
from medlab.dicom import passthrough
from medlab.dicom.declarations import MARKS
from medlab.dicom.element_texts import (
    creator_tag,
    creators,
    is_creator,
    is_private,
    raw_element,
    text_at,
    vr_of,
)
from medlab.dicom.files import parse, quiet_pydicom
from medlab.dicom.passthrough import items_of
from medlab.dicom.profile import tag_of
from medlab.errors import InputError, RefusedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

_CREATOR = "MEDLAB ENVELOPE"
_GROUP, _DIGEST, _ADDED, _AGAIN = 0x0011, 0x01, 0x02, 0x03
_SEQUENCE, _SYNTAX, CONTENT, _MODIFIED = 0x04000500, 0x04000510, 0x04000520, 0x04000550
_CHARSET, _META_SYNTAX, _PIXELS = 0x00080005, 0x00020010, 0x7FE0
#: Commands, file meta, pixel data with their tables, padding: written anew, or not brought back.
_LEFT_OUT = frozenset({0x0000, 0x0002, _PIXELS, 0xFFFC})
#: How the pixel data are to be read. Pixels that were changed stay so, and these with them.
_OF_PIXELS = frozenset({0x00280004, 0x00280006})
_ITEM, _PLACE = struct.Struct("<HHI"), struct.Struct("<HH")
_UNDEFINED = 0xFFFFFFFF
_VRS = {None, *passthrough.VR_OF_CODE.values()}  # pydicom reads others, and fails later
_UNREADABLE = "what the envelope holds was altered, or is no data set that PS3.15 puts there"


def as_read(dataset: Dataset) -> Dataset:
    """Return a data set that stays as it is, whatever is decoded in the one it is made of."""
    elements = dict(passthrough.elements(dataset))
    if not all(issubclass(kind, RawDataElement) for kind in set(map(type, elements.values()))):
        for tag, element in elements.items():
            if not isinstance(element, RawDataElement):
                elements[tag] = copy.deepcopy(element)
    out = passthrough.with_elements(dataset, elements)
    if (meta := getattr(dataset, "file_meta", None)) is not None:
        vars(out)["file_meta"] = as_read(meta)
    return out


@quiet_pydicom()
def add_envelope(before: Dataset, after: Dataset, recipients: Sequence[str]) -> None:
    """Put what was removed or changed into (0400,0500), behind the items that are there.

    Parameters
    ----------
    before : Dataset
        As it was read, see `as_read`.
    after : Dataset
        What was made of it. It gets the item, in place.
    recipients : sequence of str
        Certificates in PEM, see `medlab.crypto.envelope.valid_recipients`.
    """
    elements, old = _modified(before, after), passthrough.elements(before)
    added = [tag for tag, _ in _compared(after) if BaseTag(tag) not in old]
    elements |= _signature(elements, added)
    body = _item(elements[tag] for tag in sorted(elements))
    value = envelope.encrypt(_element(_MODIFIED, "SQ", body), recipients)
    parts = ((_SYNTAX, "UI", ExplicitVRLittleEndian.encode()), (CONTENT, "OB", value))
    implicit, little = map(bool, after.original_encoding)
    item = {
        BaseTag(tag): raw_element(tag, vr, part + b"\0" * (len(part) % 2), implicit, little)
        for tag, vr, part in parts
    }
    _set_envelopes(after, [*envelopes(after), passthrough.new_item(item, implicit, "", little)])


@quiet_pydicom()
def restore(dataset: Dataset, key: RSAPrivateKey, certificate: Certificate) -> Dataset:
    """Return a copy with what its envelopes for this certificate hold, the last one first.

    Those items go, and so do the marks of the de-identification. Items for others stay.

    Raises
    ------
    RefusedError
        If there is no item for this certificate, or one that was altered.
    """
    out = copy.deepcopy(dataset)
    items = envelopes(out)
    contents = [_open(item, key, certificate) for item in items]
    if not any(contents):
        raise RefusedError("the file holds no encrypted attributes for this certificate")
    closed = [item for item, content in zip(items, contents, strict=True) if content is None]
    _set_envelopes(out, closed)
    for content in filter(None, reversed(contents)):
        _apply(out, *content)
    if "SOPInstanceUID" in out and hasattr(out, "file_meta"):
        out.file_meta.MediaStorageSOPInstanceUID = out.SOPInstanceUID
    return out


def envelopes(dataset: Dataset) -> list[Dataset]:
    """Return the items of the Encrypted Attributes Sequence of a data set."""
    element = passthrough.element_at(dataset, _SEQUENCE)
    if element is None or vr_of(element) != "SQ":
        return []
    return passthrough.sequence_items(dataset, element)


def without_ciphertexts(data: bytes, dataset: Dataset) -> bytes:
    """Return the bytes of a file without what is encrypted in its envelopes, and nothing else."""
    for value in map(_value_of, envelopes(dataset)):
        with suppress(RefusedError):
            data = data.replace(value, envelope.outside(value)[1])
    return data


def told_by(value: bytes) -> str:
    """Return what the Encrypted Content (0400,0520) tells everybody: for how many, and how."""
    try:
        return f"encrypted for {envelope.outside(value)[0]}"
    except RefusedError:
        return "no envelope that can be read"


def _value_of(item: Dataset) -> bytes:
    """Return the Encrypted Content (0400,0520) of an item, empty where there is none."""
    value = getattr(passthrough.element_at(item, CONTENT), "value", None)
    return value if isinstance(value, bytes) else b""


def _set_envelopes(dataset: Dataset, items: list[Dataset]) -> None:
    elements = passthrough.elements(dataset)
    elements.pop(_SEQUENCE, None)
    if items:
        elements[BaseTag(_SEQUENCE)] = DataElement(_SEQUENCE, "SQ", Items(items))


def _modified(before: Dataset, after: Dataset) -> dict[int, bytes]:
    """Return the elements of `before`, encoded, that are not the same in `after`."""
    codes, old = {}, passthrough.elements(before)
    for tag, element in _compared(before):
        new = passthrough.element_at(after, tag)
        # without its character set, changed or not, the item could not be read on its own
        if new is None or tag == _CHARSET or not _is_same(before, element, after, new):
            codes[tag] = _encoded(before, element)
    for tag in {creator_tag(tag) for tag in codes if tag >> 16 & 1 and not is_creator(tag)}:
        if tag in old:  # PS3.5 7.8.1: every item declares its private blocks itself
            codes[tag] = _encoded(before, before.get_item(tag))
    return codes


def _is_same(before: Dataset, old: Any, after: Dataset, new: Any) -> bool:
    if getattr(old, "is_raw", False) and getattr(new, "is_raw", False):
        if (old.VR, old.value) == (new.VR, new.value):
            return True
        if vr_of(old) != "SQ":
            return False
    return _encoded(before, old) == _encoded(after, new)


def _compared(dataset: Dataset) -> Iterator[tuple[int, Any]]:
    for tag, element in items_of(dataset):
        is_length = not tag & 0xFFFF
        if tag != _SEQUENCE and tag >> 16 not in _LEFT_OUT and not is_length:
            yield tag, element


def _signature(elements: dict[int, bytes], added: Iterable[int]) -> dict[int, bytes]:
    """Return our private block: tags of elements that are new, and a digest of all but itself.

    The creator's name stands there twice, with more than a block of the cipher between: one
    altered byte, which spoils a block and a bit of the next, leaves it to be seen that a digest
    belongs here.
    """
    ours = [tag for tag in elements if tag >> 16 == _GROUP]
    used = {tag & 0xFF if is_creator(tag) else tag >> 8 & 0xFF for tag in ours}
    block = next(number for number in range(0x10, 0x100) if number not in used)
    creator, first = _GROUP << 16 | block, _GROUP << 16 | block << 8
    places = b"".join(_PLACE.pack(tag >> 16, tag & 0xFFFF) for tag in added)
    name = _CREATOR.ljust(16).encode()
    parts = ((creator, "LO", name), (first | _ADDED, "AT", places), (first | _AGAIN, "LO", name))
    signed = {tag: _element(tag, vr, value) for tag, vr, value in parts}
    digest = _digest(elements | signed)
    return signed | {first | _DIGEST: _element(first | _DIGEST, "OB", digest)}


def _digest(elements: dict[int, bytes]) -> bytes:
    return hashlib.sha256(b"".join(elements[tag] for tag in sorted(elements))).digest()


def _element(tag: int, vr: str, value: bytes, implicit: bool = False) -> bytes:
    return passthrough.element_bytes(raw_element(tag, vr, value, implicit, little=True))


def _item(elements: Iterable[bytes]) -> bytes:
    body = b"".join(elements)
    return _ITEM.pack(0xFFFE, 0xE000, len(body)) + body


def _encoded(dataset: Dataset, element: Any, implicit: bool = False) -> bytes:
    """Return an element in little endian, of the VR that it was written with, or should have.

    Bytes that are in little endian are not decoded: they may be none of their VR.
    """
    is_plain = getattr(element, "is_raw", False) and element.is_little_endian
    if is_plain and element.is_implicit_VR == implicit:
        return passthrough.element_bytes(element)
    tag, vr = int(element.tag), vr_of(element)
    if vr == "SQ":
        items = passthrough.sequence_items(dataset, element)
        inner = (_item(_encoded(i, e, implicit) for _, e in items_of(i)) for i in items)
        sequence = raw_element(tag, vr, b"".join(inner), implicit, little=True)
        if implicit and is_private(element):  # by this alone it is seen to be a sequence
            sequence = sequence._replace(length=_UNDEFINED)
        return passthrough.element_bytes(sequence)
    if is_plain and len(vr) == 2:
        is_long = len(element.value) > 0xFFFF and vr.encode() not in passthrough.LONG_CODES
        return _element(tag, "UN" if is_long else vr, element.value, implicit)
    plain = correct_ambiguous_vr_element(copy.copy(dataset[tag]), dataset, True)
    return passthrough.by_pydicom(plain, implicit, passthrough.codecs_of(dataset))


def _open(
    item: Dataset, key: RSAPrivateKey, certificate: Certificate
) -> tuple[Dataset, list[int]] | None:
    """Return the elements in an envelope, and the tags that go; None if it is for others."""
    content = envelope.decrypt(_value_of(item), key, certificate)
    if content is None:
        return None
    syntax = text_at(item, _SYNTAX)
    try:
        with quiet_pydicom():
            if syntax not in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
                raise InputError(_UNREADABLE)
            modified = _only_item(_parsed(content, syntax))
            return modified, _checked(modified, is_ours=_CREATOR.encode() in content)
    except InputError:
        raise RefusedError(_UNREADABLE) from None


def _parsed(content: bytes, syntax: str) -> Dataset:
    meta = _element(_META_SYNTAX, "UI", syntax.encode() + b"\0" * (len(syntax) % 2))
    return parse(b"\0" * 128 + b"DICM" + meta + content)


def _only_item(dataset: Dataset) -> Dataset:
    """Return the one item of the one sequence that a data set may hold, its values whole."""
    ((tag, element),) = items_of(dataset)
    (item,) = passthrough.sequence_items(dataset, element)
    for _, inner in items_of(item):
        if getattr(inner, "is_raw", False) and (
            inner.VR not in _VRS or inner.length not in (len(inner.value), _UNDEFINED)
        ):
            raise InputError(_UNREADABLE)
    if (tag, vr_of(element)) != (_MODIFIED, "SQ"):
        raise InputError(_UNREADABLE)
    return item


def _checked(modified: Dataset, is_ours: bool) -> list[int]:
    """Take out our private block after a look at its digest, and return the tags that go."""
    if not is_ours:
        return [tag_of(keyword) for keyword in MARKS]
    codes = {tag: _encoded(modified, element) for tag, element in items_of(modified)}
    for creator, name in creators(modified).items():
        first = (creator & 0xFFFF0000) | (creator & 0xFF) << 8
        signed = {tag: code for tag, code in codes.items() if tag != first | _DIGEST}
        digest = codes.get(first | _DIGEST, b"")
        if name == _CREATOR and digest.endswith(_digest(signed)):
            places = modified[first | _ADDED].value
            for tag in (creator, *(first | part for part in (_DIGEST, _ADDED, _AGAIN))):
                del modified[tag]
            return [places] if isinstance(places, int) else list(places or ())
    raise InputError(_UNREADABLE)


def _apply(out: Dataset, modified: Dataset, gone: Iterable[int]) -> None:
    """Put elements back; `gone` are the tags of those that were not there."""
    for tag in gone:
        passthrough.elements(out).pop(tag, None)
    with_pixels = any(int(tag) >> 16 == _PIXELS for tag in passthrough.elements(modified))
    for tag in frozenset() if with_pixels else _OF_PIXELS:
        passthrough.elements(modified).pop(tag, None)
    implicit, little = out.original_encoding
    codecs = passthrough.codecs_of(out)
    other_charset = _CHARSET in modified and passthrough.codecs_of(modified) != codecs
    if other_charset or not little:
        out.decode()
        modified.decode()
        out.update(modified)
        return
    code = b"".join(
        _encoded(modified, element, bool(implicit)) for _, element in items_of(modified)
    )
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    passthrough.elements(out).update(passthrough.elements(_parsed(code, syntax)) if code else {})
    out.set_original_encoding(implicit, little, codecs)
