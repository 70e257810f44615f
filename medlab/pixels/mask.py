"""Change pixels for good: in the stored values, in every frame, bit-exact everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from medlab.arrays import Array
from medlab.errors import InputError
from medlab.pixels import frames
from medlab.pixels.frames import Layout

_RLE = str(RLELossless)
_JPEG_LS = {"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"} | {
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
}


class Box(NamedTuple):
    """A rectangle of pixels: columns x0 to x1 and rows y0 to y1, ends not included."""

    x0: int
    y0: int
    x1: int
    y1: int


#: Boxes of all frames; or by number of the frame, -1 for all.
Boxes = Sequence[Box] | Mapping[int, Sequence[Box]]


def fill(dataset: Dataset, boxes: Boxes) -> Dataset:
    """Return a data set whose boxes are black in the stored values.

    Black is the pixel padding value when there is one, else the darkest value shown: the
    least of MONOCHROME2, the largest of MONOCHROME1, the darkest entry of a palette.

    Parameters
    ----------
    dataset : Dataset
        With its file meta; not modified.
    boxes : sequence of Box, or mapping
        Of all frames, or by number of the frame (-1: all). Cut to the image.

    Returns
    -------
    Dataset
        With ImageType DERIVED. Native and losslessly compressed data keep their kind
        (JPEG Lossless becomes JPEG-LS, which can be written); lossy data are stored
        losslessly and keep the mark of being lossy. YBR_FULL_422 without compression
        becomes YBR_FULL, since a box may cut a pair of pixels that share their color.

    Raises
    ------
    InputError
        If the pixels are missing, damaged or of no kind that can be decoded.
    """
    form = frames.layout(dataset)

    def paint(frame: Array, number: int) -> None:
        frame[covered(form, boxes, number)] = frames.black(dataset, form, frame)

    return rewrite(dataset, paint, form)


def cut_frames(dataset: Dataset, removed: NDArray[np.bool_], empty: int | None = None) -> Dataset:
    """Return a gray data set in which a part of each frame has one value.

    Parameters
    ----------
    dataset : Dataset
        Not modified.
    removed : ndarray of bool, shape (frames, rows, columns)
        What gets the value.
    empty : int, optional
        The value, as stored; black by default (see `fill`).

    Raises
    ------
    InputError
        If the pixels cannot be decoded, or are no longer what they were outside of it.
    """
    form = frames.layout(dataset)
    if (form.samples, form.frames) != (1, len(removed)):
        raise InputError("the image has colors, or another number of frames than its mask")

    kept: dict[int, Array] = {}

    def paint(frame: Array, number: int) -> None:
        kept[number] = frame[~removed[number]]
        black = frames.black(dataset, form, frame)
        value = black if empty is None else np.left_shift(empty, form.low).astype(frame.dtype)
        frame[removed[number]] = value

    result = rewrite(dataset, paint, form)
    written = frames.decoded(result, frames.layout(result), raw=True)  # by pydicom, not from here
    for number, frame in enumerate(written):
        if not np.array_equal(kept.pop(number).ravel(), frame[~removed[number]].ravel()):
            raise InputError("the pixels outside the cut are no longer what they were")
    return result


def of_frame(boxes: Boxes, number: int) -> list[Box]:
    """Return the boxes of one frame."""
    if not isinstance(boxes, Mapping):
        return list(boxes)
    return [box for key in dict.fromkeys((-1, number)) for box in boxes.get(key, ())]


def covered(form: Layout, boxes: Boxes, number: int = -1) -> NDArray[np.bool_]:
    """Return the mask (rows, columns) of the pixels in any box of a frame."""
    inside = np.zeros((form.rows, form.columns), bool)
    for x0, y0, x1, y1 in of_frame(boxes, number):
        inside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    return inside


def meet(one: Box, other: Box) -> bool:
    """Tell whether two boxes have a pixel in common."""
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


def cut(form: Layout, boxes: Sequence[Box]) -> list[Box]:
    """Return the boxes cut to the image; once each, without empty ones."""
    ends = (form.columns, form.rows) * 2
    inner = (Box(*(min(max(v, 0), end) for v, end in zip(b, ends, strict=True))) for b in boxes)
    return list(dict.fromkeys(box for box in inner if box.x1 > box.x0 and box.y1 > box.y0))


def rewrite(
    dataset: Dataset, change: Callable[[Array, int], None], form: Layout | None = None
) -> Dataset:
    """Return a data set with `change` done to the stored values of every frame.

    Parameters
    ----------
    dataset : Dataset
        Not modified.
    change : callable
        Gets one frame of stored values (rows, columns, samples), spare bits emptied, and its
        number, and changes it in place.
    form : Layout, optional
        Layout of the data set, when it is known already.

    Raises
    ------
    InputError
        If a frame cannot be decoded.
    """
    form = form or frames.layout(dataset)
    result = deepcopy(dataset)  # bytes are not copied
    _relabel(result, form)
    if form.compressed:
        _store_compressed(result, form, lambda: _changed(dataset, form, change))
    else:
        _store_native(result, form, change)
    return result


def _changed(
    dataset: Dataset, form: Layout, change: Callable[[Array, int], None]
) -> Iterator[Array]:
    for number, frame in enumerate(frames.stored_frames(dataset, form)):
        frame = np.array(frames.cleared(form, frame))
        change(frame, number)
        yield frame


def _store_native(result: Dataset, form: Layout, change: Callable[[Array, int], None]) -> None:
    whole = frames.native(form, bytearray(result[form.keyword].value))
    for number, frame in enumerate(whole):
        if form.spare:
            frame[...] = frames.cleared(form, frame)
        change(frame, number)
    plain = replace(form, photometric="YBR_FULL") if form.subsampled else form
    _set(result, form.keyword, frames.native_bytes(plain, whole))


def _relabel(result: Dataset, form: Layout) -> None:
    """Let the elements around the pixels tell what will be stored."""
    if form.subsampled:
        result.PhotometricInterpretation = "YBR_FULL"
        result.PlanarConfiguration = 0
    if form.compressed and form.samples == 3:
        rct = form.photometric == "YBR_RCT"
        result.PhotometricInterpretation = form.photometric if form.lossless and not rct else "RGB"
        result.PlanarConfiguration = 0
    if not form.lossless:
        result.LossyImageCompression = "01"
    kind = [str(part) for part in result.get("ImageType") or ["DERIVED", "SECONDARY"]]
    result.ImageType = ["DERIVED", *(kind[1:] or ["SECONDARY"])]
    for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue"):
        result.pop(keyword, None)


def _store_compressed(
    result: Dataset, form: Layout, changed: Callable[[], Iterator[Array]]
) -> None:
    from pydicom.encaps import encapsulate, encapsulate_extended

    syntax = _target(form)
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        result.pop(keyword, None)
    try:
        coded = _coded(result, form, syntax, changed())
    except RuntimeError:  # JPEG 2000 below 32 pixels; JPEG-LS of tiny noise
        syntax = ExplicitVRLittleEndian
    result.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRLittleEndian:
        data = b"".join(frame.tobytes() for frame in changed())
        _set(result, "PixelData", data + b"\0" * (len(data) % 2))
        result["PixelData"].is_undefined_length = False
        return
    if sum(map(len, coded)) + 8 * len(coded) < 2**32:
        _set(result, "PixelData", encapsulate(coded), "OB")
    else:
        extended = encapsulate_extended(coded)
        _set(result, "PixelData", extended[0], "OB")
        result.ExtendedOffsetTable, result.ExtendedOffsetTableLengths = extended[1:]
    result["PixelData"].is_undefined_length = True


def _coded(result: Dataset, form: Layout, syntax: UID, changed: Iterator[Array]) -> list[bytes]:
    """Return the frames in a compressed transfer syntax; none for one that is not."""
    from pydicom.pixels.encoders.base import get_encoder

    if not syntax.is_compressed:
        return []
    encoder, options = get_encoder(syntax), _options(result, form)
    plugin = frames.DECODERS[syntax]
    arrays = (np.ascontiguousarray(f[..., 0] if f.shape[2] == 1 else f) for f in changed)
    return [encoder.encode(array, encoding_plugin=plugin, **options) for array in arrays]


def _target(form: Layout) -> UID:
    """Return the lossless transfer syntax that comes closest to that of the source."""
    from pydicom.pixels.encoders.base import get_encoder

    wish = RLELossless if form.syntax == _RLE else JPEG2000Lossless
    wish = JPEGLSLossless if form.syntax in _JPEG_LS else wish
    possible = form.allocated in (8, 16) and get_encoder(wish).is_available
    return wish if possible else ExplicitVRLittleEndian


def _options(result: Dataset, form: Layout) -> dict[str, Any]:
    return {
        "rows": form.rows,
        "columns": form.columns,
        "number_of_frames": 1,
        "samples_per_pixel": form.samples,
        "bits_allocated": form.allocated,
        "bits_stored": form.stored,
        "pixel_representation": int(form.signed),
        "photometric_interpretation": str(result.PhotometricInterpretation),
        "planar_configuration": 0,
    }


def _set(result: Dataset, keyword: str, data: bytes, vr: str | None = None) -> None:
    """Give the result an element of its own: the old one is shared with the source."""
    from pydicom.dataelem import DataElement

    old = result[keyword]
    native_vr = "OB" if old.VR == "OB" and result.get("BitsAllocated", 16) <= 8 else "OW"
    known = native_vr if keyword == "PixelData" else old.VR
    result[keyword] = DataElement(old.tag, vr or known, data)


def same_outside(before: Dataset, after: Dataset, boxes: Boxes) -> bool:
    """Tell whether both data sets show the same values outside the boxes of each frame.

    Reads both through pydicom's decoders, which had no part in the writing. YBR_FULL and
    RGB are compared as stored; where lossy color was stored anew as RGB, as RGB.
    """
    form, new = frames.layout(before), frames.layout(after)
    shape = (form.frames, form.rows, form.columns, form.samples)
    if shape != (new.frames, new.rows, new.columns, new.samples):
        return False
    old_frames = frames.decoded(before, form, raw=form.lossless)
    new_frames = frames.decoded(after, new, raw=form.lossless)
    pairs = zip(old_frames, new_frames, strict=True)
    return all(
        np.array_equal(old[outside], now[outside])
        for number, (old, now) in enumerate(pairs)
        for outside in (~covered(form, boxes, number),)
    )
