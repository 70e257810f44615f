"""One method alone on the headers of a study: what each does, and what it leaves standing.

Every element is changed once for each patient and value, so that the files of a study agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset

from medlab import dicom, methods
from medlab.dicom.files import quiet_pydicom, read_header
from medlab.errors import InputError
from medlab.methods import bucketization, pseudonymization, randomization, suppression

Verb = Callable[..., Any]
Changes = dict[str, dict[tuple[str, str], Any]]

_DATES = (
    *("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "AcquisitionDateTime"),
    "InstanceCreationDate",
)
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
_PEOPLE = (
    *("ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName"),
    *("NameOfPhysiciansReadingStudy", "InstitutionName", "StationName"),
)
#: What a person is shown before and after.
SHOWN = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientAge", "PatientSex"),
    *("PatientWeight", "StudyDate", "AccessionNumber", "InstitutionName", "StudyInstanceUID"),
)
_GONE = ("PatientAge", "PatientSex", "PatientWeight", "PatientSize", "PatientAddress")
_DAYS, _KG, _M, _YEARS = 30, 5.0, 0.05, 3  # standard deviations of the noise


def verbs(
    method: str, key: bytes, rng: np.random.Generator, patient: str
) -> Mapping[str, Verb | partial[Any]]:
    """Return what a method does to which elements of one patient.

    Parameters
    ----------
    method : {"suppression", "randomization", "pseudonymization", "bucketization"}
    key : bytes
    rng : Generator
    patient : str
        Whose headers they are (`dicom.owner`); it decides by how much dates move.
    """
    if method == "suppression":
        fixed = dict.fromkeys(("PatientName", "PatientID"), suppression.fixed)
        blank = ("PatientBirthDate", "AccessionNumber", *_PEOPLE, *_DATES)
        return fixed | dict.fromkeys(blank, suppression.blank) | _all(_GONE, suppression.remove)
    if method == "randomization":
        drawn = partial(randomization.replace, rng=rng)
        noise = partial(randomization.noise, rng=rng)
        # One draw for all dates, and never none: a series stays behind its study.
        moved = partial(pseudonymization.offset, by=round(rng.normal(0.0, _DAYS)) or 1)
        return {
            **_all(("PatientName", "PatientID", "AccessionNumber"), drawn),
            **_all(("PatientBirthDate", *_DATES), moved),
            "PatientAge": partial(noise, sd=_YEARS),
            "PatientWeight": partial(noise, sd=_KG, limits=(0, np.inf)),
            "PatientSize": partial(noise, sd=_M, limits=(0, np.inf)),
        }
    if method == "pseudonymization":
        days = dicom.offset_days(key, patient)
        return {
            "PatientName": partial(pseudonymization.alias, key=key),
            **_all(("PatientID", "AccessionNumber", *_UIDS), partial(_code, key=key)),
            **_all(("PatientBirthDate", *_DATES), partial(pseudonymization.offset, by=days)),
        }
    return {
        "PatientAge": bucketization.age,
        "PatientWeight": partial(bucketization.number, width=10),
        "PatientSize": partial(bucketization.number, width=0.1),
        "PatientBirthDate": partial(bucketization.day, to="year"),
        **_all(_DATES, bucketization.day),
    }


def _all(keywords: Iterable[str], verb: Any) -> dict[str, Any]:
    return dict.fromkeys(keywords, verb)


def _code(values: Any, key: bytes, vr: str) -> Any:
    return pseudonymization.code(values, key, vr=vr)


def changes(paths: Iterable[Path], method: str, key: bytes) -> tuple[Changes, list[str]]:
    """Return what each value of each patient becomes, and elements that had to be removed.

    Parameters
    ----------
    paths : iterable of Path
        DICOM files; only their headers are read.
    method : str
        See `verbs`.
    key : bytes

    Returns
    -------
    changes : dict
        By keyword, then by patient and value; None where the element goes.
    removed : list of str
        Keywords of which a value could not be handled, and so was removed.
    """
    rng = np.random.default_rng()
    met: dict[str, dict[str, dict[str, Dataset]]] = {}
    for path in paths:
        _note(read_header(path), method, key, met)
    found: Changes = {}
    removed = []
    for patient, elements in met.items():
        todo = verbs(method, key, rng, patient)
        for keyword, values in elements.items():
            place = found.setdefault(keyword, {})
            try:
                after = methods.apply(list(values.values()), keyword, todo[keyword])
            except InputError:  # a value that does not fit its VR: better gone than kept
                after = [Dataset() for _ in values]
                removed.append(keyword)
            for text, dataset in zip(values, after, strict=True):
                place[patient, text] = dataset[keyword].value if keyword in dataset else None
    return found, sorted(set(removed))


def _note(
    header: Dataset, method: str, key: bytes, met: dict[str, dict[str, dict[str, Dataset]]]
) -> None:
    patient = dicom.owner(header)
    elements = met.setdefault(patient, {})
    for keyword in verbs(method, key, np.random.default_rng(0), patient):
        if keyword in header:
            with quiet_pydicom():
                small = Dataset()
                small[keyword] = header[keyword]
            elements.setdefault(keyword, {})[text_of(header, keyword)] = small


def text_of(dataset: Dataset, keyword: str) -> str:
    """Return a value as `changes` names it."""
    return str(dataset[keyword].value)


def changed(dataset: Dataset, found: Changes) -> Dataset:
    """Return the dataset itself with the changes made in it."""
    patient = dicom.owner(dataset)
    with quiet_pydicom():
        for keyword, values in found.items():
            if keyword not in dataset:
                continue
            new = values[patient, text_of(dataset, keyword)]
            if new is None:
                del dataset[keyword]
            else:
                dataset[keyword].value = new
        if "SOPInstanceUID" in dataset:
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset
