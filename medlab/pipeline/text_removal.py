"""The steps that other rooms do: text in pixels, k-anonymity of the cohort's facts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from pydicom import Dataset

from medlab import dicom
from medlab.crypto import keyed_digest
from medlab.dicom.codestream import PIXEL_BITS as PIXEL_TAGS
from medlab.dicom.codestream import holds_picture
from medlab.dicom.cohort import owners_and_table
from medlab.dicom.declarations import add_codes, method_lines
from medlab.errors import RefusedError, UsageError, not_installed
from medlab.pipeline.cohort_in_headers import state
from medlab.pipeline.job_files import Job, digest_of
from medlab.pipeline.owners import Owners
from medlab.pipeline.settings import NO_PICTURE, PIXELS, Outcome, Settings, Work

# Columns of dicom.cohort_table that a header can hold one value of, and where.
_COLUMNS = {
    "Age": "PatientAge",
    "Sex": "PatientSex",
    "Weight": "PatientWeight",
    "Height": "PatientSize",
}
#: Written into De-identification Method (0012,0063).
_APPROVED = "text boxes approved by a person"
PICTURES_READ = "pictures were read for text"
_SENSITIVE = {"AdmittingDiagnosesDescription": "Diagnosis"}


class QuarantineError(RefusedError):
    """The file waits for a person's decision."""


def _cleans_pixels(settings: Settings) -> bool:
    """Return whether text is to be taken out of the pixels."""
    return settings.clean_pixels or PIXELS in settings.options


def check_available(settings: Settings) -> None:
    """Refuse, before a job begins, what can't be done on this machine.

    Raises
    ------
    UnavailableError, UsageError
    """
    if _cleans_pixels(settings) and not _pixels().available():
        raise not_installed("a text recognizer", "pixels")
    if settings.cohort_k is not None:
        _columns(settings.quasi)


def _pixels() -> Any:
    from importlib import import_module

    return import_module("medlab.pixels")


def new_series(settings: Settings) -> Any:
    """Return where slices that hold no text are remembered; None has every slice read."""
    passes = _cleans_pixels(settings) and settings.similar_slices == "pass"
    return _pixels().SeriesStore() if passes else None


def without_text(
    before: Dataset,
    after: Dataset,
    work: Work,
    done: Outcome,
    boxes: Any = None,
    series: Any = None,
) -> Dataset:
    """Return the dataset without text in its pixels, or elsewhere than in its elements.

    What can't be checked raises, so that the file is withheld. What was found, and what was
    not looked at, is noted in the outcome. `boxes` are those that a person approved, `series`
    what `new_series` returned, for the files of a job.
    """
    settings = work.settings
    if not holds_picture(before):
        done.unchecked += [NO_PICTURE] if any(tag in before for tag in PIXEL_TAGS) else []
    elif not _cleans_pixels(settings):
        done.unchecked.append("text in pixels")
    if not _cleans_pixels(settings):
        return after
    pixels = _pixels()
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
            series=series,
        )
    except RefusedError as error:
        if not hasattr(error, "decisions"):
            raise
        _keep_boxes(before, before, error.decisions, work, done)
        raise QuarantineError(str(error)) from None
    done.findings += [(f.severity, f.message, "pixels") for f in found.findings]
    share = f"{found.pictures - found.passed} of {found.pictures} {PICTURES_READ}"
    done.findings += [("info", share, "pixels")] * bool(found.pictures)
    if found.checked or boxes is not None:
        _keep_boxes(before, found.dataset, found.decisions, work, done)
    if boxes is not None:
        found.dataset.DeidentificationMethod = [*method_lines(found.dataset), _APPROVED]
        done.unchecked += [] if found.checked else ["text in pixels"]
    if found.complete:
        dicom.claim(found.dataset, PIXELS)
    elif found.checked:
        add_codes(found.dataset, [dicom.OPTIONS[PIXELS]])
    return cast(Dataset, found.dataset)


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


def approved_boxes(work: Work) -> dict[str, Any]:
    """Return the boxes that a person approved, by number of the file in the map."""
    if not (_cleans_pixels(work.settings) and work.approved.is_file()):
        return {}
    from medlab.pixels import box_review

    return box_review.read_table(work.approved)


def reopen_approved(job: Job) -> None:
    """Have files done again whose boxes were approved, or changed, since the last run."""
    boxes = approved_boxes(job.work)
    mark = digest_of(job.work.approved).hex() if boxes else ""
    if mark != (job.ledger.setting("approved") or ""):
        for row in boxes:
            job.ledger.reopen(int(row))
        job.ledger.setting("approved", mark)


def write_boxes(job: Job) -> None:
    """Write the table of boxes for a person to review."""
    if _cleans_pixels(job.work.settings):
        from medlab.pixels import box_review

        path = job.work.folder / "pixels.csv"
        box_review.write_table(path, map(json.loads, job.ledger.boxes()))


class Cohort:
    """What each patient's facts became, by keyed digest of who it is."""

    def __init__(self, path: Path, key: bytes) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        self._promises: dict[str, Any] = content["promises"]
        self._patients: dict[str, dict[str, dict[str, str]]] = content["patients"]
        self._key = key

    def apply(self, whose: str, after: Dataset) -> None:
        """Write the generalized facts of an owner over those that the policy kept.

        Raises
        ------
        RefusedError
            If the patient is not in the cohort: then nothing protects these facts.
        """
        patient = self._patients.get(_digest(self._key, whose))
        if patient is None:
            raise RefusedError("the patient of this file is not in the cohort")
        for keyword, value in patient["values"].items():
            if keyword in after:
                setattr(after, keyword, value)
        state(after, self._promises, patient["ranges"])


def plan_cohort(job: Job) -> None:
    """Generalize the cohort of the source folder and note what each patient's facts become."""
    settings, path = job.work.settings, job.work.cohort
    path.unlink(missing_ok=True)
    if settings.cohort_k is None:
        return
    from medlab import tabular

    columns = _columns(settings.quasi)
    owners, table = owners_and_table(job.work.source, Owners(job.work))
    table["Age"] = table["Age"].clip(upper=90)  # ages over 89 are one class
    sensitive = _SENSITIVE.get(settings.sensitive, settings.sensitive)
    release = tabular.anonymize(
        table,
        columns,
        sensitive or None,
        settings.cohort_k,
        settings.cohort_l,
        settings.cohort_t,
        method=settings.cohort_method,
        distance=None if settings.cohort_t is None else "equal",  # between texts of headers
    )
    values = tabular.representative(release, table)
    ranges = tabular.range_text(release.table, columns)
    rows = zip(owners, values.to_dict("records"), ranges.to_dict("records"), strict=True)
    patients = {
        _digest(job.work.key, name): {"values": _spelled(row), "ranges": texts}
        for name, row, texts in rows
    }
    path.touch(mode=0o600)
    promises = {"k": settings.cohort_k, "sensitive": sensitive}
    promises |= {"l": settings.cohort_l, "t": settings.cohort_t} if sensitive else {}
    path.write_text(json.dumps({"promises": promises, "patients": patients}), encoding="utf-8")


def _columns(quasi: tuple[str, ...]) -> list[str]:
    named = {keyword: column for column, keyword in _COLUMNS.items()}
    columns = [named.get(name, name) for name in quasi]
    unknown = [name for name in columns if name not in _COLUMNS]
    if unknown:
        raise UsageError(
            f"no quasi-identifier {', '.join(unknown)} that headers hold; "
            f"there are {', '.join(_COLUMNS)}"
        )
    return columns


def _spelled(row: dict[Any, Any]) -> dict[str, str]:
    """Return a patient's facts as header values; a suppressed one is empty."""
    forms: dict[str, Callable[[Any], str]] = {
        "Age": lambda years: f"{min(int(years), 90):03d}Y",
        "Weight": lambda kg: f"{float(kg):g}",
        "Height": lambda cm: f"{float(cm) / 100:.4g}",
        "Sex": str,
    }
    return {
        _COLUMNS[name]: "" if value is None or value != value else forms[name](value)
        for name, value in row.items()
    }


def _digest(key: bytes, owner: str) -> str:
    return keyed_digest(key, "cohort", owner).hex()
