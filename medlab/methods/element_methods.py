"""A verb on one element of a study's files: the whole study is one column."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword

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
    column = pd.Series([_text(dataset, keyword) for dataset in datasets], dtype=object)
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


def _text(dataset: Dataset, keyword: str) -> str | None:
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
