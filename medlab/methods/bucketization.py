"""Bucketization: a value becomes the range it lies in.

A header element holds one value, so by default a bucket is shown by its lower bound, which
fits the VR; with ``label=True`` the range itself comes back, for tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from medlab.dicom.dates import IN_A_YEAR, OLDEST_AGE
from medlab.dicom.profile import word_list
from medlab.errors import InputError
from medlab.methods.values import AGE, as_number, each, join_date, like, split_date

_OLDEST = OLDEST_AGE + 1  # years; all above are one class
_LAST = 130
_FEWEST = 20_000


def age(values: Any, width: int = 10, *, label: bool = False) -> Any:
    """Return ages in classes of `width` years, those of 90 and more in one.

    Parameters
    ----------
    values : one value or Series
        AS (``"042Y"``; days, weeks and months count as part of a year) or years.
    width : int
        Years in a class, 1 to 90.
    label : bool
        ``"[40, 49]"`` and ``"[90, 130]"`` instead of ``"040Y"`` and ``"090Y"``: intervals
        as `medlab.tabular` reads them.

    Examples
    --------
    >>> age("047Y"), age("047Y", label=True), age("013M"), age(93)
    ('040Y', '[40, 49]', '000Y', 90)
    """
    if not 1 <= width <= _OLDEST:
        raise InputError(f"a class of {width} years makes no sense; choose 1 to {_OLDEST}")

    def bucket(value: Any) -> Any:
        years = _years(value)
        low = _OLDEST if years >= _OLDEST else years // width * width
        if label:
            high = _LAST if low == _OLDEST else min(low + width, _OLDEST) - 1
            return f"[{low}, {high}]"
        return f"{low:03d}Y" if isinstance(value, str) else type(value)(low)

    return each(values, bucket)


def day(values: Any, to: str = "month", *, label: bool = False) -> Any:
    """Return dates (DA, DT) as the first day of their month or year, times dropped.

    With ``label=True``: ``"2024-03"`` or ``"2024"``.
    """
    if to not in ("month", "year"):
        raise InputError("dates are put into a 'month' or a 'year'")

    def bucket(value: Any) -> str:
        exact, separator, _ = split_date(value)
        first = exact.replace(day=1) if to == "month" else exact.replace(month=1, day=1)
        if label:
            return f"{first:%Y-%m}" if to == "month" else f"{first.year:04d}"
        return join_date(first, separator, "")

    return each(values, bucket)


def number(values: Any, width: float, *, label: bool = False) -> Any:
    """Return numbers (DS, IS) such as weights in classes of `width`: ``"72.5"`` to ``"70"``.

    With ``label=True``: ``"[70, 80)"``, for 80 itself belongs to the next class.
    """
    if not (math.isfinite(width) and width > 0):
        raise InputError("the width of a class is a number above 0")

    def bucket(value: Any) -> Any:
        low = math.floor(as_number(value) / width) * width
        return f"[{low:g}, {low + width:g})" if label else like(low, value)

    return each(values, bucket)


def postcode(
    values: Any, digits: int = 3, *, people: Mapping[str, int] | None = None, stars: bool = False
) -> Any:
    """Return the first digits of postcodes; ``000`` where too few people live.

    Parameters
    ----------
    values : one value or Series
        Text. A number would have lost its leading zeros and is refused.
    digits : int
        How many stay.
    people : mapping, optional
        Inhabitants of each area, by its first digits. Areas with 20,000 or fewer, and areas
        not in the mapping, become zeros. Without it, and with three digits, the areas of
        the United States that HHS lists (census of 2000) do.
    stars : bool
        ``"123**"`` instead of ``"123"``: the length is kept, for tables.

    Notes
    -----
    45 CFR 164.514(b)(2)(i)(B).
    """

    def bucket(value: Any) -> str:
        if not isinstance(value, str):
            raise InputError("a postcode is text; a number has lost its leading zeros")
        area = value.strip()[:digits]
        small = (
            digits == 3 and area in word_list("zips-2000")
            if people is None
            else people.get(area, 0) <= _FEWEST
        )
        area = "0" * digits if small else area
        return area + "*" * max(0, len(value.strip()) - digits) if stars else area

    return each(values, bucket)


def _years(value: Any) -> int:
    match = AGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return int(as_number(value))
    return int(int(match[1]) / IN_A_YEAR[match[2]])
