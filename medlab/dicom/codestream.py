"""What stands in pixel data beside the samples: taken out by structure, without decoding.

A JPEG stream may carry EXIF, comments and thumbnails, a JPEG 2000 stream comments and boxes, and
any data may go on behind their end (PS3.5 8.1.1, 8.2, A.4). No decoder needs it.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import MutableMapping
from io import BytesIO
from itertools import accumulate, pairwise
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import (
    encapsulate,
    encapsulate_extended,
    generate_fragments,
    parse_basic_offsets,
)
from pydicom.tag import BaseTag
from pydicom.uid import UID

from medlab.dicom import passthrough
from medlab.dicom.element_texts import frame_count, syntax_of, text_at
from medlab.errors import InputError

_ROWS, _COLUMNS, _FRAMES, _SAMPLES = 0x00280010, 0x00280011, 0x00280008, 0x00280002
_BITS, _PHOTOMETRIC = 0x00280100, 0x00280004
_SOP_CLASS = 0x00080016
# PS3.4 B.5: Segmentation, Label Map, Height Map, Parametric Map, RT Dose
_NO_PICTURE = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(66\.[478]|30|481\.2)")
_DESCRIBED = (_ROWS, _COLUMNS, _SAMPLES, _BITS)
_OFFSETS, _LENGTHS, _TOTAL, _PIXELS = (BaseTag(0x7FE00000 + number) for number in (1, 2, 3, 16))
#: Tags of pixel data, and the bits of a sample where the tag tells them.
PIXEL_BITS = {BaseTag(0x7FE00008): 32, BaseTag(0x7FE00009): 64, _PIXELS: 0}
_ITEM = b"\xfe\xff\x00\xe0"
# a fragment that begins a frame: JPEG and JPEG-LS, JPEG 2000, the same in JP2, RLE
_START = re.compile(rb"\xff\xd8\xff|\xff\x4f\xff\x51|\0\0\0\x0cjP  |[\x01-\x0f]\0{3}\x40\0{3}")
_MARKER = re.compile(rb"\xff+([\x02-\xcf\xd9-\xfe])")
# behind FF, coded samples have a byte below 80 (JPEG: 00, or a restart marker)
_AFTER_SCAN = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")
# SOF, DHT, DAC, SOS to EXP, and the two of JPEG-LS; not JPG (C8) nor APPn and COM
_JPEG_NEEDED = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xE0), 0xF7, 0xF8}) - {0xC8}
#: Application segments that tell the color space, and their lengths without a thumbnail. HP's
#: color transform (mrfx) is undone by CharLS; SPIFF says what Photometric Interpretation says.
_COLOR = {b"\xe0JFIF\0": 14, b"\xeeAdobe": 12, b"\xe8mrfx": 5}
# Parts 1, 2 and 15 of ISO 15444 but for COM (64)
_J2K_NEEDED = frozenset({*range(0x50, 0x64), *range(0x70, 0x80)})
_BOXES = frozenset(b"jP  ftypjp2hjp2cihdrbpcccolrpclrcmapcdef"[i : i + 4] for i in range(0, 40, 4))


def trim(dataset: Dataset, kept: MutableMapping[Any, Any]) -> dict[BaseTag, str]:
    """Leave nothing but samples, and what decoding needs, in the pixel data of one level.

    Parameters
    ----------
    dataset : Dataset
        The level as it was read: its rows, columns, frames and bits say how much is image.
    kept : dict
        Its elements by tag; pixel data and extended offset tables are replaced in place.

    Returns
    -------
    dict
        By tag what was met: ``"beside"``, bytes beside the image, which were dropped;
        ``"frames"``, so were frames beyond Number of Frames; ``"opaque"``, the data are coded
        in a way that is not known here, or shorter than the image, and were left.

    Raises
    ------
    InputError
        If a coded frame of a known kind cannot be followed to its end.
    """
    met = {}
    for tag, bits in PIXEL_BITS.items():
        element = kept.get(tag)
        if element is None or not element.value:
            continue
        undefined = getattr(element, "is_undefined_length", False)
        undefined = undefined or getattr(element, "length", 0) == 0xFFFFFFFF
        syntax = syntax_of(dataset)
        if any(
            passthrough.element_at(dataset, need) is None
            for need in _DESCRIBED[: 2 if bits else 4]
        ):
            met[tag] = "opaque"
            continue
        uid = UID(syntax)
        if undefined or (uid.is_transfer_syntax and not uid.is_private and uid.is_encapsulated):
            new, met[tag] = _coded(dataset, element.value, kept)
        else:
            new, met[tag] = _native(dataset, element, bits or _number(dataset, _BITS))
        if new is element.value:
            continue
        kept[tag] = DataElement(tag, element.VR or "OW", new)
        kept[tag].is_undefined_length = undefined
        kept.pop(_TOTAL, None)
    return {tag: what for tag, what in met.items() if what}


def holds_picture(dataset: Dataset) -> bool:
    """Tell whether text can be burned into the pixel data of a data set.

    It cannot where they are labels, parameters or doses (segmentations, label and height maps,
    parametric maps, RT Dose), nor where there are none.
    """
    numbers = _NO_PICTURE.fullmatch(text_at(dataset, _SOP_CLASS)) is not None
    held = any(passthrough.element_at(dataset, tag) is not None for tag in PIXEL_BITS)
    return held and not (numbers and _number(dataset, _SAMPLES) == 1)


def _number(dataset: Dataset, tag: int) -> int:
    """Return a count that describes the image, undecoded or not; 1 where there is none."""
    element: Any = passthrough.element_at(dataset, tag)
    if tag == _FRAMES:
        try:
            return frame_count(dataset)
        except InputError:
            return 1
    if element is not None and isinstance(element.value, bytes):
        return int.from_bytes(element.value, "little" if element.is_little_endian else "big")
    text = text_at(dataset, tag)
    return int(text) or 1 if text.isdigit() else 1


def _native(dataset: Dataset, element: Any, bits: int) -> tuple[bytes, str]:
    """Return native data cut to rows x columns x frames x samples x bits, of an even length."""
    value, frames = element.value, _number(dataset, _FRAMES)
    area = _number(dataset, _ROWS) * _number(dataset, _COLUMNS) * _number(dataset, _SAMPLES)
    sizes = [math.ceil(count * area * bits / 8) for count in (frames, frames + 1)]
    if text_at(dataset, _PHOTOMETRIC).endswith("_422") and len(value) - sizes[0] not in range(64):
        # two pixels of a row share their chroma, unless the length denies it (and pads a little)
        sizes = [size * 2 // 3 for size in sizes]
    size, odd = sizes[0], sizes[0] % 2
    if len(value) < size:
        return value, "opaque"
    if not getattr(element, "is_little_endian", True):
        size, odd = size + odd, 0  # bytes are swapped: the last sample stands behind the padding
    if len(value) == size + odd and not any(value[size:]):
        return value, ""
    surplus = "frames" if len(value) >= sizes[1] else "beside"
    return value[:size] + b"\0" * odd, surplus if len(value) > size + odd else ""


def _coded(dataset: Dataset, value: bytes, kept: MutableMapping[Any, Any]) -> tuple[bytes, str]:
    """Return encapsulated data with as many frames as the header says, each without surplus."""
    if value[:4] != _ITEM:
        return value, "opaque"
    buffer = BytesIO(value)
    table = parse_basic_offsets(buffer)
    fragments = [fragment for fragment in generate_fragments(buffer) if fragment]
    starts = [i for i, fragment in enumerate(fragments) if _START.match(fragment)]
    if starts[:1] != [0]:
        return value, "opaque"
    frames = [b"".join(fragments[a:b]) for a, b in pairwise([*starts, len(fragments)])]
    plane = _number(dataset, _ROWS) * _number(dataset, _COLUMNS)
    lean = [_lean(frame, plane) for frame in frames[: _number(dataset, _FRAMES)]]
    met = "frames" if len(frames) > len(lean) else "beside" if lean != frames else ""
    if _OFFSETS in kept or _LENGTHS in kept:
        data, *tables = encapsulate_extended(lean)
        for tag, offsets in zip((_OFFSETS, _LENGTHS), tables, strict=True):
            kept[tag] = DataElement(tag, "OV", offsets)
        return data if data != value else value, met
    ends = [0, *accumulate(8 + len(fragment) for fragment in fragments)]
    if not met and table in ([], [ends[i] for i in starts]):
        return value, met
    return encapsulate(lean, has_bot=bool(table)), met


def _lean(frame: bytes, plane: int) -> bytes:
    """Return one coded frame, of an even length, without what decoding does not need."""
    if frame[:2] == b"\xff\xd8":
        lean = _jpeg(frame)
    elif frame[:2] == b"\xff\x4f":
        lean = _j2k(frame)
    else:
        lean = _rle(frame, plane) if frame[4:5] == b"\x40" else _jp2(frame)
    return lean + b"\0" * (len(lean) % 2)


def _segment(frame: bytes, at: int) -> bytes:
    """Return the marker segment at a place: marker, length, content (ISO 10918-1 B.1.1.4)."""
    end = at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    if frame[at : at + 1] != b"\xff" or not at + 4 <= end <= len(frame):
        raise InputError("the coded image is damaged; decode and code it again")
    return frame[at:end]


def _jpeg(frame: bytes) -> bytes:
    parts, at = [frame[:2]], 2
    while (marker := _MARKER.search(frame, at)) and marker[1] != b"\xd9":
        segment = _segment(frame, marker.start(1) - 1)
        at = marker.start(1) - 1 + len(segment)
        if marker[1] == b"\xda":
            following = _AFTER_SCAN.search(frame, at)
            start, at = at, following.start() if following else len(frame)
            segment += frame[start:at]
        named = marker[1] + segment[4:]
        for name, size in _COLOR.items():
            if named.startswith(name) and len(named) > size:
                content = named[1 : size + 1] if size != 14 else named[1:13] + b"\0\0"
                parts.append(b"\xff" + name[:1] + struct.pack(">H", size + 2) + content)
        if marker[1][0] in _JPEG_NEEDED:
            parts.append(segment)
    return b"".join(parts) + (b"\xff\xd9" if marker else b"")


def _j2k(frame: bytes) -> bytes:
    parts, at = [frame[:2]], 2
    while at < len(frame) and frame[at : at + 2] != b"\xff\xd9":
        segment = _segment(frame, at)
        if segment[1] == 0x90:  # SOT: a tile-part, whose length is told
            (length,) = struct.unpack_from(">I", segment, 6)
            end = at + length if length else frame.find(b"\xff\xd9", frame.find(b"\xff\x93", at))
            segment = _tile_part(frame[at : end if end > at else len(frame)])
        elif segment[1] not in _J2K_NEEDED:
            at, segment = at + len(segment), b""
        parts.append(segment)
        at += len(segment)
    return b"".join(parts) + frame[at : at + 2]


def _tile_part(part: bytes) -> bytes:
    """Return a tile-part with its comments overwritten: other markers tell its length."""
    parts, at = [], 0
    while at < len(part) and part[at : at + 2] != b"\xff\x93":
        segment = _segment(part, at)
        at += len(segment)
        needed = segment[1] in _J2K_NEEDED or segment[1] == 0x90
        parts.append(segment if needed else segment[:4] + b"\0" * (len(segment) - 4))
    return b"".join(parts) + part[at:]


def _jp2(data: bytes) -> bytes:
    """Return the boxes of JP2 (ISO 15444-1 I.5) that decoding needs."""
    parts, at = [], 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        length = length or len(data) - at
        content = data[at + 8 : at + length]
        if not 8 <= length <= len(data) - at:
            raise InputError("the coded image is damaged; decode and code it again")
        if kind in (b"jp2h", b"jp2c"):
            content = _jp2(content) if kind == b"jp2h" else _j2k(content)
        if kind in _BOXES:
            parts.append(struct.pack(">I4s", len(content) + 8, kind) + content)
        at += length
    return b"".join(parts)


def _rle(frame: bytes, plane: int) -> bytes:
    """Return an RLE frame whose segments end where they have given `plane` bytes (PS3.5 G)."""
    count, *offsets = struct.unpack_from("<16I", frame.ljust(64, b"\0"))
    places = [*offsets[:count], len(frame)]
    if sorted(places) != places:
        raise InputError("the coded image is damaged; decode and code it again")
    segments = []
    for start, end in pairwise(places):
        at, made = start, 0
        while made < plane and at < end:
            code = frame[at]
            made += code + 1 if code < 128 else (257 - code) % 129
            at += code + 2 if code < 128 else 1 + (code > 128)
        segments.append(frame[start : min(at, end)] + b"\0" * ((min(at, end) - start) % 2))
    starts = [*accumulate(map(len, segments), initial=64)][:-1]
    header = struct.pack("<16I", count, *starts, *[0] * (15 - len(starts)))
    return header + b"".join(segments)
