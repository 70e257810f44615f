"""Randomization: a value made uncertain, drawn anew, or exchanged within the cohort.

Noise on a value that everybody knows to be whole, or seen many times, can be averaged out;
a permuted column keeps its distribution and loses every link to the other columns.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from medlab.dicom.dates import OLDEST_AGE
from medlab.errors import InputError, KindError
from medlab.methods.values import (
    AGE,
    as_number,
    fitting,
    is_empty,
    is_valid,
    join_date,
    like,
    split_date,
)

_EPOCH, _LAST = date(1900, 1, 1).toordinal(), date(2100, 1, 1).toordinal()


def noise(
    values: Any,
    sd: float,
    rng: np.random.Generator,
    *,
    vr: str = "DS",
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> Any:
    """Return the values with normal noise of standard deviation `sd` added.

    Parameters
    ----------
    values : one value or Series
        Numbers; ages (AS), whose unit is kept; dates (DA, DT), moved by whole days.
    sd : float
        In the unit of the value; days for dates. Every row gets its own draw.
    rng : Generator
    vr : str
        ``"DS"`` (and all numbers), ``"AS"``, ``"DA"`` or ``"DT"``.
    limits : (low, high)
        Results are clipped to these, ages to 0 to 999 as well.
    """
    if sd < 0:
        raise InputError(f"a standard deviation can't be {sd}; give 0 or more")
    return _rows(values, lambda value: _moved(value, rng.normal(0.0, sd), vr, limits))


def replace(
    values: Any, rng: np.random.Generator, *, vr: str = "LO", pool: Sequence[Any] = ()
) -> Any:
    """Return random values instead: drawn from `pool`, or made up to fit the VR.

    Without a pool: letters and digits of the same length for text, a day of 1900 to 2099
    for dates, a number of as many digits for numbers, 001Y to 089Y for ages.
    """
    choices = [fitting(value, vr) for value in pool]
    if choices:
        return _rows(values, lambda _: choices[int(rng.integers(len(choices)))])
    return _rows(values, lambda value: fitting(_invented(value, vr, rng), vr))


def permute(column: pd.Series, rng: np.random.Generator, *, within: Any = None) -> pd.Series:
    """Return the column with its values exchanged between rows.

    Parameters
    ----------
    column : Series
    rng : Generator
    within : Series, optional
        Exchange only between rows that are equal here, such as the sex.
    """
    if not isinstance(column, pd.Series):
        raise KindError("one value has nothing to be exchanged with; give a Series")
    groups = pd.Series(0, index=column.index) if within is None else within
    out = column.to_numpy(dtype=object, copy=True)
    for rows in groups.reset_index(drop=True).groupby(groups.to_numpy()).indices.values():
        out[rows] = out[rng.permutation(rows)]
    return pd.Series(out, index=column.index, name=column.name).astype(column.dtype)


def _rows(values: Any, draw: Any) -> Any:
    """Return `draw` of every row: unlike `each`, equal values get draws of their own."""
    if not isinstance(values, pd.Series):
        return values if is_empty(values) else draw(values)
    drawn = [value if is_empty(value) else draw(value) for value in values]
    return pd.Series(drawn, index=values.index, name=values.name)


def _moved(value: Any, by: float, vr: str, limits: tuple[float, float]) -> Any:
    if vr in ("DA", "DT"):
        day, separator, rest = split_date(value)
        return join_date(day + timedelta(days=round(by)), separator, rest)
    if vr == "AS":
        match = AGE.fullmatch(str(value))
        if match is None:
            raise InputError("the value is no age such as 042Y; remove or mend it first")
        years = np.clip(int(match[1]) + by, max(0, limits[0]), min(999, limits[1]))
        return f"{round(float(years)):03d}{match[2]}"
    return like(float(np.clip(as_number(value) + by, *limits)), value)


def _invented(value: Any, vr: str, rng: np.random.Generator) -> Any:
    if vr in ("DA", "DT"):
        _, separator, rest = split_date(value)
        return join_date(date.fromordinal(int(rng.integers(_EPOCH, _LAST))), separator, rest)
    if vr == "AS":
        return f"{int(rng.integers(1, OLDEST_AGE + 1)):03d}Y"
    if vr in ("DS", "IS") or isinstance(value, (int, float)):
        digits = max(1, len(str(abs(int(as_number(value))))))
        return like(float(rng.integers(10 ** (digits - 1), 10**digits)), value)
    letters = np.array(list(string.ascii_uppercase + string.digits))
    text = "".join(rng.choice(letters, size=len(str(value))))
    if not is_valid(text, vr):
        raise InputError(f"nothing random can be made up for VR {vr}; give a pool to draw from")
    return text
