"""What the pictures of a job show: text and faces, found, taken out, or let pass by a person."""

from __future__ import annotations

import csv
import json
import logging
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from medlab import dicom, pixels
from medlab.dicom.codestream import PIXEL_BITS, holds_picture
from medlab.dicom.declarations import add_codes, method_lines
from medlab.dicom.element_texts import frame_count, text_at
from medlab.dicom.profile import PIXELS
from medlab.errors import InputError, MedlabError, RefusedError, not_installed
from medlab.pipeline.job_files import Job, digest_of, write_csv
from medlab.pipeline.ledger import Entry
from medlab.pipeline.settings import NO_HEAD, NO_PICTURE, Outcome, Settings, Work
from medlab.pixels.effects import cut_frames

#: Written into De-identification Method (0012,0063).
_APPROVED = "text boxes approved by a person"
PICTURES_READ = "pictures were read for text"
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
#: Why an object that no face can be cut out of is withheld, whatever it shows.
NO_VOLUME = (
    "face not checked: a photograph, a capture, a surface or a map of floats is no volume of "
    "slices in which a face could be cut"
)
_OVERRULE = "look at it, and let it pass in faces-approved.csv if it shows none"
_log = logging.getLogger(__name__)


class QuarantineError(RefusedError):
    """The file waits for a person's decision."""


class FaceError(RefusedError):
    """A face is, or may be, in this file; a person may let it pass all the same."""

    place = "face"  # of the finding that tells so


def check_available(settings: Settings) -> None:
    """Refuse, before a job begins, what can't be done on this machine.

    Raises
    ------
    UnavailableError
    """
    if settings.clean_pixels and not pixels.available():
        raise not_installed("a text recognizer", "pixels")


class Pictures:
    """What a worker process knows of the pictures of a job: a person's decisions, slices seen.

    `let_pass` has the rows of the files whose heads a person let pass.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._boxes, self.let_pass = _decisions(work)
        passes = work.settings.clean_pixels and work.settings.similar_slices == "pass"
        self._series = pixels.SeriesStore() if passes else None

    def without_text(self, before: Dataset, after: Dataset, done: Outcome) -> Dataset:
        """Return the dataset without text in its pixels, or elsewhere than in its elements.

        What can't be checked raises, so that the file is withheld. What was found, and what was
        not looked at, is noted in the outcome.
        """
        settings, boxes = self._work.settings, self._boxes.get(str(done.row))
        if not holds_picture(before):
            done.unchecked += [NO_PICTURE] if any(tag in before for tag in PIXEL_BITS) else []
        elif not settings.clean_pixels:
            done.unchecked.append("text in pixels")
        if not settings.clean_pixels:
            return after
        try:
            found = pixels.clean(
                after,
                pixels.identity_words(before),
                source=before,
                policy=settings.pixel_policy,
                quarantine=settings.quarantine,
                effect=settings.pixel_effect,
                pseudonym=str(after.get("PatientID") or "") or "ANONYMOUS",
                boxes=boxes,
                rules=settings.pixel_rules,
                header_options=settings.options,
                series=self._series,
            )
        except RefusedError as error:
            if not hasattr(error, "decisions"):
                raise
            _keep_boxes(before, before, error.decisions, self._work, done)
            raise QuarantineError(str(error)) from None
        done.findings += [(f.severity, f.message, "pixels") for f in found.findings]
        share = f"{found.pictures - found.passed} of {found.pictures} {PICTURES_READ}"
        done.findings += [("info", share, "pixels")] * bool(found.pictures)
        if found.checked or boxes is not None:
            _keep_boxes(before, found.dataset, found.decisions, self._work, done)
        if boxes is not None:
            found.dataset.DeidentificationMethod = [*method_lines(found.dataset), _APPROVED]
            done.unchecked += [] if found.checked else ["text in pixels"]
        if found.complete:
            dicom.claim(found.dataset, PIXELS)
        elif found.checked:
            add_codes(found.dataset, [dicom.OPTIONS[PIXELS]])
        return found.dataset


def _keep_boxes(
    before: Dataset, after: Dataset, decisions: Any, work: Work, done: Outcome
) -> None:
    """Keep what a person needs to see, in the private folder: the boxes and a contact sheet."""
    from medlab.pixels import box_review

    done.boxes = box_review.rows(str(done.row), decisions)
    if not decisions:
        return
    sheets = work.folder / "sheets"
    sheets.mkdir(mode=0o700, exist_ok=True)
    box_review.contact_sheet(sheets / f"{done.row}.png", before, decisions, after)


def may_hold_head(dataset: Dataset) -> bool:
    """Return whether images of this kind are slices in which a head can be measured."""
    captured = text_at(dataset, _CLASS) in _CAPTURES
    stored = 0x7FE00010 in dataset
    return text_at(dataset, _MODALITY) in _MODALITIES and stored and not captured


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
    kind, modality = text_at(before, _CLASS), text_at(before, _MODALITY)
    seen = kind in (*_CAPTURES, *_PICTURES) or modality in (*_MODALITIES, "XC", "OT")
    if kind not in _SURFACES and not (seen and any(tag in before for tag in PIXEL_BITS)):
        return before, False  # no face is seen in an object of this kind, or rendered from it
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


def _approved_boxes(work: Work) -> dict[str, Any]:
    """Return the boxes that a person approved, by number of the file in the map."""
    if not (work.settings.clean_pixels and work.approved.is_file()):
        return {}
    from medlab.pixels import box_review

    return box_review.read_table(work.approved)


def _let_pass(work: Work) -> set[int]:
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


def _decisions(work: Work) -> tuple[dict[str, Any], set[int]]:
    """Return the boxes that a person approved by rows of the map, and the rows let pass.

    What is let pass is a head whose face was not checked, or not cut.
    """
    return _approved_boxes(work), _let_pass(work)


def reopen_approved(job: Job) -> None:
    """Have files done again for which a person decided something else since the last run.

    Boxes of theirs were approved or changed, or their faces were let pass, or no longer.
    """
    boxes, now = _decisions(job.work)
    mark = digest_of(job.work.approved).hex() if boxes else ""
    if mark != (job.ledger.setting("approved") or ""):
        for row in boxes:
            job.ledger.reopen(int(row))
        job.ledger.setting("approved", mark)
    before = set(json.loads(job.ledger.setting("faces let pass") or "[]"))
    for number in now ^ before:
        job.ledger.reopen(number)
    job.ledger.setting("faces let pass", json.dumps(sorted(now)))


def write_reviews(job: Job) -> None:
    """Write what a person is to decide: the table of boxes, and that of faces not checked."""
    if job.work.settings.clean_pixels:
        from medlab.pixels import box_review

        path = job.work.folder / "pixels.csv"
        box_review.write_table(path, map(json.loads, job.ledger.boxes()))
    if job.work.settings.head != "leave":
        query = f"SELECT row, message FROM finding WHERE place = '{FaceError.place}'"
        rows = job.ledger.table(query)
        write_csv(job.work.folder / "faces.csv", ("file", "reason"), rows)


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
    masks = [np.zeros((frame_count(d), d.Rows, d.Columns), dtype=bool) for d in volume.datasets]
    for at, (file, frame) in enumerate(volume.frames):
        masks[file][frame] = removed[:, :, at % removed.shape[2]].T
    for entry, mask in zip(entries, masks, strict=True):
        np.savez_compressed(_kept(work, entry.row, ".npz"), removed=mask)


def _kept(work: Work, row: int, ending: str) -> Path:
    """Return where the mask of a file stands, or why it has none."""
    work.masks.mkdir(mode=0o700, exist_ok=True)
    return work.masks / f"{row}{ending}"
