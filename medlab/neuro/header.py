"""NIfTI headers, names and companions: what they say about a patient, and how it goes away.

A NIfTI file is not free of identity: free text in the header, whole DICOM headers in
extensions, the original file name in the gzip container, times and names in the JSON
beside it and in the tables of a BIDS tree.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np

from medlab.errors import InputError
from medlab.neuro.volume import load, write_nifti, write_whole

if TYPE_CHECKING:
    import pandas as pd

Rename = Callable[[str], str]

# What a voxel needs to be placed and read; everything else of a header is left behind.
GEOMETRY = (
    *("dim", "pixdim", "datatype", "bitpix", "dim_info", "xyzt_units"),
    *("scl_slope", "scl_inter", "cal_max", "cal_min"),
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
    *("intent_code", "intent_p1", "intent_p2", "intent_p3"),
    *("slice_start", "slice_end", "slice_code", "slice_duration"),
)
TEXT_FIELDS = frozenset(["descrip", "aux_file", "db_name", "intent_name", "data_type"])
EXTENSIONS = {2: "DICOM", 4: "AFNI", 6: "comment", 18: "free text", 32: "CIFTI", 44: "MRS"}

PLAIN_WORD = re.compile(r"[A-Za-z0-9 _.+\-/\\]{0,64}")
TABLE_COLUMNS = frozenset(
    ["participant_id", "session_id", "filename", "age", "sex", "handedness", "species", "group"]
)
NOT_TOLD = "n/a"  # what BIDS writes for a missing value
TABLE_WORDS = {  # the words BIDS knows for these columns, in lower case
    "sex": frozenset(["female", "f", "male", "m", "other", "o", NOT_TOLD]),
    "handedness": frozenset(["left", "l", "right", "r", "ambidextrous", "a", NOT_TOLD]),
}
LABELED = ("participant_id", "session_id", "filename")
BIDS_NAME = re.compile(
    r"((sub|ses)-[A-Za-z0-9]+/|[a-z]+/)*(sub|ses)-[A-Za-z0-9]+(_[A-Za-z0-9+-]+)*(\.[a-z.]+)?"
)
OLDEST = 89  # HIPAA 164.514(b)(2)(i)(C): ages over 89 are one class
ENTITY = re.compile(r"(?<![A-Za-z0-9])(sub|ses)-([A-Za-z0-9]+)")


@cache
def sidecar_keys() -> frozenset[str]:
    """Return the JSON keys that may stay: numbers and enumerated words on scanner settings."""
    return frozenset(files("medlab.neuro").joinpath("data/sidecar_keys.txt").read_text().split())


class HeaderFinding(NamedTuple):
    """One place that says something beside the voxels.

    Attributes
    ----------
    place : str
        Field, extension, ``gzip name``, JSON key or column.
    kind : str
        ``text``, ``extension``, ``container``, ``time``, ``key`` or ``column``.
    value : str
        What stands there. It may identify a patient: mask it before it is shown.
    """

    place: str
    kind: str
    value: str


def handles(path: Path) -> bool:
    """Return whether `inspect_file` and `clean_file` know files of this name."""
    return _kind(path) is not None


def _kind(path: Path) -> str | None:
    name = path.name.lower()
    for ending, kind in (
        (".nii", "nifti"),
        (".nii.gz", "nifti"),
        (".json", "sidecar"),
        ("participants.tsv", "table"),
        ("_scans.tsv", "table"),
        ("_sessions.tsv", "table"),
        (".bval", "numbers"),
        (".bvec", "numbers"),
    ):
        if name.endswith(ending):
            return kind
    return None


def inspect_file(path: str | os.PathLike[str]) -> list[HeaderFinding]:
    """Return what a NIfTI file, a JSON sidecar or a BIDS table says beside its numbers.

    Parameters
    ----------
    path : path
        ``.nii``, ``.nii.gz``, ``.json``, ``participants.tsv``, ``*_scans.tsv``,
        ``*_sessions.tsv``, ``.bval`` or ``.bvec``.

    Returns
    -------
    list of HeaderFinding
        Empty for a file as `clean_file` writes it.

    Raises
    ------
    InputError
        If the file has another name or cannot be read.
    """
    path = Path(path)
    kind = _kind(path)
    if kind == "nifti":
        return _inspect_nifti(path)
    if kind == "sidecar":
        found = _read_json(path)
        return [HeaderFinding(k, "key", str(v)) for k, v in found.items() if not _keeps(k, v)]
    if kind == "table":
        return _inspect_table(_read_table(path))
    if kind == "numbers":
        return [] if _is_numbers(path) else [HeaderFinding("content", "text", "not only numbers")]
    raise InputError(
        f"no way to read files that end in {path.suffix or 'nothing'}; convert to NIfTI"
    )


def clean_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    rename: Rename | None = None,
) -> list[str]:
    """Write a NIfTI file, sidecar or BIDS table without what it says beside its numbers.

    Voxel bytes, type, scaling and geometry stay as they are. Nothing is written on error.

    Parameters
    ----------
    source, target : path
        See `inspect_file` for the names known; `target` has the same ending.
    rename : callable, optional
        From a subject or session label (without ``sub-``) to the code that stands for it,
        in tables. What is not renamed stays.

    Returns
    -------
    list of str
        The places that were emptied (names of fields, keys and columns, not values).

    Raises
    ------
    InputError
        If the file cannot be read, or its name is not known.
    """
    source, target = Path(source), Path(target)
    found = [finding.place for finding in inspect_file(source)]
    kind = _kind(source)
    if kind == "nifti":
        write_nifti(target, _clean_bytes(_unpacked(source)))
    elif kind == "sidecar":
        kept = {k: v for k, v in _read_json(source).items() if _keeps(k, v)}
        write_whole(target, (json.dumps(kept, indent=2, sort_keys=True) + "\n").encode())
    elif kind == "table":
        table = _clean_table(_read_table(source), rename)
        write_whole(target, table.to_csv(sep="\t", index=False, lineterminator="\n").encode())
    elif found:
        raise InputError("a gradient table holds only numbers; this file holds something else")
    else:
        write_whole(target, source.read_bytes())
    return found


def clean_header(img: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return an image with the same voxels and geometry and an otherwise empty header.

    Parameters
    ----------
    img : Nifti1Image or Nifti2Image
        Its text fields, extensions and file name do not travel.

    Returns
    -------
    Nifti1Image
        Of the same class, type, scaling and byte order; in memory.

    Examples
    --------
    >>> import nibabel, numpy
    >>> img = nibabel.Nifti1Image(numpy.zeros((4, 4, 4), "i2"), numpy.eye(4))
    >>> img.header["descrip"] = "Time=143205.1"
    >>> str(clean_header(img).header["descrip"].astype(str))
    ''
    """
    if not isinstance(img, nib.Nifti1Image):
        img = nib.Nifti1Image.from_image(load(img))
    clean = type(img)(np.asanyarray(img.dataobj), img.affine, _clean_fields(img.header))
    clean.header.set_data_dtype(img.get_data_dtype())
    return clean


def rename_bids(path: Path, rename: Rename) -> Path:
    """Return a relative path with each ``sub-`` and ``ses-`` label replaced by its code.

    Parameters
    ----------
    path : Path
        Such as ``sub-mueller/ses-1/anat/sub-mueller_ses-1_T1w.nii.gz``.
    rename : callable
        From a label to letters and digits.
    """
    return Path(*(_rename_labels(part, rename) for part in path.parts))


def _rename_labels(text: str, rename: Rename) -> str:
    return ENTITY.sub(lambda found: f"{found[1]}-{rename(found[2])}", text)


def _unpacked(path: Path) -> bytes:
    """Return the bytes of a NIfTI file, decompressed."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            "this image file is missing, cut off or damaged; copy it again"
        ) from error


def _parse(content: bytes) -> nib.Nifti1Header:
    """Return the header in these bytes as it is stored.

    An image of nibabel will not do: it moves offset and scaling out of its header.
    """
    errors = (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError)
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if kind.may_contain_header(content):
            try:
                header: nib.Nifti1Header = kind.from_fileobj(io.BytesIO(content))
                return header
            except (*errors, ValueError, OSError) as error:
                sentence = "this NIfTI header is damaged; convert the image again"
                raise InputError(sentence) from error
    raise InputError("this file is no NIfTI image: its header has another size or magic word")


def _extent(header: nib.Nifti1Header) -> tuple[int, int]:
    """Return the bytes at which the voxels begin and end."""
    start = int(header.get_data_offset())
    size = int(np.prod(header.get_data_shape(), dtype=np.int64))
    return start, start + size * header.get_data_dtype().itemsize


def _clean_fields(header: nib.Nifti1Header) -> nib.Nifti1Header:
    """Return a new header with the geometry of another and nothing else."""
    clean = type(header)(endianness=header.endianness)
    for name in GEOMETRY:
        clean[name] = header[name]
    return clean


def _clean_bytes(content: bytes) -> bytes:
    """Return a NIfTI file with a clean header and the very bytes of its voxels."""
    stored = _parse(content)
    header = _clean_fields(stored)
    start, end = _extent(stored)
    voxel_bytes = content[start:end]
    if len(voxel_bytes) != end - start:
        raise InputError("this image file is cut off: it holds fewer voxels than its header says")
    first = header.single_vox_offset
    header["vox_offset"] = first
    return bytes(header.binaryblock).ljust(first, b"\0") + voxel_bytes


def _inspect_nifti(path: Path) -> list[HeaderFinding]:
    """Return text fields, extensions, stray bytes and what the gzip container tells."""
    content = _unpacked(path)
    header = _parse(content)
    found = _container(path)
    for name in sorted(TEXT_FIELDS & set(header)):
        if _text(header[name]):
            found.append(HeaderFinding(name, "text", _text(header[name])))
    for extension in header.extensions:
        code = int(extension.get_code())
        name = f"extension {code} ({EXTENSIONS.get(code, 'unknown')})"
        found.append(HeaderFinding(name, "extension", _text(extension.get_content())))
    return found + _stray(content, header)


def _text(value: Any) -> str:
    """Return the printable start of a field."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return "".join(c if c.isprintable() else " " for c in str(value)).strip()[:200]


def _stray(content: bytes, header: nib.Nifti1Header) -> list[HeaderFinding]:
    """Return what stands between header and voxels outside of extensions, and after the voxels."""
    start, end = _extent(header)
    places = {"bytes after the voxels": content[end:]}
    if not header.extensions:
        places["bytes before the voxels"] = content[header.single_vox_offset : start]
    return [
        HeaderFinding(name, "text", _text(rest))
        for name, rest in places.items()
        if rest.strip(b"\0")
    ]


def _container(path: Path) -> list[HeaderFinding]:
    """Return the name, comment and time that a gzip file keeps of its original."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:2] != b"\x1f\x8b":
        return []
    flags, found, at = head[3], [], 10
    if int.from_bytes(head[4:8], "little"):
        time = int.from_bytes(head[4:8], "little")
        found.append(HeaderFinding("gzip time", "time", str(np.datetime64(time, "s"))))
    if flags & 4:
        at += 2 + int.from_bytes(head[at : at + 2], "little")
        found.append(HeaderFinding("gzip extra field", "container", ""))
    for flag, name in ((8, "gzip name"), (16, "gzip comment")):
        if flags & flag:
            text, _, rest = head[at:].partition(b"\0")
            found.append(HeaderFinding(name, "container", _text(text)))
            at = len(head) - len(rest)
    return found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError("this sidecar is no JSON that can be read") from error
    if not isinstance(found, dict):
        raise InputError("a sidecar is one JSON object of keys and values")
    return found


def _keeps(key: str, value: Any) -> bool:
    """Return whether a sidecar entry stays: a known key with numbers or plain words."""
    if key not in sidecar_keys():
        return False
    if isinstance(value, list):
        return all(_keeps(key, item) for item in value)
    if isinstance(value, str):
        return PLAIN_WORD.fullmatch(value) is not None
    return isinstance(value, bool | int | float)


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError("this table is no tab-separated text that can be read") from error


def _inspect_table(table: pd.DataFrame) -> list[HeaderFinding]:
    return [
        HeaderFinding(str(name), "column", " ".join(table[name].head(3)))
        for name in table.columns
        if name not in TABLE_COLUMNS or [_cell(name, v) for v in table[name]] != list(table[name])
    ]


def _cell(column: str, value: str) -> str:
    """Return what may stand in a known column: no age over 89, no words but plain ones."""
    if column == "age":
        try:
            return str(OLDEST) if float(value) > OLDEST else value
        except ValueError:
            return NOT_TOLD  # a date of birth, say
    if column in TABLE_WORDS:
        return value if value.lower() in TABLE_WORDS[column] else NOT_TOLD
    if column in LABELED:
        return value if BIDS_NAME.fullmatch(value) else NOT_TOLD
    return value if PLAIN_WORD.fullmatch(value) else NOT_TOLD


def _clean_table(table: pd.DataFrame, rename: Rename | None) -> pd.DataFrame:
    """Return the table with known columns only, checked values, and coded labels."""
    clean = table[[name for name in table.columns if name in TABLE_COLUMNS]].copy()
    for name in clean.columns:
        clean[name] = [_cell(name, value) for value in clean[name]]
        if rename is not None and name in LABELED:
            clean[name] = [_rename_labels(value, rename) for value in clean[name]]
    return clean


def _is_numbers(path: Path) -> bool:
    try:
        np.array(path.read_text(encoding="ascii").split(), dtype=float)
    except (OSError, ValueError):
        return False
    return True
