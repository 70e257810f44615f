"""Suppression: the value goes. Nothing is left to attack, and nothing to analyze."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pydicom.valuerep import FLOAT_VR, INT_VR

from medlab.dicom.dates import DUMMY_DATE
from medlab.methods.values import each, fitting

# Harmless values that fit; "ANON" does everywhere else.
_FIXED: dict[str, Any] = {
    **{vr.value: 0 for vr in INT_VR}, **{vr.value: 0.0 for vr in FLOAT_VR}, "DS": "0", "IS": "0",
    "AS": "000Y", "DA": DUMMY_DATE, "DT": f"{DUMMY_DATE}000000", "TM": "000000",
    "PN": "ANON^", "UI": "2.25.0",
}  # fmt: skip


def remove(values: Any) -> None:
    """Return None: the element, or the column, is to be taken out (code X of PS3.15)."""
    return


def blank(values: Any) -> Any:
    """Return an empty value, or a column of them: the element stays, its value goes (Z)."""
    if isinstance(values, pd.Series):
        return pd.Series("", index=values.index, name=values.name, dtype=object)
    return ""


def fixed(values: Any, vr: str = "LO", value: Any = None) -> Any:
    """Return the same value for everybody (D).

    Parameters
    ----------
    values : one value or Series
        Empty values stay empty.
    vr : str
        The VR of the element.
    value : optional
        What to put in place; a dummy of the VR by default.

    Raises
    ------
    InputError
        If `value` does not fit the VR.

    Examples
    --------
    >>> fixed("19620417", "DA")
    '19000101'
    """
    dummy = fitting(_FIXED.get(vr, "ANON") if value is None else value, vr)
    return each(values, lambda _: dummy)
