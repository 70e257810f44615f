"""NIfTI headers, names and companions: what they say about a patient, and how it goes away.

A NIfTI file is not free of identity: free text in the header, whole DICOM headers in
extensions, the original file name in the gzip container, times and names in the JSON
beside it and in the tables of a BIDS tree.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np

from medlab.arrays import Array, Mask
from medlab.dicom.dates import OLDEST_AGE
from medlab.disk import write_whole
from medlab.errors import InputError
from medlab.neuro.bids import Rename, coded_part, coded_path, schema
from medlab.neuro.volume import load, write_nifti

if TYPE_CHECKING:
    import pandas as pd

_Known = Callable[[str], bool]

# What a voxel needs to be placed and read; everything else of a header is left behind.
_GEOMETRY = (
    *("dim", "pixdim", "datatype", "bitpix", "dim_info", "xyzt_units"),
    *("scl_slope", "scl_inter", "cal_max", "cal_min"),
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
    *("intent_code", "intent_p1", "intent_p2", "intent_p3"),
    *("slice_start", "slice_end", "slice_code", "slice_duration"),
)
_TEXT_FIELDS = frozenset(["descrip", "aux_file", "db_name", "intent_name", "data_type"])
_EXTENSIONS = {2: "DICOM", 4: "AFNI", 6: "comment", 18: "free text", 32: "CIFTI", 44: "MRS"}
#: Codes of extensions without which nobody can tell what the voxels are (nifti1.h: diffusion
#: directions of MiND, CIFTI's grayordinates, times of frames); those of spectra can be cleaned.
_NEEDED = frozenset([20, 22, 24, 26, 32, 34])
_SPECTRA = 44
_SPECTRA_NAME = re.compile(r"mrs_v\d+_\d+")  # the intent name that NIfTI-MRS requires

_PLAIN_WORD = re.compile(r"[A-Za-z0-9 _.+\-/\\]{0,64}")
_NOT_TOLD = "n/a"  # what BIDS writes for a missing value
#: What columns of tables may hold: labels, whole years, numbers, or the words given, in lower
#: case. In a column of words, others stay when two rows say them: a name stands in one.
_COLUMNS: dict[str, str | frozenset[str]] = {
    **dict.fromkeys(["participant_id", "session_id", "filename"], "label"),
    "age": "years",
    "sex": frozenset(["female", "f", "male", "m", "other", "o"]),
    "handedness": frozenset(["left", "l", "right", "r", "ambidextrous", "a"]),
    "species": frozenset(["homo sapiens", "mus musculus", "rattus norvegicus"]),
    "group": frozenset(),
}
_CONTEXT_COLUMNS: dict[str, str | frozenset[str]] = {
    **dict.fromkeys(["onset", "duration", "response_time", "sample"], "number"),
    "trial_type": frozenset(),
    "volume_type": frozenset(["control", "label", "m0scan", "deltam", "cbf", "norf"]),
}
_FREE = ("species", "group", "trial_type")
_OF_SCANS = ("_events.tsv", "_aslcontext.tsv")
#: Values that BIDS requires and that identify: the same in every output.
_SUBSTITUTES = {"Name": "De-identified data set", "TimeZero": "00:00:00"}
_LONGEST_LIFE = 123  # years; what is more is a date, or a number of another kind
_PIECE = 1 << 20  # bytes of a gzip file read at once


class _HeaderFinding(NamedTuple):
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


def kind_by_name(path: Path) -> str:
    """Return as what a file of this name is cleaned: an image, or what lies beside images.

    ``"nifti"``, either half of a pair too, ``"sidecar"``, ``"table"`` or ``"numbers"``, in letters
    of any case; empty for names that `inspect_file` and `clean_file` do not know.
    """
    name = path.name.lower()
    for ending, kind in (
        (".nii", "nifti"),
        (".nii.gz", "nifti"),
        (".hdr", "nifti"),
        (".img", "nifti"),
        (".json", "sidecar"),
        ("participants.tsv", "table"),
        ("_scans.tsv", "table"),
        ("_sessions.tsv", "table"),
        *((ending, "table") for ending in _OF_SCANS),
        (".bval", "numbers"),
        (".bvec", "numbers"),
    ):
        if name.endswith(ending):
            return kind
    return ""


def inspect_file(path: str | os.PathLike[str]) -> list[_HeaderFinding]:
    """Return what a NIfTI file, a JSON sidecar or a BIDS table says beside its numbers.

    Parameters
    ----------
    path : path
        ``.nii``, ``.nii.gz``, either half of a pair (``.hdr``, ``.img``), ``.json``,
        ``participants.tsv``, ``*_scans.tsv``, ``*_sessions.tsv``, ``*_events.tsv``,
        ``*_aslcontext.tsv``, ``.bval`` or ``.bvec``.

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
    kind = kind_by_name(path)
    if kind == "nifti":
        return _inspect_nifti(path)
    if kind == "sidecar":
        facts, rest = read_sidecar(path), _clean_sidecar(path, path)
        return [_HeaderFinding(k, "key", str(v)) for k, v in facts.items() if rest.get(k) != v]
    if kind == "table":
        return _inspect_table(path)
    if kind == "numbers":
        return [] if _is_numbers(path) else [_HeaderFinding("content", "text", "not only numbers")]
    raise InputError(
        f"files that end in {path.suffix or 'nothing'} cannot be cleaned (MGH images and "
        "compressed pairs among them); convert to .nii or .nii.gz"
    )


def clean_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    rename: Rename | None = None,
    known: _Known | None = None,
    removed: Mask | None = None,
    empty: float = 0,
) -> list[str]:
    """Write a NIfTI file, sidecar or BIDS table without what it says beside its numbers.

    Voxel bytes, type, scaling and geometry stay as they are. Nothing is written on error.

    Parameters
    ----------
    source, target : path
        See `inspect_file` for the names known; `target` has the same ending.
    rename : callable, optional
        From a label (without ``sub-``) to the code that stands for it, in tables and in paths
        of sidecars. What is not renamed stays.
    known : callable, optional
        Tells whether a text says a name or number of a patient: then it does not stay.
    removed : ndarray of bool, shape (X, Y, Z), optional
        Voxels that get the value `empty` (as scaled), or the stored value nearest to it.

    Returns
    -------
    list of str
        The places that were emptied (names of fields, keys and columns, not values).

    Raises
    ------
    InputError
        If the file cannot be read, its name is not known, the target's name asks for another
        form, or an extension says what the voxels mean and cannot be cleaned.
    """
    source, target = Path(source), Path(target)
    places = [finding.place for finding in inspect_file(source)]
    kind = kind_by_name(source)
    if kind != kind_by_name(target):
        raise InputError("the output's name has another ending than the input asks for")
    if kind == "nifti":
        _write(target, _clean_bytes(_unpacked(source)[0], known, removed, empty))
    elif kind == "sidecar":
        sidecar = _clean_sidecar(source, target, rename, known)
        write_whole(target, (json.dumps(sidecar, indent=2, sort_keys=True) + "\n").encode())
    elif kind == "table":
        table = _clean_table(source, rename, known)
        write_whole(target, table.to_csv(sep="\t", index=False, lineterminator="\n").encode())
    elif places:
        raise InputError("a gradient table holds only numbers; this file holds something else")
    else:
        write_whole(target, source.read_bytes())
    return places


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


def stored_voxels(path: Path) -> tuple[bytes, slice, Array]:
    """Return the bytes of a NIfTI file, decompressed, where the voxels stand in them, and these.

    The axes run as they are stored: the last one is the fastest.

    Raises
    ------
    InputError
        If it is none, is damaged, or holds fewer voxels than its header says.
    """
    content, _ = _unpacked(path)
    header = _parse(content)
    try:
        place = slice(*_extent(header))
        flat = np.frombuffer(content[place], header.get_data_dtype())
        return content, place, flat.reshape(header.get_data_shape()[::-1])
    except (nib.spatialimages.HeaderDataError, ValueError):
        raise InputError(
            "this image file is cut off or damaged: its header promises other voxels"
        ) from None


def _unpacked(path: Path) -> tuple[bytes, list[_HeaderFinding]]:
    """Return the bytes of a NIfTI file, decompressed, and what its container tells."""
    try:
        content, *voxels = (part.read_bytes() for part in halves(path))
        if voxels:
            return _joined(content, *voxels), []
        return _inflated(content) if content[:2] == b"\x1f\x8b" else (content, [])
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            "this image file is missing, cut off or damaged; copy it again"
        ) from error


def halves(path: Path) -> tuple[Path, ...]:
    """Return header file and voxel file of the pair to which either belongs, else the one file."""
    endings = (".hdr", ".img")
    if path.suffix.lower() not in endings:
        return (path,)
    return tuple(path.with_suffix(e.upper() if path.suffix.isupper() else e) for e in endings)


def _joined(head: bytes, voxels: bytes) -> bytes:
    """Return a pair as one file: header, extensions, voxels."""
    header = _parse(head)
    rest = head[header.sizeof_hdr :].ljust(4, b"\0")
    start = int(header["vox_offset"])
    header["magic"], header["vox_offset"] = header.single_magic, header.sizeof_hdr + len(rest)
    return bytes(header.binaryblock) + rest + voxels[start:]


def _write(target: Path, content: bytes) -> None:
    """Write a NIfTI file, in two halves where the name is that of one."""
    parts = halves(target)
    if parts == (target,):
        write_nifti(target, content)
        return
    header, end = _parse(content), _extent(_parse(content))[0]
    header["magic"], header["vox_offset"] = header.pair_magic, 0
    head = bytes(header.binaryblock) + content[header.sizeof_hdr : end]
    for path, part in zip(parts, (head, content[end:]), strict=True):
        write_whole(path, part)


def _inflated(content: bytes) -> tuple[bytes, list[_HeaderFinding]]:
    """Return what all members of a gzip file hold, and what their headers tell."""
    at, pieces, findings = 0, [], []
    while at < len(content):
        findings += _container(content[at : at + 4096])
        inflate = zlib.decompressobj(31)
        while not inflate.eof:
            if at >= len(content):
                raise EOFError
            piece = content[at : at + _PIECE]
            pieces.append(inflate.decompress(piece))
            at += len(piece) - len(inflate.unused_data)
        while content[at : at + 1] == b"\0":  # padding, as of tapes
            at += 1
    return b"".join(pieces), list(dict.fromkeys(findings))


def _parse(content: bytes) -> nib.Nifti1Header:
    """Return the header in these bytes as it is stored.

    An image of nibabel will not do: it moves offset and scaling out of its header.
    """
    errors = (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError)
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if kind.may_contain_header(content):
            try:
                # without extensions: nibabel reads them by their code, and fails on liars
                header: nib.Nifti1Header = kind(content[: kind.sizeof_hdr])  # type: ignore[no-untyped-call]
                return header
            except (*errors, ValueError, OSError) as error:
                sentence = "this NIfTI header is damaged; convert the image again"
                raise InputError(sentence) from error
    raise InputError(
        "this file is no NIfTI image but Analyze or another: its header has another size or magic "
        "word; convert it to .nii"
    )


def _extent(header: nib.Nifti1Header) -> tuple[int, int]:
    """Return the bytes at which the voxels begin and end."""
    start = int(header.get_data_offset())
    size = int(np.prod(header.get_data_shape(), dtype=np.int64))
    return start, start + size * header.get_data_dtype().itemsize


def _clean_fields(header: nib.Nifti1Header) -> nib.Nifti1Header:
    """Return a new header with the geometry of another and nothing else."""
    clean = type(header)(endianness=header.endianness)
    for name in _GEOMETRY:
        clean[name] = header[name]
    return clean


def _extensions(content: bytes, header: nib.Nifti1Header) -> tuple[list[tuple[int, bytes]], int]:
    """Return code and content of each extension, and where the last one ends."""
    at, extensions = int(header.single_vox_offset), []
    while content[header.sizeof_hdr] and at + 8 <= int(header.get_data_offset()):
        size, code = struct.unpack_from(header.endianness + "2i", content, at)
        if size < 8 or at + size > int(header.get_data_offset()):
            break
        extensions.append((code, content[at + 8 : at + size]))
        at += size
    return extensions, at


def _clean_extension(code: int, content: bytes, known: _Known | None = None) -> bytes:
    """Return what stays of an extension: the settings of spectra, of other kinds nothing."""
    name = f"extension {code} ({_EXTENSIONS.get(code, 'unknown')})"
    if code in _NEEDED:
        raise InputError(f"{name} says what the voxels mean and cannot be cleaned; convert it")
    if code != _SPECTRA:
        return b""
    try:
        entries = json.loads(content.rstrip(b"\0"))
        rest = {key: v for key, v in entries.items() if _keeps(key, v) and not _says(v, known)}
    except (ValueError, AttributeError, RecursionError):
        raise InputError(f"{name} is no JSON of a spectrum; convert the file again") from None
    return content if rest == entries else json.dumps(rest).encode()


def _clean_bytes(
    content: bytes, known: _Known | None, removed: Mask | None = None, empty: float = 0
) -> bytes:
    """Return a NIfTI file with a clean header and the very bytes of its voxels."""
    stored = _parse(content)
    header = _clean_fields(stored)
    start, end = _extent(stored)
    voxel_bytes = content[start:end]
    if len(voxel_bytes) != end - start:
        raise InputError("this image file is cut off: it holds fewer voxels than its header says")
    extensions = b""
    for code, body in _extensions(content, stored)[0]:
        if text := _clean_extension(code, body, known).rstrip(b"\0"):
            size = -(-(len(text) + 8) // 16) * 16
            extensions += struct.pack(header.endianness + "2i", size, code)
            extensions += text.ljust(size - 8, b"\0")
    if extensions and _SPECTRA_NAME.fullmatch(_text(stored["intent_name"])):
        header["intent_name"] = stored["intent_name"]
    header["vox_offset"] = header.single_vox_offset + len(extensions)
    if removed is not None:
        voxel_bytes = _without(voxel_bytes, stored, removed, empty)
    extender = bytes([bool(extensions), 0, 0, 0])
    return bytes(header.binaryblock) + extender + extensions + voxel_bytes


def _without(content: bytes, header: nib.Nifti1Header, removed: Mask, empty: float) -> bytes:
    """Return the bytes of voxels in which some have the stored value nearest to `empty`."""
    dtype, (slope, inter) = header.get_data_dtype(), header.get_slope_inter()
    value = (empty - (inter or 0)) / (slope or 1)
    if dtype.kind in "iu":
        value = int(np.clip(round(value), np.iinfo(dtype).min, np.iinfo(dtype).max))
    data = np.frombuffer(bytearray(content), dtype).reshape(header.get_data_shape(), order="F")
    data[removed] = value
    return data.tobytes(order="F")


def _inspect_nifti(path: Path) -> list[_HeaderFinding]:
    """Return text fields, extensions, stray bytes and what the gzip container tells."""
    content, stray = _unpacked(path)
    header = _parse(content)
    extensions, end = _extensions(content, header)
    spectra = any(code == _SPECTRA for code, _ in extensions)
    for name in sorted(_TEXT_FIELDS & set(header)):
        text = _text(header[name])
        if text and not (spectra and name == "intent_name" and _SPECTRA_NAME.fullmatch(text)):
            stray.append(_HeaderFinding(name, "text", text))
    for code, body in extensions:
        try:
            clean = _clean_extension(code, body) == body
        except InputError:  # which says so when the file is to be cleaned
            clean = False
        if not clean:
            name = f"extension {code} ({_EXTENSIONS.get(code, 'unknown')})"
            stray.append(_HeaderFinding(name, "extension", _text(body)))
    return stray + _stray(content, header, end)


def _text(value: Any) -> str:
    """Return the printable start of a field."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return "".join(c if c.isprintable() else " " for c in str(value)).strip()[:200]


def _stray(content: bytes, header: nib.Nifti1Header, at: int) -> list[_HeaderFinding]:
    """Return what stands between extensions and voxels, and after the voxels."""
    start, end = _extent(header)
    places = {
        "bytes before the voxels": content[at:start],
        "bytes after the voxels": content[end:],
    }
    return [
        _HeaderFinding(name, "text", _text(rest))
        for name, rest in places.items()
        if rest.strip(b"\0")
    ]


def _container(head: bytes) -> list[_HeaderFinding]:
    """Return the name, comment and time that a gzip member keeps of its original."""
    flags, findings, at = head[3] if len(head) > 3 else 0, [], 10
    if int.from_bytes(head[4:8], "little"):
        time = int.from_bytes(head[4:8], "little")
        findings.append(_HeaderFinding("gzip time", "time", str(np.datetime64(time, "s"))))
    if flags & 4:
        at += 2 + int.from_bytes(head[at : at + 2], "little")
        findings.append(_HeaderFinding("gzip extra field", "container", ""))
    for flag, name in ((8, "gzip name"), (16, "gzip comment")):
        if flags & flag:
            text, _, rest = head[at:].partition(b"\0")
            findings.append(_HeaderFinding(name, "container", _text(text)))
            at = len(head) - len(rest)
    return findings


def _text_of(path: Path) -> str:
    """Return the text of a file: UTF-8, UTF-16 or UTF-32, else Latin-1, which reads any bytes."""
    content = path.read_bytes()
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_sidecar(path: Path) -> dict[str, Any]:
    """Return the keys and values of a JSON sidecar.

    Raises
    ------
    InputError
        If it is no JSON object in text that can be read.
    """
    try:
        entries = json.loads(_text_of(path))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("this sidecar is no JSON that can be read") from error
    if not isinstance(entries, dict):
        raise InputError("a sidecar is one JSON object of keys and values")
    return entries


def _keeps(key: str, value: Any) -> bool:
    """Return whether a sidecar entry stays: a known key with numbers or plain words."""
    form = schema()["keys"].get(key)
    if form is None and key not in schema()["scanner"]:
        return False
    if isinstance(value, list):
        return all(_keeps(key, item) for item in value)
    if isinstance(value, dict):  # an array with its own description, in extensions of spectra
        return form is None and all(_keeps(name, item) for name, item in value.items())
    if isinstance(value, str):
        plain = _PLAIN_WORD.fullmatch(value) is not None
        return plain if form is None else value in form and form != "number"
    return isinstance(value, bool | int | float) and math.isfinite(value)  # NaN is no JSON


def _says(value: Any, known: _Known | None) -> bool:
    """Return whether the texts in a value say a name or number of a patient."""
    texts = re.findall(r'"([^"]*)"', json.dumps(value, ensure_ascii=False))
    return known is not None and known(" ".join(texts))


def _clean_sidecar(
    source: Path, target: Path, rename: Rename | None = None, known: _Known | None = None
) -> dict[str, Any]:
    """Return what stays of a sidecar whose file is to be named `target`."""
    rest: dict[str, Any] = {}
    task = re.search(r"task-([0-9A-Za-z+]+)", target.name)
    for key, value in read_sidecar(source).items():
        if key == "TaskName" and task:
            rest[key] = task[1]
        elif key == "IntendedFor":
            paths = [value] if isinstance(value, str) else value
            coded = [_coded_link(path, rename) for path in paths]
            rest |= {key: coded} if all(coded) else {}
        elif key in _SUBSTITUTES:
            rest[key] = _SUBSTITUTES[key]
        elif _keeps(key, value) and not _says(value, known):
            rest[key] = value
    return rest


def _coded_link(link: Any, rename: Rename | None) -> str | None:
    """Return the path of another file of the tree, with codes; None for anything else."""
    path = PurePosixPath(str(link).removeprefix("bids::"))
    coded = coded_path(path, rename or str)
    return str(link).removesuffix(path.as_posix()) + coded.as_posix() if coded else None


def _read_table(path: Path) -> pd.DataFrame:
    import io

    import pandas as pd

    try:
        text = io.StringIO(_text_of(path))
        return pd.read_csv(text, sep="\t", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError("this table is no tab-separated text that can be read") from error


def identifying(path: Path) -> list[str]:
    """Return what a table says in columns that do not stay, and says of one row alone."""
    if kind_by_name(path) != "table":
        return []
    table, columns = _read_table(path), _columns(path)
    others = [table[name] for name in table.columns if name not in columns]
    return [text for column in others for text in column[~column.duplicated(keep=False)]]


def _inspect_table(path: Path) -> list[_HeaderFinding]:
    table, clean = _read_table(path), _clean_table(path)
    return [
        _HeaderFinding(str(name), "column", " ".join(table[name].head(3)))
        for name in table.columns
        if name not in clean or list(clean[name]) != list(table[name])
    ]


def _columns(path: Path) -> dict[str, str | frozenset[str]]:
    return _CONTEXT_COLUMNS if path.name.lower().endswith(_OF_SCANS) else _COLUMNS


def _clean_table(
    path: Path, rename: Rename | None = None, known: _Known | None = None
) -> pd.DataFrame:
    """Return the table with known columns only, checked values, and coded labels."""
    table, columns = _read_table(path), _columns(path)
    clean = table[[name for name in table.columns if name in columns]].copy()
    for name in clean.columns:
        column = clean[name]
        repeated = set(column[column.duplicated()]) if name in _FREE else set()
        labels = {value for value in repeated if _PLAIN_WORD.fullmatch(value)}
        words = {value for value in labels if known is None or not known(value)}
        clean[name] = [
            v if v in words else _cell(name, columns[name], v, rename or str) for v in column
        ]
    return clean


def _cell(name: str, form: str | frozenset[str], value: str, rename: Rename) -> str:
    """Return what may stand in a cell: a label's code, whole years to 89, a number, a word."""
    if name == "filename":
        return str(_coded_link(value, rename) or _NOT_TOLD)
    if form == "label":
        return coded_part(value, rename) or _NOT_TOLD
    if isinstance(form, frozenset):
        return value if value.lower() in form else _NOT_TOLD
    if form != "number" and value.strip() == f"{OLDEST_AGE}+":  # as BIDS asks for
        return value.strip()
    try:
        number = float(value)
    except ValueError:
        return _NOT_TOLD  # a date of birth, say
    if form == "number":
        return value if math.isfinite(number) else _NOT_TOLD
    return str(min(int(number), OLDEST_AGE)) if 0 <= number <= _LONGEST_LIFE else _NOT_TOLD


def _is_numbers(path: Path) -> bool:
    try:
        np.array(path.read_text(encoding="ascii").split(), dtype=float)
    except (OSError, ValueError):
        return False
    return True
