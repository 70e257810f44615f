"""From a folder of headers to a table of patients and studies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from medlab.dicom.codes import owner
from medlab.dicom.dates import IN_A_YEAR, parse_date
from medlab.dicom.files import find_files, quiet_pydicom, read
from medlab.errors import InputError, usable

if TYPE_CHECKING:
    import pandas as pd

#: Column of the cohort table, and the element that it is read from.
COLUMNS = {
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
_TEXT = [name for name in COLUMNS if name not in ("Age", "Weight", "Height", "StudyDate")]


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
    return owners_and_table(folder, by=by, passed=passed)[1]


def owners_and_table(
    folder: Path | str,
    whose: Callable[[Dataset], str] = owner,
    *,
    by: str = "patient",
    passed: dict[int, str] | None = None,
) -> tuple[list[str], pd.DataFrame]:
    """Return the table of `cohort_table` and, row by row, who `whose` says it belongs to."""
    import pandas as pd

    rows: dict[Any, dict[str, Any]] = {}
    for _, _, (person, values) in usable(find_files(folder), partial(_values, whose), passed):
        _add(rows, person, values, by)
    if not rows:
        raise InputError("the folder holds no DICOM file that can be read; check the path")
    return [person for person, _ in rows], _typed(pd.DataFrame(rows.values()))


def _values(whose: Callable[[Dataset], str], path: Path) -> tuple[str, dict[str, str]]:
    dataset = read(path)
    with quiet_pydicom():
        values = {name: _value(dataset, keyword) for name, keyword in COLUMNS.items()}
        return whose(dataset), values


def _add(rows: dict[Any, dict[str, Any]], person: str, values: dict[str, str], by: str) -> None:
    key = (person, values["StudyInstanceUID"] if by == "study" else "")
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
    unit = IN_A_YEAR.get(value[-1:])
    return int(value[:-1]) // unit if unit and value[:-1].isdigit() else None


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with numbers, dates and text as such."""
    import pandas as pd

    table["Age"] = pd.array([_years(v) for v in table["Age"]], dtype="Float64").astype("Int64")
    table["Weight"] = pd.to_numeric(table["Weight"], errors="coerce")
    table["Height"] = (pd.to_numeric(table["Height"], errors="coerce") * 100).round(1)
    days = [str(parse_date(value) or "") for value in table["StudyDate"]]
    table["StudyDate"] = pd.to_datetime(pd.Series(days, index=table.index), errors="coerce")
    for column in _TEXT:
        text = table[column].astype("string")
        table[column] = text.where(text != "")
    return table
