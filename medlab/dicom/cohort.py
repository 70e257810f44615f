"""From a folder of headers to a table of patients and studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from pydicom.dataset import Dataset

from medlab.dicom.dates import parse_date
from medlab.dicom.files import find_files, quiet_pydicom, read
from medlab.errors import InputError, usable

#: Column of the table and keyword of the header it comes from.
_COLUMNS = {
    "PatientID": "PatientID",
    "PatientName": "PatientName",
    "StudyInstanceUID": "StudyInstanceUID",
    "Age": "PatientAge",
    "Sex": "PatientSex",
    "Weight": "PatientWeight",
    "Height": "PatientSize",
    "StudyDate": "StudyDate",
    "Modality": "Modality",
    "BodyPart": "BodyPartExamined",
    "Institution": "InstitutionName",
    "Device": "ManufacturerModelName",
    "Diagnosis": "AdmittingDiagnosesDescription",
}
_TEXT = [name for name in _COLUMNS if name not in ("Age", "Weight", "Height", "StudyDate")]


def cohort_table(
    folder: Path | str, *, by: str = "study", passed: dict[int, str] | None = None
) -> pd.DataFrame:
    """Return one row a study (or patient) from the headers of a folder.

    Parameters
    ----------
    folder : path
        Searched with all its subfolders; files that cannot be read are left out.
    by : {"study", "patient"}
        What a row is. The first value met counts; modalities are joined.
    passed : dict of int to str, optional
        Is filled with the files left out: number in the listing, and why.

    Returns
    -------
    DataFrame
        ``PatientID``, ``PatientName``, ``StudyInstanceUID``, ``Age`` (years, Int64),
        ``Sex``, ``Weight`` (kg), ``Height`` (cm), ``StudyDate`` (datetime), ``Modality``,
        ``BodyPart``, ``Institution``, ``Device``, ``Diagnosis``, ``Files`` (how many).
        It shows patients' values: it is not for giving away.

    Raises
    ------
    InputError
        If `by` is neither, or the folder holds no DICOM file that can be read.
    """
    if by not in ("study", "patient"):
        raise InputError(f"a row is a study or a patient, not {by!r}")
    rows: dict[Any, dict[str, Any]] = {}
    for _, _, values in usable(find_files(folder), _values, passed):
        _add(rows, values, by)
    if not rows:
        raise InputError("the folder holds no DICOM file that can be read; check the path")
    return _typed(pd.DataFrame(rows.values()))


def _values(path: Path) -> dict[str, str]:
    dataset = read(path)
    with quiet_pydicom():
        return {name: _value(dataset, keyword) for name, keyword in _COLUMNS.items()}


def _add(rows: dict[Any, dict[str, Any]], values: dict[str, str], by: str) -> None:
    name = values["PatientID"] or values["PatientName"]
    key = name if by == "patient" else (name, values["StudyInstanceUID"])
    row = rows.setdefault(key, {**values, "Files": 0})
    row["Files"] += 1
    for column, value in values.items():
        if not row[column]:
            row[column] = value
    row["Modality"] = "\\".join(sorted({*row["Modality"].split("\\"), values["Modality"]} - {""}))


def _value(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()


def _years(value: str) -> float | None:
    unit = {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}.get(value[-1:])
    return int(value[:-1]) // unit if unit and value[:-1].isdigit() else None


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with numbers, dates and text as such."""
    table["Age"] = pd.array([_years(v) for v in table["Age"]], dtype="Float64").astype("Int64")
    table["Weight"] = pd.to_numeric(table["Weight"], errors="coerce")
    table["Height"] = (pd.to_numeric(table["Height"], errors="coerce") * 100).round(1)
    days = [str(parse_date(value) or "") for value in table["StudyDate"]]
    table["StudyDate"] = pd.to_datetime(pd.Series(days, index=table.index), errors="coerce")
    for column in _TEXT:
        text = table[column].astype("string")
        table[column] = text.where(text != "")
    return table
