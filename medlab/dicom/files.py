"""DICOM files: found, told from others, read without trusting them, written."""

from __future__ import annotations

import gc
import os
import struct
import traceback
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom import config as pydicom_config
from pydicom import errors as pydicom_errors
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag
from pydicom.uid import ImplicitVRLittleEndian

from medlab.dicom import passthrough
from medlab.dicom.element_texts import TEXT_VRS, syntax_of, text_at
from medlab.errors import InputError, MedlabError

_DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
MAX_DEPTH = 100
_HEAD = 132
_UNDEFINED = 0xFFFFFFFF
_BEHIND = "bytes that are no element stand behind the last one; cut them off first"
_LONGER = "an element is longer than the file; the file is cut off or damaged"
#: What broken files make pydicom raise. Other errors (a locked database, a misspelled name)
#: are not the file's, and pass.
_OF_BROKEN_FILES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    pydicom_errors.BytesLengthException,
    pydicom_errors.InvalidDicomError,
)


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom from repeating header values: in warnings, in checks, in its errors.

    Raises
    ------
    InputError
        In place of what a broken file makes pydicom raise; it tells where, not with what.
    """
    collects = gc.isenabled()
    gc.disable()  # half the time with 100,000 elements: each is walked over again and again
    try:
        with warnings.catch_warnings(), pydicom_config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    except MedlabError:
        raise
    except NotImplementedError:  # pydicom's for a VR that it does not know
        raise InputError(
            "an element has a value representation that DICOM does not define; mend the file first"
        ) from None
    except RecursionError:
        raise InputError(f"sequences nest deeper than {MAX_DEPTH} levels; refused") from None
    except _OF_BROKEN_FILES as error:  # whose messages repeat values
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"
        raise InputError(
            f"the file cannot be understood ({where}); it may be cut off or damaged"
        ) from None
    finally:
        if collects:
            gc.enable()


def is_dicom(file: Path | str | bytes) -> bool:
    """Tell whether a file looks like DICOM, with or without file meta; folders do not.

    Parameters
    ----------
    file : path or bytes
        One that cannot be read is none; of bytes the first 132 tell.
    """
    if isinstance(file, bytes):
        return _begins_like_dicom(file)
    try:
        with Path(file).open("rb") as stream:
            return _begins_like_dicom(stream.read(_HEAD))
    except OSError:
        return False


def _begins_like_dicom(head: bytes) -> bool:
    if head[128:132] == b"DICM":
        return True
    if len(head) < 8 or head[:4] == b"\0\0\0\0":
        return False
    for order in ("little", "big"):
        group = int.from_bytes(head[:2], order)
        number = int.from_bytes(head[2:4], order)
        if (group << 16 | number) in DicomDictionary and group in (2, 4, 8):
            length = int.from_bytes(head[4:8], order)
            return head[4:6].decode("latin-1") in {*TEXT_VRS, "UI", "UL", "OB"} or length < 1 << 16
    return False


def find_files(folder: Path | str) -> Iterator[Path]:
    """Yield the DICOM files under a folder, in the order of their names.

    A DICOMDIR is left out, and so are links that lead out of the folder: what they point
    to was not given to us. One file may be given instead of a folder.
    """
    root = Path(folder)
    if not root.exists():
        raise InputError("there is no such file or folder; check the path")
    if root.is_file():
        yield root
        return
    for parent, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            inside = not path.is_symlink() or path.resolve().is_relative_to(root.resolve())
            if name.upper() != "DICOMDIR" and inside and is_dicom(path):
                yield path


def read(path: Path | str) -> FileDataset:
    """Read a DICOM file that may be broken or hostile.

    Parameters
    ----------
    path : path
        Any file. Without file meta the transfer syntax is taken to be the one that its
        first elements are written in.

    Returns
    -------
    FileDataset
        Elements are decoded when they are touched; the file itself is closed.

    Raises
    ------
    InputError
        If it is not DICOM, ends too early, or nests deeper than 100 levels.
    """
    return parse(bytes_of(path))


def bytes_of(path: Path | str) -> bytes:
    """Return what a file holds; what keeps it from being read is an `InputError`."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}") from None


def read_header(path: Path | str, tags: list[Any] | None = None) -> FileDataset:
    """Read a file up to its pixel data, or some elements of it; less is checked than by `read`.

    Parameters
    ----------
    path : path
    tags : list of tags or keywords, optional
        The elements that are wanted.
    """
    with quiet_pydicom():
        return pydicom.dcmread(path, force=True, specific_tags=tags, stop_before_pixels=True)


def parse(data: bytes) -> FileDataset:
    """Read DICOM from bytes; see `read`."""
    if not is_dicom(data):
        raise InputError("this is not a DICOM file; leave it out")
    fast = passthrough.parse(data)
    if fast is not None and passthrough.elements(fast):  # every value is as long as it says
        return fast
    with quiet_pydicom():
        dataset = pydicom.dcmread(BytesIO(data), force=True)
        _check(dataset)
        _check_level(dataset, 0)
    return dataset


def _check(dataset: FileDataset) -> None:
    """Refuse what pydicom reads without complaint: short values, missing elements."""
    if not len(dataset):
        raise InputError("the file holds no elements; it may be cut off after its meta header")
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        if not little:
            raise InputError("a big endian file without transfer syntax; mend it first")
        syntax = ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = syntax


def _check_level(dataset: Dataset, depth: int) -> None:
    """Refuse values shorter than they claim and nesting too deep, as far as it is decoded."""
    if depth > MAX_DEPTH:
        raise InputError(f"sequences nest deeper than {MAX_DEPTH} levels; refused")
    for number, element in passthrough.items_of(dataset):
        if getattr(element, "is_raw", False):
            if element.length not in (len(element.value or b""), _UNDEFINED):
                # PS3.5 7.1: tags ascend, so what ends the file has the highest, or is no element
                raise InputError(
                    _LONGER if number == max(passthrough.elements(dataset)) else _BEHIND
                )
        elif getattr(element, "VR", None) == "SQ":
            for item in element.value or ():
                _check_level(item, depth + 1)


def is_dicomdir(dataset: Dataset) -> bool:
    """Tell whether a data set is a DICOMDIR, the index of a medium."""
    meta = getattr(dataset, "file_meta", None)
    named = meta is not None and text_at(meta, 0x00020002) == _DICOMDIR_CLASS
    return named or BaseTag(0x00041220) in dataset


def to_bytes(dataset: Dataset) -> bytes:
    """Return a data set as the bytes of a DICOM file."""
    buffer = BytesIO()
    with quiet_pydicom():
        fast = passthrough.to_bytes(dataset) if isinstance(dataset, FileDataset) else None
        if fast is not None:
            return fast
        named = bool(dataset.get("SOPClassUID") and dataset.get("SOPInstanceUID"))
        syntax = syntax_of(dataset)
        default = {} if syntax else {"implicit_vr": True, "little_endian": True}
        dataset.save_as(buffer, enforce_file_format=named and bool(syntax), **default)
    return buffer.getvalue()
