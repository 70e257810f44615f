"""Faces in images: found on whole volumes, cut out of each file's pixels, or said to be unchecked.

A face shows only on a volume, so each series is read as one before the files are cleaned.
The masks of what is to be cut, and why nothing is, stand in the private folder until the job ends.
"""

from __future__ import annotations

import csv
import json
import logging
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from medlab.dicom.codestream import PIXELS
from medlab.dicom.element_texts import text_at
from medlab.errors import InputError, MedlabError, RefusedError
from medlab.pipeline.ledger import Entry
from medlab.pipeline.preparation import Job
from medlab.pipeline.settings import NO_HEAD, Outcome, Work
from medlab.pixels.mask import cut_frames

_CLASS, _MODALITY = 0x00080016, 0x00080060
_MODALITIES = ("MR", "CT", "PT", "NM")
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_CAPTURES = (f"{_STORAGE}7", *(f"{_STORAGE}7.{n}" for n in range(1, 5)))
#: Photographs and films of a patient; volumes of C-arms and of a dentist's scanner.
_PICTURES = tuple(_STORAGE + end for end in ("77.1.4", "77.1.4.1", "13.1.1", "13.1.2"))
#: Surfaces, outlines and meshes, which need no pixels to show a face: segmentations, surface
#: segmentations, scans of a surface, structure sets, and 3-D models (STL, OBJ, MTL).
_SURFACES = tuple(
    _STORAGE + end
    for end in ("66.4", "66.5", "66.7", "68.1", "68.2", "481.3", "104.3", "104.4", "104.5")
)
PLACE = "face"  # of a finding that a person may overrule
#: Why an object that no face can be cut out of is withheld, whatever it shows.
NO_VOLUME = (
    "face not checked: a photograph, a capture or a surface is no volume of slices in which a "
    "face could be cut"
)
_OVERRULE = "look at it, and let it pass in faces-approved.csv if it shows none"
_log = logging.getLogger(__name__)


class FaceError(RefusedError):
    """A face is, or may be, in this file; a person may let it pass all the same."""


def may_hold_head(dataset: Dataset) -> bool:
    """Return whether images of this kind are slices in which a head can be measured."""
    captured = text_at(dataset, _CLASS) in _CAPTURES
    pixels = 0x7FE00010 in dataset
    return text_at(dataset, _MODALITY) in _MODALITIES and pixels and not captured


def _may_show_face(dataset: Dataset) -> bool:
    """Return whether a face may be seen in an object of this kind, or rendered from it."""
    kind = text_at(dataset, _CLASS)
    shown = kind in _CAPTURES or kind in _PICTURES or text_at(dataset, _MODALITY) in ("XC", "OT")
    shown = shown and any(tag in dataset for tag in PIXELS)
    return may_hold_head(dataset) or shown or kind in _SURFACES


def cut(series: list[list[Entry]], work: Work) -> dict[int, dict[str, Any]]:
    """Find what is cut out of the series of one patient, study and frame of reference.

    A mask is kept for each file, or why there is none: no head, slices missing, a check that
    failed. `without_face` goes by it. What was measured is returned, by the first row of each
    series.
    """
    from medlab.neuro.head_study import NoHeadError, cut_study

    measured: dict[int, dict[str, Any]] = {}
    volumes: dict[int, Any] = {}
    parts: dict[int, str] = {}

    def read(number: int) -> Any:
        volumes.clear()  # one at a time is in memory
        volumes[number] = volume = _volume(series[number], work)
        parts[number] = str(volume.datasets[0].get("BodyPartExamined") or "")
        return volume.img

    reads = [partial(read, number) for number in range(len(series))]
    for number, done in cut_study(reads, work.settings.head, parts, work.settings.bet_f):
        entries = series[number]
        if not isinstance(done, MedlabError):
            _keep_masks(volumes[number], done.mask, entries, work)
            measured[entries[0].row] = done.report
            continue
        _log.info("row %d and its series: %s", entries[0].row, type(done).__name__)
        reason = NO_HEAD if isinstance(done, NoHeadError) else str(done)
        for entry in entries:
            _kept(work, entry.row, ".txt").write_text(reason, encoding="utf-8")
    return measured


def without_face(before: Dataset, work: Work, done: Outcome) -> tuple[Dataset, bool]:
    """Return the dataset, and whether a face was cut out of its stored values.

    What was not looked at is noted in the outcome.

    Raises
    ------
    FaceError
        If a face was to be removed and was not, or may be there where none can be cut.
    """
    if not _may_show_face(before):
        return before, False
    if work.settings.head == "leave":
        done.unchecked.append("face")
        return before, False
    if not may_hold_head(before):
        raise FaceError(f"{NO_VOLUME}; {_OVERRULE}")
    reason = _kept(work, done.row, ".txt")
    if reason.is_file():
        if (said := reason.read_text(encoding="utf-8")) != NO_HEAD:
            raise FaceError(f"face not removed: {said}; {_OVERRULE}")
        done.findings.append(("review", NO_HEAD, ""))
        return before, False
    path = _kept(work, done.row, ".npz")
    if not path.is_file():
        raise FaceError(f"face not checked: its series was not looked at; {_OVERRULE}")
    removed = np.load(path)["removed"].reshape(-1, before.Rows, before.Columns)
    return cut_frames(before, removed), True


def let_pass(work: Work) -> set[int]:
    """Return the rows of the map that a person let pass, their faces not checked."""
    if work.settings.head == "leave" or not work.faces_approved.is_file():
        return set()
    with work.faces_approved.open(newline="", encoding="utf-8") as file:
        try:
            return {int(row["file"]) for row in csv.DictReader(file)}
        except (KeyError, TypeError, ValueError):
            raise InputError(
                "faces-approved.csv is no table with a column 'file' of line numbers of the map; "
                "take lines of faces.csv"
            ) from None


def reopen_approved(job: Job) -> None:
    """Have files done again that a person let pass, or no longer, since the last run."""
    now = let_pass(job.work)
    before = set(json.loads(job.ledger.setting("faces let pass") or "[]"))
    for row in now ^ before:
        job.ledger.reopen(row)
    job.ledger.setting("faces let pass", json.dumps(sorted(now)))


def forget_masks(work: Work) -> None:
    """Take away the masks: they show the faces that were cut."""
    shutil.rmtree(work.folder / "faces", ignore_errors=True)


def _volume(entries: list[Entry], work: Work) -> Any:
    """Read the files of one series, wherever they lie, in the order of their rows."""
    from medlab.neuro import series

    with tempfile.TemporaryDirectory(dir=work.folder) as folder:
        for entry in entries:
            link = Path(folder) / f"{entry.row:012d}.dcm"
            link.symlink_to((work.source / entry.source).resolve())
        volume = series.read_series(folder)
    if len(volume.datasets) != len(entries):
        raise RefusedError("a file of the series could not be read")
    return volume


def _keep_masks(volume: Any, removed: NDArray[np.bool_], entries: list[Entry], work: Work) -> None:
    masks = [
        np.zeros((int(d.get("NumberOfFrames") or 1), d.Rows, d.Columns), dtype=bool)
        for d in volume.datasets
    ]
    for at, (file, frame) in enumerate(volume.frames):
        masks[file][frame] = removed[:, :, at % removed.shape[2]].T
    for entry, mask in zip(entries, masks, strict=True):
        np.savez_compressed(_kept(work, entry.row, ".npz"), removed=mask)


def _kept(work: Work, row: int, ending: str) -> Path:
    """Return where the mask of a file stands, or why it has none."""
    folder = work.folder / "faces"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{row}{ending}"
