"""k-anonymity in the headers: a cohort is generalized, and its values are written into the files.

What was written is read back from the files alone, and its classes are counted again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom import Dataset

from medlab import dicom
from medlab.crypto import keyed_digest
from medlab.dicom.cohort import COLUMNS, owners_and_table
from medlab.dicom.dates import OLDEST_AGE
from medlab.dicom.declarations import method_lines
from medlab.disk import appearing, write_whole
from medlab.errors import InputError, RefusedError, UsageError, usable
from medlab.pipeline.job_files import Job
from medlab.pipeline.owners import Owners

if TYPE_CHECKING:
    import pandas as pd

# Columns of dicom.cohort_table that a header can hold one value of, and where.
_COLUMNS = {name: COLUMNS[name] for name in ("Age", "Sex", "Weight", "Height")}
_SENSITIVE = {COLUMNS["Diagnosis"]: "Diagnosis"}
#: Elements that no cohort table holds and that still tell patients apart.
_TECHNICAL = (
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
_PROMISED = re.compile(r"cohort ([lt])=([\d.]+) of (\w+)")


def plan_cohort(job: Job) -> None:
    """Generalize the cohort of the source folder and note what each patient's facts become."""
    settings, path = job.work.settings, job.work.cohort
    path.unlink(missing_ok=True)
    if settings.cohort_k is None:
        return
    from medlab import tabular

    columns = check_quasi(settings.quasi)
    owners, table = owners_and_table(job.work.source, Owners(job.work))
    table["Age"] = table["Age"].clip(upper=OLDEST_AGE + 1)  # ages over 89 are one class
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
    promises = {"k": settings.cohort_k, "sensitive": sensitive}
    promises |= {"l": settings.cohort_l, "t": settings.cohort_t} if sensitive else {}
    write_whole(path, json.dumps({"promises": promises, "patients": patients}).encode(), 0o600)


def check_quasi(quasi: Iterable[str]) -> list[str]:
    """Return the columns of the cohort's table that are named, by keyword or as they are.

    Raises
    ------
    UsageError
        If a header cannot hold one value of them.
    """
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
        "Age": lambda years: f"{min(int(years), OLDEST_AGE + 1):03d}Y",
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
            if after.get(keyword) not in (None, ""):  # what the policy emptied stays empty
                setattr(after, keyword, value)
        _state(after, self._promises, patient["ranges"])


def _state(dataset: Dataset, promises: Mapping[str, Any], ranges: dict[str, str]) -> None:
    """Write a patient's released cells into De-identification Method (0012,0063).

    A VR such as AS can't hold a range, so the element itself holds one value that stands
    for the class, and the range is stated where a file tells how it was de-identified.

    Parameters
    ----------
    dataset : Dataset
        Changed in place.
    promises : mapping
        ``k`` and, with a ``sensitive`` column, ``l`` and ``t``.
    ranges : dict
        Released cell as text by column of the cohort table, such as ``{"Age": "[40, 52]"}``.
    """
    lines = [
        line
        for line in method_lines(dataset)
        if not (_STATED.fullmatch(line) or _PROMISED.fullmatch(line))
    ]
    stated = [f"cohort k={promises['k']}: {name} {text}"[:64] for name, text in ranges.items()]
    stated += [
        f"cohort {name}={promises[name]:g} of {promises['sensitive']}"
        for name in ("l", "t")
        if promises.get(name) is not None
    ]
    dataset.DeidentificationMethod = lines + stated


class _Promises(NamedTuple):
    """What files state of the classes of their cohort.

    Attributes
    ----------
    k : int
        0 where no file states a class.
    l : float
    t : float or None
    sensitive : str
        Column of the cohort table that l and t are about; empty without them.
    """

    k: int
    l: float = 1
    t: float | None = None
    sensitive: str = ""


class CohortCheck(NamedTuple):
    """What the classes of a folder of headers come to when they are counted again.

    Attributes
    ----------
    patients : int
        Patients whose files state a class.
    asked, found : int
        The k that the files state, and the smallest class that was counted.
    unique_again : int
        Patients who are unique once kept dates and technical elements are added.
    promises : _Promises
    l, t : float or None
        What was counted of the sensitive values that the files show; None if they show none.
    """

    patients: int
    asked: int
    found: int
    unique_again: int
    promises: _Promises
    l: float | None = None
    t: float | None = None

    @property
    def holds(self) -> bool:
        """Whether every class has the stated size and diversity."""
        from medlab.tabular.criteria import ROUNDING

        diverse = self.l is None or self.l >= self.promises.l
        close = self.t is None or self.promises.t is None or self.t <= self.promises.t + ROUNDING
        return self.found >= self.asked and diverse and close

    def sentence(self) -> str:
        """Return the check in words."""
        return (
            f"cohort: k = {self.asked} was asked, the smallest of the classes stated in the "
            f"files holds {self.found} of {self.patients} patients; with kept dates, device, "
            f"exposure and geometry added, {self.unique_again} patients are unique again"
            + self._of_values()
        )

    def _of_values(self) -> str:
        _, l, t, sensitive = self.promises
        if not sensitive:
            return ""
        if self.l is None:
            return f"; the files show no {sensitive} any more"
        criteria = f"l = {l:g}" + ("" if t is None else f" and t = {t:g}")
        return f"; {criteria} of {sensitive} was asked, counted l = {self.l:g}, t = {self.t:.3f}"


def _released(folder: Path | str) -> tuple[pd.DataFrame, _Promises]:
    """Read the release table back from a folder of de-identified files.

    Parameters
    ----------
    folder : path
        Files that cannot be read are passed over: they are none of the job's.

    Returns
    -------
    table : DataFrame
        One row a patient, index the pseudonym: the stated ranges, `_TECHNICAL` and the sensitive
        column, several values of one patient joined by ``;``. Empty when no file states a class.
    promises : _Promises
    """
    import pandas as pd

    by_owner: dict[str, dict[str, set[str]]] = {}
    promises = _Promises(0)
    for _, _, dataset in usable(dicom.find_files(folder), dicom.read):
        lines = method_lines(dataset)
        stated = [match.groups() for line in lines if (match := _STATED.fullmatch(line))]
        if not stated:
            continue
        promises = promises._replace(k=max(promises.k, *(int(k) for k, _, _ in stated)))
        for name, value, about in (m.groups() for m in map(_PROMISED.fullmatch, lines) if m):
            values: dict[str, Any] = {name: float(value), "sensitive": about}
            promises = promises._replace(**values)
        facts = by_owner.setdefault(str(dataset.get("PatientID", "")), {})
        for _, name, text in stated:
            facts.setdefault(name, set()).add(text)
        for name in [*_TECHNICAL, *filter(None, [promises.sensitive])]:
            text = str(dataset.get(COLUMNS.get(name, name), ""))
            facts.setdefault(name, set()).add(text)
    rows = {
        code: {name: "; ".join(sorted(texts)) for name, texts in facts.items()}
        for code, facts in by_owner.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("PatientID").fillna("")
    return table, promises


def _worst(table: pd.DataFrame, quasi: list[str], secret: str) -> pd.Series[Any]:
    """Return one sensitive value a patient; of several the one that most of the class have.

    A value that all patients of a class have is known of each, whatever else they have.
    """
    import pandas as pd

    from medlab import tabular

    each = table[secret].str.split("; ").explode()
    each = each[each != ""]  # some files of a patient may not have the element
    group = pd.Series(tabular.class_numbers(table, quasi), table.index)
    rows = pd.DataFrame({"value": each, "class": group.reindex(each.index)})
    rows["often"] = rows.groupby(["class", "value"])["value"].transform("size")
    first = rows.sort_values("often", ascending=False, kind="stable")["value"]
    return first[~first.index.duplicated()].reindex(table.index)


def check(folder: Path | str, table_file: Path | None = None) -> CohortCheck | None:
    """Count the classes that the files of a folder state.

    Parameters
    ----------
    folder : path
    table_file : Path, optional
        Where the release table goes as it was read back, a CSV.

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

    table, promises = _released(folder)
    if table_file is not None:
        with appearing(table_file) as part:
            table.to_csv(part)
    if table.empty:
        return None
    secret = promises.sensitive
    quasi = [name for name in table.columns if name not in (*_TECHNICAL, secret)]
    if table[quasi].apply(lambda column: column.str.contains("; ", regex=False)).any(axis=None):
        raise InputError("files of one patient state different classes; make the release anew")
    k = tabular.k_anonymity(table, quasi)
    facts = [*quasi, *(name for name in _TECHNICAL if name in table)]
    unique = int((tabular.class_sizes(table, facts) == 1).sum())
    l, t = None, None
    if secret and (table[secret] != "").any():
        judged = table.assign(**{secret: _worst(table, quasi, secret)})
        l = float(tabular.l_diversity(judged, quasi, secret))
        t = tabular.t_closeness(judged, quasi, secret, distance="equal")
    return CohortCheck(len(table), promises.k, k, unique, promises, l, t)
