"""The steps that other rooms do: text in pixels, k-anonymity of the cohort's facts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom import Dataset

from medlab import dicom
from medlab.crypto import keyed_digest
from medlab.dicom.marks import add_codes
from medlab.errors import RefusedError, UnavailableError, UsageError
from medlab.pipeline.opening import Job
from medlab.pipeline.settings import FACES, PIXELS, Settings

_FACE_MODALITIES = ("MR", "CT", "PT", "NM")
# Columns of dicom.cohort_table that a header can hold one value of, and where.
_COLUMNS = {
    "Age": "PatientAge",
    "Sex": "PatientSex",
    "Weight": "PatientWeight",
    "Height": "PatientSize",
}
_SENSITIVE = {"AdmittingDiagnosesDescription": "Diagnosis"}


class QuarantineError(RefusedError):
    """The file waits for a person's decision."""


def cleans_pixels(settings: Settings) -> bool:
    """Return whether text is to be taken out of the pixels."""
    return settings.clean_pixels or PIXELS in settings.options


def check_available(settings: Settings) -> None:
    """Refuse, before a job begins, what can't be done on this machine.

    Raises
    ------
    UnavailableError, UsageError
    """
    if cleans_pixels(settings) and not hasattr(_pixels(), "clean"):
        raise UnavailableError("cleaning of pixels is not available in this version")
    if settings.cohort_k is not None:
        _columns(settings.quasi)


def _pixels() -> Any:
    from importlib import import_module

    return import_module("medlab.pixels")


def without_text(
    before: Dataset, after: Dataset, plan: dicom.Plan, settings: Settings
) -> tuple[Dataset, list[str]]:
    """Return the dataset without text in its pixels, and what was not checked.

    What can't be checked raises, so that the file is withheld.
    """
    if "PixelData" not in before and "FloatPixelData" not in before:
        return after, []
    head = before.get("Modality") in _FACE_MODALITIES
    if head and FACES in settings.options:
        raise RefusedError("faces in DICOM series are not removed by a job; use medlab deface")
    unchecked = ["face"] if head else []
    if not cleans_pixels(settings):
        return after, [*unchecked, "text in pixels"]
    pixels = _pixels()
    try:
        done = pixels.clean(
            after,
            pixels.identity_words(before),
            policy=settings.pixel_policy,
            quarantine=settings.quarantine,
            header_options=plan.options,
        )
    except RefusedError as error:
        if hasattr(error, "decisions"):
            raise QuarantineError(str(error)) from None
        raise
    if done.complete:
        dicom.claim(done.dataset, PIXELS)
    elif done.checked:
        add_codes(done.dataset, [dicom.OPTIONS[PIXELS]])
    return done.dataset, unchecked


class Cohort:
    """What each patient's facts became, by keyed digest of who it is."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._values: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
        self._key = key

    def apply(self, before: Dataset, after: Dataset) -> None:
        """Write the generalized facts over those that the policy kept.

        Raises
        ------
        RefusedError
            If the patient is not in the cohort: then nothing protects these facts.
        """
        values = self._values.get(_who(self._key, before))
        if values is None:
            raise RefusedError("the patient of this file is not in the cohort")
        for keyword, value in values.items():
            if keyword in after:
                setattr(after, keyword, value)


def plan_cohort(job: Job) -> None:
    """Generalize the cohort of the source folder and note what each patient's facts become."""
    settings, path = job.work.settings, job.work.cohort
    path.unlink(missing_ok=True)
    if settings.cohort_k is None:
        return
    from medlab import tabular

    columns = _columns(settings.quasi)
    table = dicom.cohort_table(job.work.source, by="patient")
    sensitive = _SENSITIVE.get(settings.sensitive, settings.sensitive) or None
    release = tabular.mondrian(table, columns, sensitive, k=settings.cohort_k)
    values = tabular.representative(release, table)
    names = table["PatientID"].fillna(table["PatientName"]).fillna("").astype(str)
    noted = {
        _digest(job.work.key, name): _spelled(row)
        for name, row in zip(names, values.to_dict("records"), strict=True)
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(noted), encoding="utf-8")


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


def _who(key: bytes, dataset: Dataset) -> str:
    name = str(dataset.get("PatientID") or "").strip() or str(dataset.get("PatientName") or "")
    return _digest(key, name.strip())


def _digest(key: bytes, name: str) -> str:
    return keyed_digest(key, "cohort", name).hex()
