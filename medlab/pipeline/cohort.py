"""k-anonymity in the headers: what was written is read back from the files and counted again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pydicom import Dataset

from medlab import dicom
from medlab.dicom.marks import method_lines
from medlab.errors import InputError, usable

#: Elements that no cohort table holds and that still tell patients apart.
TECHNICAL = (
    "StudyDate",
    "Modality",
    "BodyPartExamined",
    "Manufacturer",
    "ManufacturerModelName",
    "MagneticFieldStrength",
    "KVP",
    "Exposure",
    "SliceThickness",
    "PixelSpacing",
    "Rows",
    "Columns",
)
_STATED = re.compile(r"cohort k=(\d+): (\w+) (.*)")


class CohortCheck(NamedTuple):
    """What the classes of a folder of headers come to when they are counted again.

    Attributes
    ----------
    patients : int
        Patients whose files state a class.
    asked, found : int
        The k that the files state, and the smallest class that was counted.
    unique_again : int
        Patients who stand alone once kept dates and technical elements are added.
    """

    patients: int
    asked: int
    found: int
    unique_again: int

    @property
    def holds(self) -> bool:
        """Whether every class has the stated size."""
        return self.found >= self.asked

    def sentence(self) -> str:
        """Return the check in words."""
        return (
            f"cohort: k = {self.asked} was asked, the smallest of the classes stated in the "
            f"files holds {self.found} of {self.patients} patients; with kept dates, device, "
            f"exposure and geometry added, {self.unique_again} patients are unique again"
        )


def state(dataset: Dataset, k: int, ranges: dict[str, str]) -> None:
    """Write a patient's released cells into De-identification Method (0012,0063).

    A VR such as AS can't hold a range, so the element itself holds one value that stands
    for the class, and the range is stated where a file tells how it was de-identified.

    Parameters
    ----------
    dataset : Dataset
        Changed in place.
    k : int
    ranges : dict
        Released cell as text by column of the cohort table, such as ``{"Age": "[40, 52]"}``.
    """
    lines = [line for line in method_lines(dataset) if not _STATED.fullmatch(line)]
    stated = [f"cohort k={k}: {name} {text}"[:64] for name, text in ranges.items()]
    dataset.DeidentificationMethod = lines + stated


def released(folder: Path | str) -> tuple[pd.DataFrame, int]:
    """Read the release table back from a folder of de-identified files.

    Parameters
    ----------
    folder : path
        Files that cannot be read are passed over: they are none of the job's.

    Returns
    -------
    table : DataFrame
        One row a patient, index the pseudonym: the stated ranges and `TECHNICAL`, several
        values of one patient joined by ``;``. Empty when no file states a class.
    k : int
        The k that the files state; 0 when none does.
    """
    found: dict[str, dict[str, set[str]]] = {}
    asked = 0
    for _, _, dataset in usable(dicom.find_files(folder), dicom.read):
        lines = method_lines(dataset)
        stated = [match.groups() for line in lines if (match := _STATED.fullmatch(line))]
        if not stated:
            continue
        asked = max(asked, *(int(k) for k, _, _ in stated))
        facts = found.setdefault(str(dataset.get("PatientID", "")), {})
        for name, text in [*((n, t) for _, n, t in stated), *_technical(dataset)]:
            facts.setdefault(name, set()).add(text)
    rows = {
        code: {name: "; ".join(sorted(texts)) for name, texts in facts.items()}
        for code, facts in found.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("PatientID").fillna("")
    return table, asked


def _technical(dataset: Dataset) -> list[tuple[str, str]]:
    return [(keyword, str(dataset.get(keyword, ""))) for keyword in TECHNICAL]


def check(folder: Path | str) -> CohortCheck | None:
    """Count the classes that the files of a folder state.

    Parameters
    ----------
    folder : path

    Returns
    -------
    CohortCheck or None
        None when no file states a class.

    Raises
    ------
    InputError
        If the files of one patient state different classes.
    """
    from medlab import tabular

    table, asked = released(folder)
    if table.empty:
        return None
    quasi = [name for name in table.columns if name not in TECHNICAL]
    if table[quasi].apply(lambda column: column.str.contains("; ", regex=False)).any(axis=None):
        raise InputError("files of one patient state different classes; make the release anew")
    found = tabular.k_anonymity(table, quasi)
    unique = int((tabular.class_sizes(table, list(table.columns)) == 1).sum())
    return CohortCheck(len(table), asked, found, unique)
