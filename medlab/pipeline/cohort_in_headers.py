"""k-anonymity in the headers: what was written is read back from the files and counted again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom import Dataset

from medlab import dicom
from medlab.dicom.cohort import COLUMNS
from medlab.dicom.declarations import method_lines
from medlab.errors import InputError, usable

if TYPE_CHECKING:
    import pandas as pd

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
        diverse = self.l is None or self.l >= self.promises.l
        close = self.t is None or self.promises.t is None or self.t <= self.promises.t + 1e-9
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


def state(dataset: Dataset, promises: Mapping[str, Any], ranges: dict[str, str]) -> None:
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


def released(folder: Path | str) -> tuple[pd.DataFrame, _Promises]:
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

    table, promises = released(folder)
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
