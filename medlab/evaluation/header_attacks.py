"""Headers: which planted identifiers an attacker reads again, and what an analyst keeps."""

from __future__ import annotations

import itertools
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydicom import Dataset
from pydicom.dataelem import DataElement

from medlab import dicom, methods
from medlab.errors import InputError, MedlabError
from medlab.evaluation.attack_statistics import Score, rate, wilson
from medlab.methods.catalogue import METHODS, Method
from medlab.methods.header_methods import Setting
from medlab.methods.pseudonymization import enumerate_hashes

SEEN = ("public", "wrong-use", "freetext", "nested", "private", "uid", "date", "meta", "filename")
_OWN_ELEMENT = ("public", "wrong-use", "freetext")  # looked for where they stood
_DATES = ("PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
_GUESSED = {"names by dictionary": "PatientName", "numbers by enumeration": "PatientID"}
_LAST_DIGITS = 4  # of a record number, which an attacker does not know
_NEEDED = (
    "PatientAge", "PatientSex", "PatientWeight", "PatientSize", "Modality", "BodyPartExamined",
    "Manufacturer", "ManufacturerModelName", "MagneticFieldStrength", "EchoTime",
    "RepetitionTime", "FlipAngle", "KVP", "SliceThickness", "PixelSpacing",
    "ImageOrientationPatient", "ImagePositionPatient", "Rows", "Columns", "SeriesDescription",
)  # fmt: skip
_SLICES = 8  # that are converted to a volume
_LATER_DAYS = 97  # a second visit after the first


class File(NamedTuple):
    """A file as it is given away.

    Attributes
    ----------
    source : str
        Where it came from, as the ledger names it.
    name : str
        What it is called now, folders included.
    dataset : Dataset
    """

    source: str
    name: str
    dataset: Dataset


_Volume = tuple[Any, Any]


def read_files(folder: Path, most: int | None = None) -> list[File]:
    """Read the first file of `most` series folders below `folder`, with paths relative to it."""
    paths = [paths[0] for paths in _by_folder(folder)[:most]]
    names = [path.relative_to(folder).as_posix() for path in paths]
    return [File(name, name, dicom.read(path)) for name, path in zip(names, paths, strict=True)]


def _by_folder(folder: Path) -> list[list[Path]]:
    paths = sorted(dicom.find_files(folder), key=lambda path: (path.parent, path.name))
    return [list(some) for _, some in itertools.groupby(paths, key=lambda path: path.parent)]


def load_truth(folder: Path) -> pd.DataFrame:
    """Return the ledger of planted identifiers of sample data: file, channel, value, path."""
    path = folder / "truth.json"
    if not path.is_file():
        raise InputError("there is no truth.json; only sample data say what was planted")
    return pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))["planted"])


def recovered(truth: pd.DataFrame, files: Sequence[File]) -> pd.DataFrame:
    """Return what share of the planted identifiers still stands, by channel.

    A value counts as read if its text stands in the same element, or for nested, private,
    UID, date and file meta elements and for file names anywhere in that channel of the file.

    Parameters
    ----------
    truth : DataFrame
        From `load_truth`.
    files : sequence of File
        Entries of other files are not counted.

    Returns
    -------
    DataFrame
        channel, planted, read, value (share), low, high (Wilson, 95 %). Text in pixels and
        headers of NIfTI are not looked at here.
    """
    texts = {file.source: _texts(file) for file in files}
    chosen = truth[truth["file"].isin(list(texts)) & truth["channel"].isin(SEEN)]
    places = zip(chosen["file"], chosen["channel"], chosen["path"], chosen["value"], strict=True)
    hits = [
        _plain(value) in texts[file].get(path if channel in _OWN_ELEMENT else channel, "")
        for file, channel, path, value in places
    ]
    rows = []
    for channel, some in chosen.assign(hit=hits).groupby("channel")["hit"]:
        count, read = len(some), int(some.sum())
        rows.append((str(channel), count, read, read / count, *wilson(read, count)))
    names = ["channel", "planted", "read", "value", "low", "high"]
    table = pd.DataFrame(rows, columns=names)
    order = {channel: number for number, channel in enumerate(SEEN)}
    return table.sort_values("channel", key=lambda c: c.map(order), ignore_index=True)


def _plain(value: Any) -> str:
    return str(value).casefold().replace("^", " ")


def _texts(file: File) -> dict[str, str]:
    """Return all text of a file by channel, and of the top level by element as well."""
    texts: dict[str, list[str]] = {"filename": [file.name]}
    for element in getattr(file.dataset, "file_meta", None) or ():
        texts.setdefault("meta", []).append(_text(element))
    for element, path in _walk(file.dataset):
        text = _text(element)
        texts.setdefault(_channel(element, path), []).append(text)
        texts.setdefault(path, []).append(text)
    return {place: _plain("\n".join(parts)) for place, parts in texts.items()}


def _walk(dataset: Dataset, place: str = "") -> Iterator[tuple[DataElement, str]]:
    for element in dataset:
        path = f"{place}({element.tag.group:04X},{element.tag.element:04X})"
        if element.VR != "SQ":
            if element.tag.group != 0x7FE0:
                yield element, path
            continue
        for number, item in enumerate(element.value):
            yield from _walk(item, f"{path}[{number}].")


def _channel(element: DataElement, path: str) -> str:
    if any(int(group, 16) % 2 for group in re.findall(r"\(([0-9A-F]{4}),", path)):
        return "private"
    if element.VR == "UI":
        return "uid"
    if element.VR in ("DA", "DT") and element.keyword != "PatientBirthDate":
        return "date"
    return "nested" if "." in path else "top"


def _text(element: DataElement) -> str:
    value = element.value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace") + "\n" + value.decode("latin-1")
    many = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    return "\n".join(str(item) for item in many)


def attributes_kept(before: Sequence[File], after: Sequence[File]) -> tuple[float, int]:
    """Return the share of needed attributes that kept their value, and how many there were."""
    kept = [
        new.dataset.get(keyword) == old.dataset[keyword].value
        for old, new in zip(before, after, strict=True)
        for keyword in _NEEDED
        if keyword in old.dataset and str(old.dataset[keyword].value)
    ]
    return (float(np.mean(kept)), len(kept)) if kept else (float("nan"), 0)


def _volume(files: Sequence[File]) -> _Volume | None:
    """Return voxels and affine of a series, None if it can't be converted."""
    from medlab.neuro.series import read_series

    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(files):
            path = Path(folder) / f"{number:05d}.dcm"
            path.write_bytes(dicom.to_bytes(file.dataset))
        try:
            img = read_series(folder).img
        except MedlabError:
            return None
    return np.asarray(img.dataobj), img.affine


def header_grid(
    folder: Path,
    truth: pd.DataFrame,
    key: bytes,
) -> pd.DataFrame:
    """Protect the headers of sample data by every method that changes headers, and measure each.

    Parameters
    ----------
    folder : Path
        The sample data.
    truth : DataFrame
        From `load_truth`.
    key : bytes
        32 bytes; an attacker does not have it.

    Returns
    -------
    DataFrame
        method, group ("attack" or "utility"), measure, value, low, high. Attacks: share of
        planted identifiers read, by channel and over all; of patients whose name is found by
        hashing all names, whose record number by hashing all that differ in the last four
        digits, whose second visit (97 days later, made for this) by the known day of the
        first. Utility: needed attributes kept, the days between the two visits kept, whether
        slices of the smallest series still convert to the same volume (1 or 0).
    """
    chosen = [method for method in METHODS.values() if method.headers]
    files, series = read_files(folder), _a_series(folder)
    again, before = _second_visit(files), _volume(series)
    outputs = {some.name: _protected(some, [*files, *again, *series], key) for some in chosen}
    guessed, people = _guessed(files, outputs), _patients(files)
    rows: list[tuple[Any, ...]] = []
    for name, everything in outputs.items():
        new, later = everything[: len(files)], everything[len(files) : len(files) + len(again)]
        channels = recovered(truth, new)
        for _, row in channels.iterrows():
            rows.append((name, "attack", row["channel"], row["value"], row["low"], row["high"]))
        read, planted = int(channels["read"].sum()), int(channels["planted"].sum())
        scores = {"all": rate(np.repeat([1.0, 0.0], [read, planted - read])), **guessed[name]}
        kept = rate(
            _intervals_kept([new[row] for row in people], later)
        )  # for the analyst, and for who knows one date
        scores["second visit by the first"] = kept
        rows += [(name, "attack", measure, *score[:3]) for measure, score in scores.items()]
        share, needed = attributes_kept(files, new)
        rows.append((name, "utility", "attributes kept", share, *wilson(share * needed, needed)))
        rows.append((name, "utility", "intervals kept", *kept[:3]))
        if before is not None:
            after = _volume(everything[-len(series) :])
            same = float(
                after is not None
                and np.array_equal(before[0], after[0])
                and np.allclose(before[1], after[1])
            )
            rows.append((name, "utility", "series converts", same, same, same))
    return pd.DataFrame(rows, columns=["method", "group", "measure", "value", "low", "high"])


def _protected(method: Method, files: Sequence[File], key: bytes) -> list[File]:
    """Return files after a method; a policy names them by code and number."""
    setting = Setting(key, np.random.default_rng(list(key)))
    made = method.protect_headers([file.dataset for file in files], setting)
    names = [
        f"{new.PatientID}/{number:05d}.dcm" if method.name.startswith("policy") else file.name
        for number, (file, new) in enumerate(zip(files, made, strict=True))
    ]
    triples = zip(files, names, made, strict=True)
    return [File(file.source, name, new) for file, name, new in triples]


def _patients(files: Sequence[File]) -> list[int]:
    """Return the place of the first file of each patient."""
    numbers = [str(file.dataset.get("PatientID", "")) for file in files]
    return [numbers.index(number) for number in dict.fromkeys(numbers) if number]


def _guessed(
    before: Sequence[File], outputs: Mapping[str, Sequence[File]]
) -> dict[str, dict[str, Score]]:
    """Return by method whose name and number an attacker finds who hashes candidates."""
    people = _patients(before)
    texts = {
        (name, keyword): [str(files[row].dataset.get(keyword, "")) for row in people]
        for name, files in (("", before), *outputs.items())
        for keyword in _GUESSED.values()
    }
    names, numbers = (texts["", keyword] for keyword in _GUESSED.values())
    tried = [*names, *(candidate for number in numbers for candidate in _like(number))]
    behind = enumerate_hashes(itertools.chain([""], *texts.values()), tried)
    return {
        name: {
            attack: _undone(texts["", keyword], texts[name, keyword], behind)
            for attack, keyword in _GUESSED.items()
        }
        for name in outputs
    }


def _like(number: str) -> list[str]:
    """Return the record numbers that differ in the last digits only, itself among them."""
    begin, end = number[:-_LAST_DIGITS], number[-_LAST_DIGITS:]
    if not (end.isascii() and end.isdigit()):
        return [number]
    return [f"{begin}{n:0{len(end)}d}" for n in range(10 ** len(end))]


def _undone(values: Sequence[str], released: Sequence[str], behind: Mapping[str, str]) -> Score:
    """Return the share of values that stand in the open or behind a known hash."""
    pairs = zip(values, released, strict=True)
    return rate([behind.get(text, text) == value for value, text in pairs])


def _second_visit(files: Sequence[File]) -> list[File]:
    """Return one file more of each patient, of a visit some weeks after the others."""
    chosen = [files[row] for row in _patients(files)]
    later: Sequence[Dataset] = [file.dataset for file in chosen]
    for keyword in _DATES[1:]:
        later = methods.apply(later, keyword, methods.pseudonymization.offset, _LATER_DAYS)
    return [file._replace(dataset=new) for file, new in zip(chosen, later, strict=True)]


def _intervals_kept(first: Sequence[File], later: Sequence[File]) -> Any:
    """Tell of each pair of visits whether the days between them are still the true ones."""
    days = [
        pd.to_datetime(
            pd.Series([str(file.dataset.get("StudyDate", "")) for file in files]),
            format="%Y%m%d",
            errors="coerce",
        )
        for files in (first, later)
    ]
    return ((days[1] - days[0]).dt.days == _LATER_DAYS).to_numpy()


def _a_series(folder: Path) -> list[File]:
    """Return the first slices of the smallest folder that holds a volume."""
    volumes = [paths for paths in _by_folder(folder) if len(paths) >= _SLICES]
    paths = min(volumes, key=len)[:_SLICES] if volumes else []
    return [File(path.name, path.name, dicom.read(path)) for path in paths]


def hash_attack(
    values: Sequence[str], released: Sequence[str], candidates: Iterable[Any]
) -> pd.Series[Any]:
    """Undo hashes by hashing every candidate.

    Parameters
    ----------
    values : sequence of str
        The true values; only used to count.
    released : sequence of str
        What stands in their place, in the same order.
    candidates : iterable
        What an attacker tries: all record numbers of a format, the days of a century, the
        names of a register. He hashes them by SHA-256 without a key.

    Returns
    -------
    Series
        recovered (share), low, high, tried (candidates).
    """
    tried = [str(candidate) for candidate in candidates]
    score = _undone(values, released, enumerate_hashes(released, tried))
    return pd.Series(
        {"recovered": score.value, "low": score.low, "high": score.high, "tried": len(tried)}
    )


def date_attack(
    table: pd.DataFrame, released: pd.Series[Any], subject: str, date: str
) -> pd.DataFrame:
    """Try to undo moved dates.

    Parameters
    ----------
    table : DataFrame
        The original.
    released : Series
        The moved dates, row by row.
    subject, date : str
        Columns of `table`.

    Returns
    -------
    DataFrame
        measure, value, low, high, baseline. ``one known date``: the attacker knows the first
        date of each person and moves the others back by the same days; share of the others
        recovered. ``known intervals``: share of people with two or more dates whose released
        intervals are the true ones and no other person's: who knows them knows the row.
        ``intervals kept``: share of intervals that an analyst still finds.
    """
    order = table[date].sort_values(kind="stable").index
    people = table.loc[order, subject]
    true, moved = table.loc[order, date], released.loc[order]
    first = ~people.duplicated()
    start = [days.where(first).groupby(people).transform("first") for days in (true, moved)]
    gaps = [(days - begin).dt.days for days, begin in zip((true, moved), start, strict=True)]
    others = ~first.to_numpy()
    same = (gaps[0] == gaps[1]).to_numpy()[others]
    several = people.isin(people[others])
    true_marks, marks = (
        gap[several].astype(str).groupby(people[several]).agg(" ".join) for gap in gaps
    )
    alone = ((marks.map(marks.value_counts()) == 1) & (marks == true_marks)).to_numpy()
    rows = []
    for name, hits in (("one known date", same), ("known intervals", alone), ("kept", same)):
        score = rate(hits, baseline=1 / 365 if name == "one known date" else 0.0)
        label = "intervals kept" if name == "kept" else name
        rows.append((label, score.value, score.low, score.high, score.baseline))
    return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "baseline"])
