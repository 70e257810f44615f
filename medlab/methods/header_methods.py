"""A verb done to one element, and a method to the headers of a study, so that its files agree.

Of a study every element is changed once for each patient and value.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword

from medlab import dicom
from medlab.dicom.files import quiet_pydicom
from medlab.errors import InputError, MissingError
from medlab.methods.values import is_empty, is_valid

_ABSENT, _EMPTY, _MASK = "(absent)", "(empty)", "••••"


def apply(
    datasets: Sequence[Dataset], keyword: str, verb: Callable[..., Any], *args: Any, **options: Any
) -> list[Dataset]:
    """Return copies of the datasets with `verb` done to one top-level element of each.

    Parameters
    ----------
    datasets : sequence of Dataset
        One study, or a cohort: a verb that exchanges values does so between these.
    keyword : str
        Such as ``"PatientAge"``. Datasets without it are left alone.
    verb : callable
        A function of this package; it gets a Series, and the VR if it takes one.
    *args, **options
        Go to the verb.

    Raises
    ------
    InputError
        If a result does not fit the element's VR, or the element has several values.

    Examples
    --------
    >>> from medlab.methods import bucketization
    >>> dataset = Dataset()
    >>> dataset.PatientAge = "047Y"
    >>> apply([dataset], "PatientAge", bucketization.age)[0].PatientAge
    '040Y'
    """
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise MissingError(f"no DICOM keyword {keyword!r}; see medlab.dicom.search_dictionary")
    vr = str(dictionary_VR(tag))
    if "vr" in inspect.signature(verb).parameters:
        options.setdefault("vr", vr)
    column = pd.Series([_single_text(dataset, keyword) for dataset in datasets], dtype=object)
    changed = verb(column, *args, **options)
    values = [None] * len(datasets) if changed is None else list(changed)
    return [_written(*pair, keyword, vr) for pair in zip(datasets, values, strict=True)]


def side_by_side(
    versions: Mapping[str, Dataset],
    keywords: Sequence[str],
    *,
    reveal: bool = False,
    width: int = 30,
) -> pd.DataFrame:
    """Return one row an element and one column a version of the same dataset.

    Parameters
    ----------
    versions : mapping of name to Dataset
        The first is the original.
    keywords : sequence of str
        Elements of the top level.
    reveal : bool
        Show the original's values. Otherwise they are masked, also where another version
        still has them.
    width : int
        Longer values are cut to so many characters.

    Returns
    -------
    DataFrame of str
        ``"(absent)"`` where a version has no such element, ``"(empty)"`` where it has no value.
    """
    cells = {
        name: [_shown(dataset, keyword) for keyword in keywords]
        for name, dataset in versions.items()
    }
    table = pd.DataFrame(cells, index=pd.Index(keywords, name="element"), dtype=object)
    if reveal or table.empty:
        return table.map(_cut, width=width)
    original = table.iloc[:, 0]
    same = table.eq(original, axis=0) & ~original.isin([_ABSENT, _EMPTY]).to_numpy()[:, None]
    return table.mask(same, _MASK).map(_cut, width=width)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _shown(dataset: Dataset, keyword: str) -> str:
    if keyword not in dataset:
        return _ABSENT
    return str(dataset[keyword].value if dataset[keyword].value is not None else "") or _EMPTY


def _single_text(dataset: Dataset, keyword: str) -> str | None:
    if keyword not in dataset:
        return None
    if dataset[keyword].VM > 1:
        raise InputError(f"{keyword} has several values; a verb takes one")
    return "" if dataset[keyword].value is None else str(dataset[keyword].value)


def _written(dataset: Dataset, value: Any, keyword: str, vr: str) -> Dataset:
    out = copy.deepcopy(dataset)  # copy.copy would share the elements
    if keyword not in dataset:
        return out
    if value is None:
        del out[keyword]
        return out
    if not is_empty(value) and not is_valid(value, vr):
        raise InputError(f"the result does not fit {keyword} of VR {vr}; use another verb")
    setattr(out, keyword, "" if is_empty(value) else value)
    return out


Changes = dict[str, dict[tuple[str, str], Any]]

#: Standard deviations of the noise: years, kg, m, and days under "dates".
_SPREAD = MappingProxyType(
    {"PatientAge": 3.0, "PatientWeight": 5.0, "PatientSize": 0.05, "dates": 30.0}
)


class Setting(NamedTuple):
    """What a method is told before it changes the header of one patient.

    Attributes
    ----------
    key : bytes
    rng : Generator
    patient : str
        Whose headers they are (`medlab.dicom.owner`); it decides by how much dates move.
    kept : collection of str
        Keywords that stay as they are.
    spread : mapping of str to float
        Standard deviations of noise, by default those of `_SPREAD`.
    width : float
        Of the classes of age (years) and weight (kg).
    k : int
        Fewest patients in a bucket of slicing.
    """

    key: bytes
    rng: np.random.Generator
    patient: str = ""
    kept: Collection[str] = ()
    spread: Mapping[str, float] = _SPREAD
    width: float = 10
    k: int = 5


def changes_of(
    headers: Iterable[Dataset],
    verbs: Callable[[Setting], Mapping[str, Callable[..., Any]]],
    setting: Setting,
) -> tuple[Changes, list[str]]:
    """Return what each value of each patient becomes, and elements that had to be removed.

    Parameters
    ----------
    headers : iterable of Dataset
        Taken one by one.
    verbs : callable
        From a `Setting` to the verb of each keyword.
    setting : Setting
        Its `patient` is filled in for each.

    Returns
    -------
    changes : dict
        By keyword, then by patient and value; None where the element goes.
    removed : list of str
        Keywords of which a value could not be handled, and so was removed.
    """
    met: dict[str, dict[str, dict[str, Dataset]]] = {}
    named = verbs(setting._replace(rng=np.random.default_rng(0)))  # which, not how
    keywords = [keyword for keyword in named if keyword not in setting.kept]
    for header in headers:
        _note(header, keywords, met)
    changes: Changes = {}
    removed = []
    for patient, elements in met.items():
        by_keyword = verbs(setting._replace(patient=patient))
        for keyword, values in elements.items():
            place = changes.setdefault(keyword, {})
            try:
                after = apply(list(values.values()), keyword, by_keyword[keyword])
            except InputError:  # a value that does not fit its VR: better gone than kept
                after = [Dataset() for _ in values]
                removed.append(keyword)
            for text, dataset in zip(values, after, strict=True):
                place[patient, text] = dataset[keyword].value if keyword in dataset else None
    return changes, sorted(set(removed))


def _note(
    header: Dataset, keywords: Iterable[str], met: dict[str, dict[str, dict[str, Dataset]]]
) -> None:
    elements = met.setdefault(dicom.owner(header), {})
    for keyword in keywords:
        if keyword in header:
            with quiet_pydicom():
                small = Dataset()
                small[keyword] = header[keyword]
            elements.setdefault(keyword, {})[_text(header, keyword)] = small


def _text(dataset: Dataset, keyword: str) -> str:
    return str(dataset[keyword].value)


def changed(dataset: Dataset, changes: Changes) -> Dataset:
    """Return the dataset itself with the changes made in it."""
    patient = dicom.owner(dataset)
    with quiet_pydicom():
        for keyword, values in changes.items():
            if keyword not in dataset:
                continue
            new = values[patient, _text(dataset, keyword)]
            if new is None:
                del dataset[keyword]
            else:
                dataset[keyword].value = new
        if "SOPInstanceUID" in dataset and hasattr(dataset, "file_meta"):
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset
