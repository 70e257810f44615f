"""Stored pixel values of any DICOM image: read frame by frame, shown, and written back."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from medlab.arrays import Array
from medlab.dicom.element_texts import frame_count
from medlab.errors import InputError

KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_PHOTOMETRIC = {
    1: {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"},
    3: {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"},
}
_FLOATS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
_AT_ONCE = 2**20  # values looked up at once
_LARGEST = 2**28  # samples of one frame: 16,384 by 16,384
# JPEG Lossless .57 and .70, JPEG-LS .80, JPEG 2000 .90, HTJ2K .201 and .202, RLE
_LOSSLESS = {
    f"1.2.840.10008.1.2.{end}" for end in ("4.57", "4.70", "4.80", "4.90", "4.201", "4.202", "5")
}
# PS3.4 B.5: ultrasound, angiography and fluoroscopy, video; PS3.3 C.7.6.5: Frame Time (Vector)
_CINE = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(3|3\.1|12\.[123](\.1)?|77\.1\.[124]\.1)")
_TIMES = (0x00181063, 0x00181065)
# The plugin of pydicom that decodes, and where it can encodes, a transfer syntax
_DECODERS = {
    f"1.2.840.10008.1.2.{end}": plugin
    for plugin, ends in (
        ("pillow", ("4.50", "4.51")),
        ("gdcm", ("4.57", "4.70")),
        # no wheel for Python 3.14: there GDCM reads JPEG-LS, and nothing writes it
        ("pyjpegls" if find_spec("jpeg_ls") else "gdcm", ("4.80", "4.81")),
        ("pylibjpeg", ("4.90", "4.91", "4.201", "4.202", "4.203")),
        ("pydicom", ("5",)),
    )
    for end in ends
}

_RLE = str(RLELossless)
_JPEG_LS = {"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"} | {
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
}


@dataclass(frozen=True)
class Layout:
    """How the pixel values of a data set are stored.

    `allocated`, `stored` and `high` are PS3.5's bits allocated, bits stored and high bit;
    `swapped` means big-endian words; `syntax` is the transfer syntax UID; the frames of a `cine`
    show one view again and again.
    """

    keyword: str
    syntax: str
    frames: int
    rows: int
    columns: int
    samples: int
    planar: bool
    photometric: str
    allocated: int
    stored: int
    high: int
    signed: bool
    swapped: bool
    compressed: bool
    cine: bool

    @property
    def lossless(self) -> bool:
        """Whether the stored values are what was first stored."""
        return not self.compressed or self.syntax in _LOSSLESS

    @property
    def subsampled(self) -> bool:
        """Whether two neighboring pixels share one pair of chroma values."""
        return self.photometric == "YBR_FULL_422" and not self.compressed

    @property
    def low(self) -> int:
        """The lowest bit that belongs to the value."""
        return self.high - self.stored + 1

    @property
    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest value that the bits stored can hold."""
        half = 1 << (self.stored - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    @property
    def spare(self) -> bool:
        """Whether there are bits which no viewer shows."""
        return 1 < self.stored < self.allocated

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one stored sample, little endian."""
        kind = "f" if self.keyword in _FLOATS else "i" if self.signed else "u"
        return np.dtype(f"<{kind}{max(1, self.allocated // 8)}")

    @property
    def length(self) -> int:
        """Bytes of native pixel data without the padding to an even length."""
        samples = 2 if self.subsampled else self.samples
        return math.ceil(self.frames * self.rows * self.columns * samples * self.allocated / 8)


def layout(dataset: Dataset) -> Layout:
    """Return how the pixels of a data set are stored.

    Raises
    ------
    InputError
        If there are none, or the elements that describe them are missing or contradict
        each other or the length of the data.
    """
    keyword = next((name for name in KEYWORDS if name in dataset), "")
    if not keyword:
        raise InputError("the object has no pixel data")
    syntax = UID(str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", "")))
    # Of the list, not of the dictionary, to which pynetdicom adds what no decoder reads.
    if syntax and not syntax.is_private and syntax not in AllTransferSyntaxes:
        raise InputError("the pixel data are coded in a way that is not known here; convert them")
    try:
        found = _layout(dataset, keyword)
    except (TypeError, ValueError, AttributeError, KeyError):
        raise InputError("the elements that describe the pixel data are missing or odd") from None
    _check(found, len(dataset[keyword].value or b""))
    return found


def _layout(dataset: Dataset, keyword: str) -> Layout:
    meta = getattr(dataset, "file_meta", None) or Dataset()
    syntax = meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
    allocated = _FLOATS.get(keyword) or int(dataset.BitsAllocated)
    stored = allocated if keyword in _FLOATS else int(dataset.get("BitsStored") or allocated)
    samples = int(dataset.get("SamplesPerPixel") or 1)
    words = allocated > 8 or dataset[keyword].VR == "OW"
    # frames that follow each other in time, no tiles, pages or slices
    pointer = dataset.get("FrameIncrementPointer")
    timed = _CINE.fullmatch(str(dataset.get("SOPClassUID"))) or pointer in _TIMES
    return Layout(
        keyword=keyword,
        syntax=str(syntax),
        frames=frame_count(dataset),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        samples=samples,
        planar=samples > 1 and bool(int(dataset.get("PlanarConfiguration") or 0)),
        photometric=str(dataset.PhotometricInterpretation).strip(),
        allocated=allocated,
        stored=stored,
        high=int(dataset.get("HighBit", stored - 1)),
        signed=bool(dataset.get("PixelRepresentation", 0)),
        swapped=syntax == ExplicitVRBigEndian and words,
        compressed=bool(syntax.is_encapsulated),
        cine=bool(timed) and not dataset.get("DimensionOrganizationType"),
    )


def _check(found: Layout, length: int) -> None:
    if min(found.rows, found.columns, found.frames) < 1:
        raise InputError("an image without rows, columns or frames")
    if found.photometric not in _PHOTOMETRIC.get(found.samples, set()):
        raise InputError(
            f"{found.samples} samples per pixel do not go with the photometric interpretation; "
            "mend the header before cleaning the pixels"
        )
    bits = (found.allocated, found.stored, found.low)
    if found.allocated not in (1, 8, 16, 32, 64) or not 0 < found.stored <= found.allocated:
        raise InputError(f"bits allocated, stored and lowest of {bits} make no pixel")
    if found.low < 0 or found.high >= found.allocated:
        raise InputError(f"bits allocated, stored and lowest of {bits} make no pixel")
    if found.rows * found.columns * found.samples > _LARGEST:
        raise InputError(f"a frame of {found.rows} by {found.columns} is too large to check")
    if not length or (not found.compressed and length < found.length):
        raise InputError(f"{length} bytes of pixel data, and the header promises {found.length}")
    if not found.compressed and found.subsampled and length >= found.length * 3 // 2:
        raise InputError("the pixel data are longer than YBR_FULL_422 can be")


def _native(form: Layout, data: bytes | bytearray) -> Array:
    """Return native pixel data as (frames, rows, columns, samples).

    A view of `data` (and writable when `data` is) unless it is big endian, packed in single
    bits or subsampled; chroma that two pixels share is given to both.
    """
    shape = (form.frames, form.rows, form.columns, form.samples)
    if form.swapped:  # before the padding is cut off: the last value may stand behind it
        data = _swapped(bytes(data), max(2, form.allocated // 8))
    pixels = memoryview(data)[: form.length]
    if form.allocated == 1:
        bits = np.unpackbits(np.frombuffer(pixels, np.uint8), bitorder="little")
        return bits[: math.prod(shape)].reshape(shape)
    flat = np.frombuffer(pixels, form.dtype, form.length // form.dtype.itemsize)
    if form.subsampled:
        # PS3.3 C.7.6.3.1.2: Y1 Y2 Cb Cr for two pixels of a row
        pairs = flat.reshape(form.frames, form.rows, form.columns // 2, 4)
        luma = pairs[..., :2].reshape(form.frames, form.rows, form.columns, 1)
        return np.concatenate([luma, np.repeat(pairs[..., 2:], 2, axis=2)], axis=3)
    if form.planar:
        return np.moveaxis(flat.reshape(form.frames, form.samples, *shape[1:3]), 1, 3)
    return flat.reshape(shape)


def _native_bytes(form: Layout, values: Array) -> bytes:
    """Return (frames, rows, columns, samples) as native pixel data of an even length."""
    if form.allocated == 1:
        data = np.packbits(values.ravel(), bitorder="little").tobytes()
    elif form.planar:
        data = np.moveaxis(values, 3, 1).tobytes()
    else:
        data = values.tobytes()
    data += b"\0" * (len(data) % 2)
    return bytes(_swapped(data, max(2, form.allocated // 8))) if form.swapped else data


def _swapped(data: bytes, size: int) -> bytearray:
    data += b"\0" * (-len(data) % size)
    return bytearray(np.frombuffer(data, f"u{size}").byteswap().data)


def stored_frames(
    dataset: Dataset, form: Layout, indices: Iterable[int] | None = None
) -> Iterator[Array]:
    """Give the stored values of the frames asked for (all), each (rows, columns, samples).

    Lossy color comes as RGB, since that is how it is stored afterwards. The arrays of
    native data are read-only views where they can be.

    Raises
    ------
    InputError
        If a frame cannot be decoded, or there are fewer than the header says.
    """
    wanted = range(form.frames) if indices is None else indices
    if not form.compressed:
        whole = _native(form, dataset[form.keyword].value)
        yield from (whole[index] for index in wanted)
        return
    yield from _decoded(dataset, form, list(wanted))


def _decoded(dataset: Dataset, form: Layout, wanted: list[int]) -> Iterator[Array]:
    count = 0
    for frame in decoded(dataset, form, raw=form.lossless, indices=wanted):
        yield frame.reshape(form.rows, form.columns, form.samples)
        count += 1
    if count != len(wanted):
        raise InputError("fewer frames in the pixel data than the header says")


def decoded(
    dataset: Dataset, form: Layout, *, raw: bool, indices: list[int] | None = None
) -> Iterator[Array]:
    """Give frames as pydicom's decoders read them; see ``pydicom.pixels.iter_pixels``.

    Raises
    ------
    InputError
        If a frame cannot be decoded.
    """
    from pydicom.pixels.utils import iter_pixels

    plugin = _DECODERS.get(form.syntax, "")
    try:
        if plugin == "gdcm":
            yield from _in_child(dataset, form, raw, indices)
        else:
            yield from iter_pixels(dataset, raw=raw, indices=indices, decoding_plugin=plugin)
    except GeneratorExit:
        raise
    except Exception:  # noqa: BLE001 - decoders fail in any way; their words may repeat values
        raise InputError(
            "the compressed pixel data cannot be decoded: they are damaged, or of a kind that no "
            "installed decoder reads"
        ) from None


def _in_child(
    dataset: Dataset, form: Layout, raw: bool, indices: list[int] | None
) -> Iterator[Array]:
    """Give frames that GDCM decodes in a process of its own, which damaged data may end."""
    plain = dataset.group_dataset(0x0028)  # no name or number of a patient leaves this process
    plain.add_new("PixelData", "OB", dataset.PixelData)
    plain["PixelData"].is_undefined_length = True
    plain.file_meta = FileMetaDataset()
    plain.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    buffer = BytesIO()
    plain.save_as(buffer, enforce_file_format=False)
    numbers = [] if indices is None else [str(index) for index in indices]
    script = Path(__file__).with_name("gdcm_child.py")
    shape = (form.rows, form.columns, form.samples)[: 2 + (form.samples > 1)]
    with subprocess.Popen(
        [sys.executable, "-I", str(script), str(int(raw)), *numbers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        if child.stdin is None or child.stdout is None:
            raise InputError("no way to the decoder")
        try:
            child.stdin.write(buffer.getvalue())
            child.stdin.close()
            for _ in range(form.frames if indices is None else len(indices)):
                data = child.stdout.read(math.prod(shape) * form.dtype.itemsize)
                yield np.frombuffer(data, form.dtype).reshape(shape)
        finally:
            child.kill()


def _cleared(form: Layout, frame: Array) -> Array:
    """Return a frame with all bits emptied that do not belong to the values.

    Bits above a signed value repeat its sign. Old files hide overlays in such bits
    (PS3.5 8.1.1): no viewer shows them, yet they travel with the file.
    """
    if not form.spare or frame.dtype.kind == "f":
        return frame
    return np.left_shift(values(form, frame), form.low, dtype=frame.dtype)


def values(form: Layout, frame: Array) -> Array:
    """Return the pixel values of a frame of stored words, without spare bits."""
    if not form.spare or frame.dtype.kind == "f":
        return frame
    up = frame.dtype.itemsize * 8 - 1 - form.high
    shifted = np.left_shift(frame, max(up, 0), dtype=frame.dtype)
    return np.right_shift(shifted, max(up, 0) + form.low, dtype=frame.dtype)


def hides(form: Layout, frame: Array) -> bool:
    """Tell whether the spare bits of a frame hold anything but zeros or repeated signs."""
    if not form.spare or frame.dtype.kind == "f":
        return False
    kept = _cleared(form, frame)
    mask = np.array(((1 << form.stored) - 1) << form.low).astype(frame.dtype)
    return bool(((frame != kept) & (frame != (frame & mask))).any())


def displayed(dataset: Dataset, form: Layout, frame: Array) -> Array:
    """Return a frame as gray (rows, columns) or RGB (rows, columns, 3); high is bright."""
    if form.samples == 3:
        return _rgb(form, frame)
    gray = values(form, frame)[..., 0]
    if form.photometric == "PALETTE COLOR":
        return _colored(dataset, gray)
    return np.invert(gray) if _inverted(dataset, form) and gray.dtype.kind != "f" else gray


def _rgb(form: Layout, frame: Array) -> Array:
    if not (form.lossless and form.photometric in ("YBR_FULL", "YBR_FULL_422")):
        return frame
    from pydicom.pixels.processing import convert_color_space

    return np.asarray(convert_color_space(np.ascontiguousarray(frame), "YBR_FULL", "RGB"))


def _colored(dataset: Dataset, indices: Array) -> Array:
    from pydicom.pixels.processing import apply_color_lut

    try:
        return np.asarray(apply_color_lut(np.ascontiguousarray(indices), dataset))
    except (AttributeError, ValueError, KeyError, IndexError):
        raise InputError("the palette of the image is missing or damaged") from None


def _inverted(dataset: Dataset, form: Layout) -> bool:
    slope = float(dataset.get("RescaleSlope") or 1)
    return (form.photometric == "MONOCHROME1") != (slope < 0)


def black(dataset: Dataset, form: Layout, frame: Array) -> Array:
    """Return the stored sample values that are shown black (or as padding), one a sample."""
    if form.samples == 3:
        luma_chroma = form.photometric.startswith("YBR_FULL") and form.lossless
        middle = 1 << (form.stored - 1)
        return np.array([0, middle, middle] if luma_chroma else [0, 0, 0], frame.dtype)
    if form.photometric == "PALETTE COLOR":
        return np.array([_extreme_entry(dataset, darkest=True)], frame.dtype)
    value: Any = padding(dataset, form)
    if value is None:
        seen = values(form, frame)
        value = seen.max() if _inverted(dataset, form) else seen.min()
    return _word(form, frame, value)


def white(dataset: Dataset, form: Layout, frame: Array) -> Array:
    """Return the stored sample values of the brightest that is shown in a frame."""
    if form.samples == 3:
        top = (1 << form.stored) - 1
        luma_chroma = form.photometric.startswith("YBR_FULL") and form.lossless
        middle = 1 << (form.stored - 1)
        return np.array([top, middle, middle] if luma_chroma else [top] * 3, frame.dtype)
    if form.photometric == "PALETTE COLOR":
        return np.array([_extreme_entry(dataset, darkest=False)], frame.dtype)
    seen = values(form, frame)
    return _word(form, frame, seen.min() if _inverted(dataset, form) else seen.max())


def _word(form: Layout, frame: Array, value: Any) -> Array:
    word = np.array([value]).astype(frame.dtype)
    whole = frame.dtype.kind == "f" or not form.spare
    return word if whole else np.left_shift(word, form.low, dtype=frame.dtype)


def padding(dataset: Dataset, form: Layout, keyword: str = "PixelPaddingValue") -> int | None:
    """Return PixelPaddingValue, or the limit of its range, when it lies within the bits stored."""
    said = dataset.get(keyword)
    if not isinstance(said, int) or form.keyword in _FLOATS:
        return None
    low, high = form.bounds
    if form.signed and said > high:  # read as US, meant as SS
        said -= 1 << 16
    return said if low <= said <= high else None


def _extreme_entry(dataset: Dataset, *, darkest: bool) -> int:
    entries, first, _ = dataset.RedPaletteColorLookupTableDescriptor
    indices = np.arange(first, first + (entries or 65536))
    light = _colored(dataset, indices.astype(np.uint16)).sum(axis=-1, dtype=np.int64)
    return int(indices[light.argmin() if darkest else light.argmax()])


def bright_range(gray: Array) -> tuple[float, float]:
    """Return the smallest and largest finite value of an array."""
    if gray.dtype.kind == "f":
        gray = gray[np.isfinite(gray)]
    return (float(gray.min()), float(gray.max())) if gray.size else (0.0, 0.0)


def window(gray: Array, low: float, high: float) -> NDArray[np.uint8]:
    """Return gray values between `low` and `high` stretched over 0 to 255."""
    return mapped(gray, np.array([low, max(high, low + 1e-30)]), np.array([0.0, 255.0]))


def mapped(data: Array, knots: Array, curve: Array) -> NDArray[np.uint8]:
    """Return values sent through a piecewise linear curve, as 0 to 255.

    Integers of up to 16 bits go through a table, some rows at a time: a frame of 100 million
    pixels costs little more than the result.
    """
    send = _table(data.dtype, knots, curve)
    result = np.empty(data.shape, np.uint8)
    rows = max(1, _AT_ONCE // max(1, data[:1].size))
    for start in range(0, len(data), rows):
        result[start : start + rows] = send(data[start : start + rows])
    return result


def _table(dtype: np.dtype[Any], knots: Array, curve: Array) -> Callable[[Array], Array]:
    """Return what sends values of a type through a curve."""
    if dtype.kind not in "iu" or dtype.itemsize > 2:
        return lambda part: np.interp(np.nan_to_num(part), knots, curve).astype(np.uint8)
    info = np.iinfo(dtype)
    table = np.interp(np.arange(info.min, info.max + 1), knots, curve).astype(np.uint8)
    # negative values count from the end of the table, as Python's indices do
    return np.roll(table, info.min).__getitem__


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
    form = form or layout(dataset)
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
    for number, frame in enumerate(stored_frames(dataset, form)):
        frame = np.array(_cleared(form, frame))
        change(frame, number)
        yield frame


def _store_native(result: Dataset, form: Layout, change: Callable[[Array, int], None]) -> None:
    whole = _native(form, bytearray(result[form.keyword].value))
    for number, frame in enumerate(whole):
        if form.spare:
            frame[...] = _cleared(form, frame)
        change(frame, number)
    plain = replace(form, photometric="YBR_FULL") if form.subsampled else form
    _set(result, form.keyword, _native_bytes(plain, whole))


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
    plugin = _DECODERS[syntax]
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
