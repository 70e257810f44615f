"""Data hidden in the pixels of DICOM and NIfTI files, or in a private element, and found again."""

from __future__ import annotations

import copy
import gzip
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydicom import Dataset
from pydicom.uid import generate_uid

from medlab import dicom
from medlab.arrays import Array
from medlab.crypto import steganography
from medlab.crypto.cipher import seal, unseal
from medlab.crypto.keys import subkey
from medlab.dicom.files import quiet_pydicom
from medlab.disk import appearing
from medlab.errors import InputError, RefusedError, UsageError
from medlab.methods.encryption import leave, take
from medlab.neuro.nifti_header import stored_voxels
from medlab.neuro.volume import is_nifti
from medlab.pixels import frames

_PRIVATE = "private"
_METHODS = (_PRIVATE, *steganography.METHODS)  # in the order in which they are looked for
_CREATOR = "MEDLAB HIDDEN"
_OF_REWRITE = ("ImageType", "SmallestImagePixelValue", "LargestImagePixelValue")
_PICTURES = (".jpg", ".jpeg", ".jp2", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")


class _Image(NamedTuple):
    """Pixels (the last axes are rows and columns), their bounds, the file with other pixels."""

    pixels: Array
    bits: tuple[int, int] | None
    content: Callable[[Array], bytes]


def hide(source: Path, target: Path, payload: Path, key: bytes, method: str = "shift") -> int:
    """Write a copy of an image file in which a payload is hidden; return the payload's length.

    The copy is read again and compared before it gets its name.

    Parameters
    ----------
    source, target : Path
        DICOM, or NIfTI with integer voxels. A DICOM target has a SOP Instance UID of its own,
        but for ``private``; the rest of the header stays.
    payload : Path
    key : bytes
        32 bytes.
    method : {"shift", "expansion", "lsb", "private"}
        See `medlab.crypto.steganography.embed`; ``private`` is an element of a private block, and
        for DICOM only.

    Raises
    ------
    InputError
        If the payload does not fit, or the image cannot be read.
    RefusedError
        If the pixels would not come back: compression with loss, bits beside the values. If the
        target exists.
    """
    _check_targets(source, target)
    data = payload.read_bytes()
    with _appearing(target, _hidden(source, data, key, method)) as part:
        if _found(part, key, [method])[1] != data:
            raise RefusedError("what was hidden did not come back, so nothing was written")
    return len(data)


def reveal(source: Path, key: bytes, payload: Path, original: Path | None = None) -> str:
    """Write what is hidden in an image file, and the file as it was; return the method.

    Parameters
    ----------
    source : Path
        What `hide` wrote.
    key : bytes
        32 bytes.
    payload : Path
        Where what was hidden goes.
    original : Path, optional
        Where the file goes with the pixels that it had before. A DICOM file gets another SOP
        Instance UID, since the first one is not known any more.

    Raises
    ------
    RefusedError
        If the key is another one, the image was altered, nothing is hidden in it, or the
        original is asked for and cannot be had. Nothing is written then.
    """
    _check_targets(source, original, payload)
    method, data, pixels = _found(source, key, _METHODS)
    with ExitStack() as stack:
        if original is not None:
            stack.enter_context(_appearing(original, _original(source, pixels, method)))
        stack.enter_context(_appearing(payload, data))
    return method


def detect(source: Path, clean: Path | None = None) -> dict[str, float]:
    """Return what chi-square test and RS analysis say of an image file, and of the clean one."""
    figures = {}
    for prefix, path in (("", source), ("clean_", clean)):
        if path is not None:
            pixels = _opened(path).pixels
            figures[f"{prefix}chi_square_p"] = steganography.chi_square(pixels)
            figures[f"{prefix}rs_rate"] = steganography.rs_rate(pixels)
    return figures


def _check_targets(source: Path, image: Path | None, *others: Path) -> None:
    """Refuse outputs that exist or have one name, and an image under the name of another kind."""
    targets = [*others, *([image] if image else [])]
    if len({path.resolve() for path in targets}) < len(targets):
        raise UsageError("two outputs have one name; give each its own")
    if any(path.exists() or path.is_symlink() for path in targets):
        raise RefusedError("an output exists already; choose another name")
    name = image.name.lower() if image else ""
    if name.endswith(_PICTURES):
        raise RefusedError(
            "a picture format does not keep the values; the target is DICOM or NIfTI"
        )
    if image and is_nifti(image) is dicom.is_dicom(source):
        raise InputError("NIfTI, whose name ends in .nii or .nii.gz, stays NIfTI, and DICOM DICOM")


@contextmanager
def _appearing(target: Path, content: bytes) -> Iterator[Path]:
    """Give a temporary path that holds the content; it gets its name when all went well."""
    if target.name.lower().endswith(".nii.gz"):
        content = gzip.compress(content, 5, mtime=0)  # with neither name nor time
    try:
        with appearing(target, 0o600, replace=False) as part:
            part.write_bytes(content)
            yield part
    except PermissionError:
        raise
    except OSError as error:
        raise InputError(f"an output cannot be written: {error.strerror}") from None


@quiet_pydicom()
def _hidden(source: Path, data: bytes, key: bytes, method: str) -> bytes:
    """Return the content of the file with the payload in it."""
    if method == _PRIVATE:
        return _with_element(source, data, key)
    image = _opened(source)
    return image.content(steganography.embed(image.pixels, data, key, method, bits=image.bits))


@quiet_pydicom()
def _found(path: Path, key: bytes, methods: Sequence[str]) -> tuple[str, bytes, Array | None]:
    """Return the method, the payload, and the pixels as they were where they are to be had."""
    image = None
    for method in methods:
        with suppress(RefusedError):
            if method == _PRIVATE:
                return method, _element(path, key), None
            image = image or _opened(path)
            return method, *steganography.extract(image.pixels, key, method, bits=image.bits)
    raise RefusedError("wrong key, an altered image, or nothing is hidden in this file")


@quiet_pydicom()
def _original(source: Path, pixels: Array | None, method: str) -> bytes:
    if method == _PRIVATE:
        dataset = dicom.read(source)
        take(dataset, _CREATOR)
        return dicom.to_bytes(dataset)
    if pixels is None:
        raise RefusedError(f"{method} cannot restore the original; reveal without it")
    return _opened(source).content(pixels)


def _opened(path: Path) -> _Image:
    if dicom.is_dicom(path):
        return _of_dicom(dicom.read(path))
    content, place, voxels = stored_voxels(path)
    before, behind = content[: place.start], content[place.stop :]
    return _Image(voxels, None, lambda pixels: before + pixels.tobytes() + behind)


@quiet_pydicom()
def _of_dicom(dataset: Dataset) -> _Image:
    form = frames.layout(dataset)
    stored = [frames.values(form, frame) for frame in frames.stored_frames(dataset, form)]
    pixels = np.moveaxis(np.stack(stored), 3, 1)  # samples as frames of their own
    return _Image(pixels, form.bounds, partial(_with_pixels, dataset, form))


def _comes_back(dataset: Dataset, form: frames.Layout) -> bool:
    """Tell whether the stored values are all that there is, and are written as they are read."""
    if form.compressed:
        hidden = (frames.hides(form, frame) for frame in frames.stored_frames(dataset, form))
        return form.lossless and not any(hidden)
    same = frames.rewrite(dataset, lambda frame, number: None, form)
    return bool(same[form.keyword].value == dataset[form.keyword].value)


@quiet_pydicom()
def _with_pixels(dataset: Dataset, form: frames.Layout, pixels: Array) -> bytes:
    """Return a file with other values, another SOP Instance UID, and else the same header."""
    if not _comes_back(dataset, form):
        raise RefusedError(
            "the stored values would not come back bit for bit: they are compressed with loss, or "
            "something stands beside them; clean the pixels first"
        )
    out = with_pictures(dataset, form, np.moveaxis(pixels, 1, 3))
    out.SOPInstanceUID = out.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return dicom.to_bytes(out)


def with_pictures(dataset: Dataset, form: frames.Layout, pictures: Array) -> Dataset:
    """Return a data set with other stored values, and else the same header.

    Parameters
    ----------
    dataset : Dataset
    form : Layout
        Of its pixels.
    pictures : ndarray, shape (frames, rows, columns, samples)
    """

    def change(frame: Array, number: int) -> None:
        frame[...] = np.left_shift(pictures[number].astype(frame.dtype), form.low)

    out = frames.rewrite(dataset, change, form)
    for keyword in _OF_REWRITE:
        out.pop(keyword, None)
        if keyword in dataset:
            out[keyword] = copy.deepcopy(dataset[keyword])
    return out


def _with_element(source: Path, data: bytes, key: bytes) -> bytes:
    if not dicom.is_dicom(source):
        raise InputError("a private element is for DICOM only; take another method")
    dataset = dicom.read(source)
    even = data + b"\1" + bytes((len(data) + 1) % 2)  # DICOM would add a byte to an odd number
    sealed = seal(even, subkey(key, "hidden element"), _bound(dataset))
    leave(dataset, _CREATOR, "OB", sealed)
    return dicom.to_bytes(dataset)


def _element(path: Path, key: bytes) -> bytes:
    dataset = dicom.read(path) if dicom.is_dicom(path) else Dataset()
    sealed = take(dataset, _CREATOR) or b""
    even = unseal(sealed, subkey(key, "hidden element"), _bound(dataset))
    return even.rstrip(b"\0")[:-1]


def _bound(dataset: Dataset) -> bytes:
    """Return what a sealed element is bound to: this instance, and its pixels as they stand."""
    pixels = [bytes(dataset[word].value) for word in frames.KEYWORDS if word in dataset]
    uid = str(dataset.get("SOPInstanceUID")).encode()
    return hashlib.sha256(uid + b" " + b"".join(pixels)).digest()
