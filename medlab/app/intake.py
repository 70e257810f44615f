"""What comes in: uploads checked, zips unpacked without trusting them, and what there is now.

Every refusal is one sentence without a file name, for names say who the patient is.
"""

from __future__ import annotations

import gzip
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import pydicom.filereader

from medlab import dicom
from medlab.app.folders import CAP, safe_path
from medlab.dicom.element_texts import frame_count
from medlab.dicom.files import is_dicom, quiet_pydicom, read_header
from medlab.errors import InputError, MedlabError, RefusedError
from medlab.neuro import nifti_header
from medlab.neuro.head_files import names_no_head
from medlab.neuro.head_study import names_head
from medlab.neuro.volume import is_nifti
from medlab.pipeline.pictures import may_hold_head

_UNPACKED = 10 * CAP  # bytes of what is in them
_MOST_FILES = 20_000
_PIECE = 1 << 20
_HEAD = 352
_MODALITIES = frozenset(
    "CT MR PT NM US CR DX MG XA RF OT SC SR PR KO SEG ES OP RTSTRUCT RTPLAN RTDOSE".split()  # noqa: SIM905
)
_LEAST_SLICES = 16  # a localizer or a single image holds no surface of a face
_DEFLATED = "1.2.840.10008.1.2.1.99"
_FULL = "the session is full; start anew, or give the path of a folder on this computer"
_BOMB = (
    f"it unpacks to more than {_UNPACKED // 1_000_000} MB; unpack it yourself and give the path "
    "of the folder on this computer"
)


class _Taken(NamedTuple):
    """What became of uploads: files taken, files left out, and why uploads were refused."""

    files: int
    left_out: int
    refusals: tuple[str, ...]


class Item(NamedTuple):
    """One thing to look at: a series of DICOM files, or a NIfTI file.

    Attributes
    ----------
    name : str
        Such as ``"Series 2: CT, 64 files"``; nothing of a patient.
    paths : tuple of Path
    kind : {"dicom", "nifti"}
    """

    name: str
    paths: tuple[Path, ...]
    kind: str

    @property
    def middle(self) -> Path:
        """The file in the middle."""
        return self.paths[len(self.paths) // 2]


def suggests_head(item: Item) -> bool:
    """Tell whether a head may be in an item, so that cutting its face out is proposed.

    BodyPartExamined is often wrong: it proposes, the face step measures.
    """
    if item.kind == "nifti":
        return True
    try:
        header = dicom.read(item.middle)
        slices = len(item.paths) * frame_count(header)
    except InputError:
        return False
    named = names_head(str(header.get("BodyPartExamined") or ""))
    return may_hold_head(header) and named and slices >= _LEAST_SLICES


def take_in(inbox: Path, folder: Path) -> _Taken:
    """Move what was uploaded into the folder of the session; zips are unpacked.

    Parameters
    ----------
    inbox : Path
        Emptied.
    folder : Path
        Each call fills one subfolder, each zip one in that.

    Returns
    -------
    Taken
        What was refused is gone.
    """
    number = sum(1 for _ in folder.iterdir()) + 1
    place = folder / f"upload-{number}"
    files = left_out = 0
    refusals: list[str] = []
    uploads = sorted(path for path in inbox.rglob("*") if path.is_file())
    for count, path in enumerate(uploads, start=1):
        try:
            if zipfile.is_zipfile(path):
                taken, others = _unpack(path, place / f"zip-{count}", _UNPACKED - _size(folder))
                files, left_out = files + taken, left_out + others
            else:
                _check_file(path)
                if _size(folder) + path.stat().st_size > _UNPACKED:
                    raise RefusedError(_FULL)
                target = place / path.relative_to(inbox)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
                files += 1
        except (MedlabError, OSError) as error:
            why = "its name cannot be used" if isinstance(error, OSError) else error
            refusals.append(f"file {count} of {len(uploads)}: {why}")
        path.unlink(missing_ok=True)
    return _Taken(files, left_out, tuple(refusals))


def _check_file(path: Path) -> None:
    """Refuse a file that is neither DICOM nor NIfTI (nor belongs to one), or is a bomb.

    Raises
    ------
    InputError, RefusedError
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        raise InputError("it is empty")
    if not _is_wanted(path.name, head):
        raise RefusedError("it is neither DICOM nor NIfTI nor a zip of such files")
    if path.name.lower().endswith(".gz") and _exceeds(_gunzipped(path)):
        raise RefusedError(_BOMB)
    if is_dicom(head) and _exceeds(_inflated(path)):
        raise RefusedError(_BOMB)


def _unpack(archive: Path, folder: Path, budget: int) -> tuple[int, int]:
    """Unpack the DICOM and NIfTI files of a zip; all of it, or nothing.

    Parameters
    ----------
    archive : Path
    folder : Path
        A new folder.
    budget : int
        Bytes that may be written.

    Returns
    -------
    files, left_out : int
        Files unpacked, and files of other kinds, which are left out.

    Raises
    ------
    RefusedError
        For names that lead out of the folder, links, encrypted entries, bombs.
    InputError
        If it is damaged, or holds nothing of use.
    """
    written: list[Path] = []
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            _check_entries(entries, budget)
            for entry in entries:
                path = folder / safe_path(entry.filename)
                with opened.open(entry) as stream:  # which gives no more than was declared
                    _write(stream, path, written)
        for path in written:
            _check_file(path)
        if not written:
            raise InputError("the zip holds neither DICOM nor NIfTI files")
    except BaseException as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)):
            raise InputError("the zip is damaged or packed in an unknown way") from None
        raise
    return len(written), len(entries) - len(written)


def _check_entries(entries: Sequence[zipfile.ZipInfo], budget: int) -> None:
    names = [safe_path(entry.filename) for entry in entries]
    if len(set(names)) < len(names):
        raise RefusedError("the zip holds two files of one name")
    if len(entries) > _MOST_FILES:
        raise RefusedError(f"the zip holds more than {_MOST_FILES} files; give the folder's path")
    if any(entry.flag_bits & 1 for entry in entries):
        raise RefusedError("the zip is encrypted; unpack it yourself, or pack it without password")
    kinds = {stat.S_IFMT(entry.external_attr >> 16) for entry in entries}
    if kinds - {0, stat.S_IFREG}:
        raise RefusedError("the zip holds a link or a special file; pack plain files only")
    if sum(entry.file_size for entry in entries) > budget:
        raise RefusedError(_BOMB)


def _write(stream: IO[bytes], path: Path, written: list[Path]) -> None:
    """Write one entry if it is of use, in pieces."""
    piece = stream.read(_HEAD)
    if not piece or not _is_wanted(path.name, piece):
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("xb") as file:
        written.append(path)
        while piece:
            file.write(piece)
            piece = stream.read(_PIECE)


def _is_wanted(name: str, head: bytes) -> bool:
    """Tell by content what DICOM and NIfTI are, by name what belongs to a NIfTI file."""
    lower = name.lower()
    if lower.endswith(".nii.gz"):
        return head[:2] == b"\x1f\x8b"
    if lower.endswith(".nii"):
        return head[344:347] in (b"n+1", b"ni1") or head[4:7] == b"n+2"
    return is_dicom(head) or bool(nifti_header.kind_by_name(Path(name)))


def _exceeds(pieces: Iterator[int]) -> bool:
    total = 0
    for size in pieces:
        total += size
        if total > _UNPACKED:
            return True
    return False


def _gunzipped(path: Path) -> Iterator[int]:
    try:
        with gzip.open(path) as stream:
            while piece := stream.read(_PIECE):
                yield len(piece)
    except (OSError, EOFError, zlib.error):
        raise InputError("the gzip file is cut off or damaged") from None


def _inflated(path: Path) -> Iterator[int]:
    """Give the sizes of the pieces that a deflated DICOM file unpacks to."""
    with path.open("rb") as stream:
        if stream.read(132)[128:] != b"DICM":
            return
    with quiet_pydicom():
        meta = pydicom.filereader.read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") != _DEFLATED:
        return
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    with path.open("rb") as stream:
        stream.seek(144 + int(meta.get("FileMetaInformationGroupLength", 0)))
        while piece := unpacker.unconsumed_tail or stream.read(_PIECE):
            yield len(unpacker.decompress(piece, _PIECE))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def named_folder(text: str) -> Path:
    """Return the folder on this computer that a person named.

    Raises
    ------
    InputError
        If there is none, or nothing of use in it.
    """
    folder = Path(text.strip()).expanduser()
    if not text.strip() or not folder.is_absolute():
        raise InputError("give the whole path of the folder, from the root of the disk on")
    if not folder.is_dir():
        raise InputError("there is no such folder on this computer; check the path")
    if not inventory(folder):
        raise InputError("the folder holds neither DICOM nor NIfTI files that can be read")
    return folder.resolve()


def inventory(folder: Path) -> list[Item]:
    """Return what is in a folder to look at: series by their first file, then scans."""
    series: dict[tuple[str, str], list[Path]] = {}
    tags: list[Any] = ["SeriesInstanceUID", "Modality"]
    for path in dicom.find_files(folder):
        try:
            header = read_header(path, tags)
            with quiet_pydicom():
                uid, modality = str(header.get("SeriesInstanceUID")), str(header.get("Modality"))
        except InputError:
            continue
        series.setdefault((uid, modality), []).append(path)
    items = [
        Item(_named(number, modality, len(paths)), tuple(paths), "dicom")
        for number, ((_, modality), paths) in enumerate(series.items(), start=1)
    ]
    for number, path in enumerate(_scans(folder), start=1):
        mask = " (a mask by its name)" if names_no_head(path) else ""
        items.append(Item(f"Scan {number}: NIfTI{mask}", (path,), "nifti"))
    return items


def _named(number: int, modality: str, count: int) -> str:
    kind = modality if modality in _MODALITIES else "other kind"
    return f"Series {number}: {kind}, {counted(count, 'file')}"


def counted(number: int, what: str) -> str:
    """Return a number and a noun, such as ``"1 file"`` and ``"3 files"``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _scans(folder: Path) -> list[Path]:
    """Return the NIfTI files of a folder; links that lead out of it are not followed."""
    root = folder.resolve()
    paths = sorted(filter(is_nifti, folder.rglob("*")))
    return [path for path in paths if path.is_file() and path.resolve().is_relative_to(root)]
