"""Released cells made into single values that a DICOM element can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from medlab.errors import InputError
from medlab.tabular.cells import distinct
from medlab.tabular.release import SUPPRESSED, Release


def representative(release: Release, original: pd.DataFrame) -> pd.DataFrame:
    """Return one value for each released quasi-identifier cell.

    Parameters
    ----------
    release : Release
        Of kind "generalized" or "aggregate".
    original : DataFrame
        The table before; it tells whether a number column holds whole numbers.

    Returns
    -------
    DataFrame, one row per record, one column per quasi-identifier
        Numbers: the middle of the interval, whole where the original is whole. Dates:
        the day in the middle. Categories: the label or node; of a set the label that
        is most frequent in the whole table. Missing where the cell is suppressed or
        missing. All rows of a class get the same value, so that writing these values
        keeps the classes.

    Raises
    ------
    InputError
        If the release does not generalize.
    """
    if release.kind not in ("generalized", "aggregate"):
        raise InputError(f"a release of kind {release.kind} has no cells to be represented")
    found = {name: _column(release.table[name], original[name]) for name in release.quasi}
    return pd.DataFrame(found, index=release.table.index)


def _column(released: pd.Series[Any], original: pd.Series[Any]) -> pd.Series[Any]:
    codes, cells = distinct(released)
    whole = pd.api.types.is_integer_dtype(original.dtype)
    often = original.astype(object).map(str).value_counts()
    values = np.empty(len(cells), dtype=object)
    values[:] = [_value(cell, whole, often) for cell in cells]
    return pd.Series(values[codes], index=released.index, dtype=object)


def _value(cell: Any, whole: bool, often: pd.Series[int]) -> Any:
    if isinstance(cell, pd.Interval):
        return _middle(cell, whole)
    if isinstance(cell, frozenset):
        return min(cell, key=lambda label: (-int(often.get(label, 0)), label))
    if isinstance(cell, str) and cell == SUPPRESSED:
        return None
    return None if pd.isna(cell) else cell


def _middle(cell: pd.Interval[Any], whole: bool) -> Any:
    middle = cell.left + (cell.right - cell.left) / 2
    if isinstance(middle, pd.Timestamp):
        return middle.normalize()
    return round(float(middle)) if whole else round(float(middle), 3)
