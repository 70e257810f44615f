"""What stands in written pixel data beside the samples, for verification.

Another way of looking than that of `codestream`, which takes it out: a pattern cuts coded
samples out of the bytes, pydicom's decoder tells where run lengths end, and what reads like text
in samples that cannot be told apart is looked at too.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal

from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.pixels.decoders.rle import _rle_decode_segment, _rle_parse_header
from pydicom.tag import BaseTag

from medlab.dicom.element_texts import syntax_of, text_at

# rows, columns, samples per pixel, bits allocated
_IMAGE = tuple(map(BaseTag, (0x00280010, 0x00280011, 0x00280002, 0x00280100)))
_NUMBER_OF_FRAMES, _PHOTOMETRIC = 0x00280008, 0x00280004
_RLE = "1.2.840.10008.1.2.5"
_JPEG_AND_2000 = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.([5-9]\d|20[1-3])")
# From Start of Scan, or Start of Data, to the next marker: in coded samples FF is followed by 8F
# at most, by a restart marker, or by those around packets (ISO 10918-1 B.1.1.5, 15444-1 B.10.1).
_SCAN = re.compile(rb"\xff[\xda\x93](?:[^\xff]|\xff[\x00-\x8f\x91\x92\xd0-\xd7])*+")
# 12 of 95 characters: by chance once in 150,000 bytes, and then holds no name
_TEXT = re.compile(rb"[ -~]{12,}")
_FRAME = re.compile(
    rb"\xfe\xff\0\xe0[\0-\xff]{4}(?:\xff\xd8\xff|\xff\x4f\xff\x51|\0\0\0\x0cjP|[\x01-\x0f]\0{3}@\0{3})"
)


def split(dataset: Dataset, value: bytes) -> tuple[bytes, bytes]:
    """Return the samples in the pixel data of a data set, and what else stands there.

    Where the two cannot be told apart, all counts as samples, and what reads like text in
    them as something else.
    """
    syntax = syntax_of(dataset)
    if _JPEG_AND_2000.fullmatch(syntax):
        scans = _SCAN.findall(value)
        texts = [text for scan in scans for text in _TEXT.findall(scan)]
        return b"".join(scans), b"\n".join([_SCAN.sub(b"\n", value), *texts])
    if syntax == _RLE:
        return value, b"\n".join(_behind_runs(dataset, value))
    size = 0 if value[:4] == b"\xfe\xff\0\xe0" else _native_size(dataset, len(value))
    if not size:
        return value, b"\n".join(_TEXT.findall(value))
    return value[:size], value[size + size % 2 :]


def _native_size(dataset: Dataset, length: int) -> int:
    """Return how many bytes of native data are samples; 0 where that is unknown."""
    counts = []
    for tag in _IMAGE:
        element = dataset._dict.get(tag)
        raw: Any = b"" if element is None else element.value
        # read undecoded: pydicom's get_expected_length takes a tenth of a verification
        counts.append(int.from_bytes(raw, _order(element)) if isinstance(raw, bytes) else raw or 0)
    size = -(-_frames(dataset) * math.prod(counts) // 8)
    if text_at(dataset, _PHOTOMETRIC) == "YBR_FULL_422" and not size <= length < size + 64:
        size = size * 2 // 3  # subsampled, as its label says and its length does not deny
    return size if size <= length else 0


def _order(element: Any) -> Literal["little", "big"]:
    return "little" if getattr(element, "is_little_endian", True) else "big"


def _frames(dataset: Dataset) -> int:
    text = text_at(dataset, _NUMBER_OF_FRAMES)
    return int(text) or 1 if text.isdecimal() else 1


def _behind_runs(dataset: Dataset, value: bytes) -> Iterator[bytes]:
    """Yield what stands around the segments of RLE frames, and behind the last run of each."""
    plane = dataset.Rows * dataset.Columns
    for fragment in generate_fragments(value):
        offsets = _rle_parse_header(fragment[:64]) if len(fragment) >= 64 else []
        yield fragment[4 + 4 * len(offsets) : min(offsets, default=None)]
        for start, end in pairwise([*offsets, len(fragment)]):
            segment = fragment[start:end]
            if len(_rle_decode_segment(segment[:-2])) >= plane:
                sizes = range(len(segment))
                last = bisect_left(
                    sizes, plane, key=lambda size: len(_rle_decode_segment(segment[:size]))
                )
                yield segment[last:]


def has_hidden_frames(dataset: Dataset, value: bytes) -> bool:
    """Tell whether pixel data hold more frames than Number of Frames says."""
    frames = _frames(dataset)
    if value[:4] == b"\xfe\xff\0\xe0":
        return len(_FRAME.findall(value)) > frames
    size = _native_size(dataset, len(value))
    return bool(size) and len(value) >= size + max(size // frames, 2)
