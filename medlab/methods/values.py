"""What the verbs share: one value or a column, and whether a text fits its VR."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
from pydicom import config
from pydicom.valuerep import validate_value

from medlab.errors import InputError

AGE = re.compile(r"(\d{3})([DWMY])")
_LONGEST_DS = 16  # PS3.5 6.2
_DATE = re.compile(r"(\d{4})(\.?)(\d{2})\2(\d{2})(.*)", re.DOTALL)


def each(values: Any, verb: Callable[[Any], Any]) -> Any:
    """Return `verb` of one value, or of every distinct value of a Series.

    Empty values (None, NaN, ``""``) are left as they are.
    """
    if not isinstance(values, pd.Series):
        return values if is_empty(values) else verb(values)
    results = {value: verb(value) for value in values.dropna().unique() if value != ""}
    return values.map(lambda value: results.get(value, value), na_action="ignore")


def is_empty(value: Any) -> bool:
    """Return whether there is nothing in it to protect."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def is_valid(value: Any, vr: str) -> bool:
    """Return whether a value may stand in an element of that VR (PS3.5 section 6.2)."""
    try:
        validate_value(vr, value, config.RAISE)
    except (ValueError, TypeError, AttributeError):
        return False
    return True


def fitting(value: Any, vr: str) -> Any:
    """Return the value itself if it fits; InputError, without repeating it, if not."""
    if not is_valid(value, vr):
        raise InputError(f"the new value does not fit VR {vr}; choose one that PS3.5 6.2 allows")
    return value


def split_date(value: str) -> tuple[date, str, str]:
    """Return the day of a DA or DT, its separator (legacy ``YYYY.MM.DD``) and the rest.

    Raises
    ------
    InputError
        If the text does not begin with a day of the calendar; it is not repeated.
    """
    match = _DATE.fullmatch(str(value).strip())
    try:
        if match is None:
            raise ValueError
        day = date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        raise InputError(
            f"a text of {len(str(value))} characters is no date YYYYMMDD; remove or mend it first"
        ) from None
    return day, match[2], match[5]


def join_date(day: date, separator: str, rest: str) -> str:
    """Return the text that `split_date` took apart, with another day."""
    return f"{day.year:04d}{separator}{day.month:02d}{separator}{day.day:02d}{rest}"


def as_number(value: Any) -> float:
    """Return the number in a DS, IS or number; InputError if there is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError("the value is no number; this verb is for DS, IS and numbers") from None
    if not math.isfinite(number):
        raise InputError("the value is not finite; this verb is for DS, IS and numbers")
    return number


def like(number: float, value: Any) -> Any:
    """Return `number` in the kind of `value`: an int, a float, or a text of at most 16."""
    if isinstance(value, int):
        return type(value)(round(number))
    if isinstance(value, float):
        return type(value)(number)
    text = str(value)
    if re.fullmatch(r"\s*[+-]?\d+\s*", text) and abs(number) < 10 ** (_LONGEST_DS - 1):
        return str(round(number))
    texts = (f"{number:.{digits}g}" for digits in range(10, 0, -1))
    return next(text for text in texts if len(text) <= _LONGEST_DS)
