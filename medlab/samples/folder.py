"""Write the sample hospital into a folder, with the ledger of what it gives away."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import nibabel as nib
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from medlab.disk import write_whole
from medlab.errors import InputError, RefusedError
from medlab.samples import people, studies
from medlab.samples.people import DEFAULT_SEED, Cohort, cohort
from medlab.samples.studies import Made
from medlab.samples.t1_heads import grid_shape, head

_Entry = dict[str, Any]
_Facts = list[tuple[str, str]]


# Elements whose purpose is to hold such a thing; found elsewhere, it is free text.
_HOMES = frozenset({
    "PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames",
    "AccessionNumber", "PatientAddress", "PatientTelephoneNumbers", "PatientMotherBirthName",
    "ReferringPhysicianName", "OperatorsName", "InstitutionName", "InstitutionAddress",
    "StationName", "DeviceSerialNumber", "PerformingPhysicianName",
})  # fmt: skip
# Elements made for something else altogether, in which staff type what they should not.
_WRONG_USE = frozenset({"Allergies", "Occupation", "MedicalAlerts", "EthnicGroup", "FilterType"})


def _planted(dataset: Dataset, facts: _Facts, file: str) -> list[_Entry]:
    """Return an entry for every fact in a data set, its file meta, or its file name."""
    entries = [
        _entry(file, "filename", kind, form, "")
        for kind, fact in facts
        if (form := _stands_in(fact, file))
    ]
    for element, path, nested in _walk(dataset):
        for kind, text in _found(element, facts):
            entries.append(_entry(file, _channel(element, path, nested), kind, text, path))
    for element in dataset.file_meta:
        for kind, text in _found(element, facts):
            entries.append(_entry(file, "meta", kind, text, _path(element)))
    return entries


def _entry(file: str, channel: str, kind: str, value: str, path: str) -> _Entry:
    return {"file": file, "channel": channel, "kind": kind, "value": value, "path": path}


def _path(element: DataElement) -> str:
    return f"({element.tag.group:04X},{element.tag.element:04X})"


def _walk(dataset: Dataset, place: str = "") -> Iterator[tuple[DataElement, str, bool]]:
    """Yield every element that is no sequence, its path, and whether it is inside one."""
    for element in dataset:
        path = place + _path(element)
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from _walk(item, f"{path}[{number}].")
        elif element.keyword != "PixelData":
            yield element, path, bool(place)


def _channel(element: DataElement, path: str, nested: bool) -> str:
    """Return the way by which an identifier leaks from this element."""
    if any(int(group, 16) % 2 for group in re.findall(r"\(([0-9A-F]{4}),", path)):
        return "private"
    if element.VR == "UI":
        return "uid"
    if element.VR in {"DA", "DT"} and element.keyword != "PatientBirthDate":
        return "date"
    if nested:
        return "nested"
    if element.keyword in _HOMES:
        return "public"
    return "wrong-use" if element.keyword in _WRONG_USE else "freetext"


def _found(element: DataElement, facts: _Facts) -> list[tuple[str, str]]:
    """Return the facts that stand in an element; a UID of an instance is one by itself."""
    value = element.value
    values = value if isinstance(value, (list, tuple)) else [value]
    text = value.decode("latin-1") if isinstance(value, bytes) else "\\".join(map(str, values))
    hits = [(kind, as_it_is) for kind, fact in facts if (as_it_is := _stands_in(fact, text))]
    if element.VR == "UI" and element.keyword != "ImplementationClassUID":
        uids = [str(uid) for uid in values if uid]
        # those of the standard are of no instance
        hits += [("uid", uid) for uid in uids if not uid.startswith("1.2.840.10008.")]
    return hits


def _stands_in(fact: str, text: str) -> str:
    """Return a fact as it stands in a text, whatever the case; empty if it does not.

    A word must stand alone: the letters before and after it must not go on.
    """
    edge = ("(?<![a-z])", "(?![a-z])") if fact.isascii() and fact.isalpha() else ("", "")
    match = re.search(edge[0] + re.escape(fact) + edge[1], text, re.IGNORECASE)
    return match[0] if match else ""


def _once(entries: list[_Entry], series: dict[tuple[str, ...], _Entry]) -> list[_Entry]:
    """Return the entries that no earlier file of the folder has; mark those that repeat.

    Without this the ledger of a series would be larger than its images. `series` remembers.
    """
    new = []
    for entry in entries:
        folder = entry["file"].rpartition("/")[0]
        key = (
            folder,
            *(str(entry.get(name)) for name in ("channel", "kind", "value", "path", "box")),
        )
        if key in series and series[key]["file"] != entry["file"]:
            series[key]["series"] = True
        else:
            new.append(series.setdefault(key, entry))
    return new


_Written = tuple[str, bytes]
_Ledger = dict[str, Any]


def write(
    folder: Path | str,
    seed: int = DEFAULT_SEED,
    *,
    heads: int = 3,
    spacing_mm: float = 2.0,
    sessions: int = 1,
    cohort_patients: int = 1500,
    overwrite: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> list[Path]:
    """Write the sample data: heads, imaging studies, a cohort, and the ledger ``truth.json``.

    The same numbers give the same bytes, in one environment.

    Parameters
    ----------
    folder : path
        Made if it does not exist; otherwise it must be empty, unless `overwrite`.
    seed : int, 0 or more
    heads : int, 1 to 99
        Patients with an MR head.
    spacing_mm : float, 0.8 to 8
        Voxel edge of the heads.
    sessions : int, 1 to 9
        Visits of each of these patients.
    cohort_patients : int, 10 to 1,000,000
        People in the released table.
    overwrite : bool
        Write into a folder that is not empty; files of other names stay.
    progress : callable, optional
        Called with how many files are written and how many there will be, after each file.

    Returns
    -------
    list of Path
        The files, in the order of writing.

    Raises
    ------
    InputError
        If a number is out of its range, or the folder cannot be made or written to.
    RefusedError
        If the folder holds something and `overwrite` is not set.
    """
    if not 1 <= heads <= 99 or not 1 <= sessions <= 9:
        raise InputError("there can be 1 to 99 heads and 1 to 9 sessions")
    total = _count(heads, spacing_mm, sessions)
    tables = cohort(cohort_patients, seed)
    root = _target(Path(folder), overwrite)
    ledger: _Ledger = {"seed": seed, "planted": [], "keep": []}
    sums, written = [], []
    parts = chain(
        _tables(tables),
        _heads(seed, heads, spacing_mm, sessions, ledger),
        _dicom(studies.other_studies(seed), ledger),
        _papers(ledger),
    )
    for name, data in parts:
        write_whole(root / name, data)
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
        written.append(root / name)
        if progress:
            progress(len(written), total)
    write_whole(root / "SHA256SUMS", "".join(sorted(sums, key=lambda line: line[66:])).encode())
    return [*written, root / "SHA256SUMS"]


def _count(heads: int, spacing_mm: float, sessions: int) -> int:
    """Return how many files `write` makes, not counting SHA256SUMS."""
    shape: list[int] = grid_shape(spacing_mm).tolist()
    slices: int = sum(studies.slice_count(number, shape) for number in range(1, heads + 1))
    return _OTHER_FILES + sessions * (3 * heads + slices)


_OTHER_FILES = 19  # three tables, fourteen files of other studies, the ledger and the README


def default_folder() -> Path:
    """Return the folder of the sample data as made with the default seed.

    In a checkout that is ``data_samples/`` beside the package; elsewhere it is made once, in the
    user's cache folder (``XDG_CACHE_HOME`` or ``~/.cache``), which takes some seconds.
    """
    beside = Path(__file__).resolve().parents[2] / "data_samples"
    if (beside / "SHA256SUMS").is_file():
        return beside
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "medlab"
    ready = cache / f"samples-{_EDITION}"
    if not (ready / "SHA256SUMS").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as made:
            write(Path(made) / "samples")
            if not ready.exists():
                (Path(made) / "samples").rename(ready)
    return ready


_EDITION = 1  # to be raised when the same seed gives other bytes


def _target(root: Path, overwrite: bool) -> Path:
    """Return the folder, made if need be, or say why it cannot be used."""
    if root.exists() and not root.is_dir():
        raise InputError("the target is a file; name a folder")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        why = error.strerror or "it cannot be used"
        raise InputError(f"the folder cannot be written to ({why}); choose another") from error
    if not overwrite and any(root.iterdir()):
        raise RefusedError("the folder is not empty; choose another one or pass --overwrite")
    return root


def _tables(tables: Cohort) -> Iterator[_Written]:
    """Yield the three tables as CSV."""
    names = ("cohort", "register", "control")
    for name, table in zip(names, tables, strict=True):
        text = table.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d")
        yield f"cohort/{name}.csv", text.encode()


def _heads(
    seed: int, heads: int, spacing_mm: float, sessions: int, ledger: _Ledger
) -> Iterator[_Written]:
    """Yield each head as NIfTI with its masks, and as a DICOM series."""
    for number in range(1, heads + 1):
        for session in range(1, sessions + 1):
            made = head(number, session, spacing_mm=spacing_mm, seed=seed)
            folder = f"heads/head-{number:02d}/"
            folder += f"session-{session:02d}/" if session > 1 else ""
            series = studies.mr_series(number, seed, session, made.img)
            first = next(series)
            yield _with_identifiers(f"{folder}t1.nii.gz", made.img, first.who, ledger)
            yield f"{folder}brain_mask.nii.gz", _gzip(_nifti(made.brain_mask))
            yield f"{folder}face_mask.nii.gz", _gzip(_nifti(made.face_mask))
            yield from _dicom(chain([first], series), ledger)


def _with_identifiers(
    file: str, img: nib.Nifti1Image, who: people.Person, ledger: _Ledger
) -> _Written:
    """Return a head as NIfTI with what converters leave in: header texts, extension, gzip name."""
    family = who.plain.split("_")[0]
    described = f"TE=2.9;Time={who.time}.5;{family}"
    img.header["descrip"], img.header["db_name"] = described.encode(), who.mrn.encode()
    note = f"MRN {who.mrn} {who.plain} {who.date}"
    img.header.extensions.append(nib.nifti1.Nifti1Extension("comment", note.encode()))
    for path, text in (("descrip", described), ("db_name", who.mrn), ("extension", note)):
        ledger["planted"] += _nifti_entries(file, path, text, who)
    name = f"{who.plain}_{who.mrn}.nii"
    ledger["planted"] += _nifti_entries(file, "gzip-name", name, who)
    return file, _gzip(_nifti(img), name)


def _nifti_entries(file: str, path: str, text: str, who: people.Person) -> list[_Entry]:
    """Return ledger entries for the facts in one text of a NIfTI file."""
    return [
        {"file": file, "channel": "nifti-header", "kind": kind, "value": form, "path": path}
        for kind, fact in people.facts(who)
        if (form := _stands_in(fact, text))
    ]


def _nifti(img: nib.Nifti1Image) -> bytes:
    """Return an image as the bytes of a .nii file."""
    return bytes(img.to_bytes())


def _gzip(data: bytes, name: str = "") -> bytes:
    """Compress without the time of day; `name` goes into the header."""
    out = io.BytesIO()
    with gzip.GzipFile(name, "wb", 6, out, mtime=0) as file:
        file.write(data)
    return out.getvalue()


def _dicom(made: Iterator[Made], ledger: _Ledger) -> Iterator[_Written]:
    """Yield DICOM files and enter what they hold into the ledger."""
    series: dict[tuple[str, ...], _Entry] = {}
    for image in made:
        entries = [
            *_planted(image.dataset, people.facts(image.who), image.file),
            *_pixel_entries(image),
        ]
        keep = [
            {
                "file": image.file,
                "channel": "private",
                "kind": "keep",
                "value": value,
                "path": path,
            }
            for path, value in image.safe
        ]
        keep += [entry for entry in entries if entry["kind"] == "keep"]
        ledger["planted"] += _once([e for e in entries if e["kind"] != "keep"], series)
        ledger["keep"] += _once(keep, series)
        out = io.BytesIO()
        image.dataset.save_as(out, enforce_file_format=True)
        yield image.file, out.getvalue()


def _pixel_entries(image: Made) -> list[_Entry]:
    """Return ledger entries for the text in the pixels, and in the overlay, of one file."""
    entries: list[_Entry] = [
        {"file": image.file, "channel": "pixel", "kind": text.kind, "value": text.text,
         "path": "(7FE0,0010)", "box": text.box, "frames": text.frames}
        for text in image.texts
    ]  # fmt: skip
    if (0x6000, 0x3000) in image.dataset:
        texts = image.who.shown
        entries.append({"file": image.file, "channel": "pixel", "kind": "name", "value": texts,
                        "path": "(6000,3000)"})  # fmt: skip
    return entries


def _papers(ledger: _Ledger) -> Iterator[_Written]:
    """Yield the ledger and the README."""
    lines = [
        f'"{part}": [\n'
        + ",\n".join(
            json.dumps(e, ensure_ascii=False, separators=(",", ":")) for e in ledger[part]
        )
        + "\n]"
        for part in ("planted", "keep")
    ]
    text = "{\n" + ",\n".join([f'"seed": {ledger["seed"]}', *lines]) + "\n}\n"
    yield "truth.json", text.encode()
    yield "README.md", files("medlab.samples").joinpath("data/README.md").read_bytes()
