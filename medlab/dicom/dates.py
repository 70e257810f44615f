"""Dates and ages: one secret offset a patient, in whole days, so that intervals survive."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache

from medlab import crypto
from medlab.errors import InputError

NEAREST_DAYS, FARTHEST_DAYS = 30, 3650
OLDEST_AGE = 89  # years; 45 CFR 164.514(b)(2)(i)(C) puts all above into one class
#: Days, weeks, months and years in a year, by the unit of an age (AS).
IN_A_YEAR: Mapping[str, float] = {"D": 365.25, "W": 52.18, "M": 12, "Y": 1}
DUMMY_DATE = "19000101"  # year 0001 is an error to dciodvfy

_DA = re.compile(r"(\d{4})(\.?)(\d{2})\2(\d{2})")
_DT = re.compile(r"(\d{4})(?:(\d{2})(\d{2})?)?(.*)", re.DOTALL)
# the same, and what means the same and nothing else (42M may be months, or a man)
_AGE = re.compile(
    r"(\d{3})([DWMY])|(\d{1,3}) ?(YEARS?|YRS?|Y|MONTHS?|MOS?|WEEKS?|W|DAYS?|D|)", re.I
)


@lru_cache(maxsize=4096)
def offset_days(key: bytes, owner: str, *, weeks: bool = False) -> int:
    """Return how many days all dates of a patient move: 30 to 3,650 days back.

    Parameters
    ----------
    key : bytes
        The secret of the project.
    owner : str
        Whose dates they are; see `medlab.dicom.owner`.
    weeks : bool
        Move by whole weeks, which keeps the day of the week (and tells it).

    Returns
    -------
    int
        A negative number, the same in every run with the same key.
    """
    draw = int.from_bytes(crypto.keyed_digest(key, "date", owner)[:8], "big")
    if weeks:
        return -7 * (5 + draw % (FARTHEST_DAYS // 7 - 4))
    return -(NEAREST_DAYS + draw % (FARTHEST_DAYS - NEAREST_DAYS + 1))


@lru_cache(maxsize=4096)
def parse_date(value: str) -> date | None:
    """Return the day that a DA value names (``20240228`` or the legacy ``2024.02.28``)."""
    match = _DA.fullmatch(value.strip())
    return _day(*(int(match[i]) for i in (1, 3, 4))) if match else None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _moved(day: date, days: int) -> date:
    try:
        return day + timedelta(days)
    except OverflowError:
        raise InputError("a date cannot be moved that far; remove the element") from None


def shift_date(value: str, days: int) -> str:
    """Return a DA value moved by whole days, in the form it came in.

    Ranges (``20240101-20240131``) and several values (backslash) move part by part; an
    empty value stays empty.

    Raises
    ------
    InputError
        If a part is not a day of the calendar.

    Examples
    --------
    >>> shift_date("20240228", 2), shift_date("2024.03.01", -1)
    ('20240301', '2024.02.29')
    """
    return re.sub(r"[^\\-]+", lambda part: _shift_one(part[0], days), value)


def _shift_one(value: str, days: int) -> str:
    day = parse_date(value)
    if day is None and value.strip(" \0"):
        raise InputError(
            f"a DA of {len(value)} characters is not YYYYMMDD; "
            "remove the element or mend it before shifting"
        )
    if day is None:
        return value
    form = "{:%Y.%m.%d}" if "." in value else "{:%Y%m%d}"
    return form.format(_moved(day, days)).rjust(len(value.strip()), "0")


def shift_datetime(value: str, days: int) -> str:
    """Return a DT value moved by whole days; time, fraction and zone stay.

    Where day or month are missing, the middle of the month or year is moved and the same
    precision given back: intervals then hold to that precision.

    Raises
    ------
    InputError
        If a part is not a date and time.

    Examples
    --------
    >>> shift_datetime("20240228235959.123+0100", 2), shift_datetime("202402", -31)
    ('20240301235959.123+0100', '202401')
    """
    return "\\".join(_shift_one_datetime(part, days) for part in value.split("\\"))


def _shift_one_datetime(value: str, days: int) -> str:
    if not value.strip(" \0"):
        return value
    match = _DT.fullmatch(value.strip(" \0"))
    if match is None or not re.fullmatch(r"[\d.]*(?:[+-]\d{4})?", match[4]):
        raise InputError(f"a DT of {len(value)} characters is not a date and time; remove it")
    day = _day(int(match[1]), int(match[2] or 7), int(match[3] or 15))
    if day is None:
        raise InputError("a DT names no day of the calendar; remove the element")
    text = f"{_moved(day, days):%Y%m%d}".rjust(8, "0")
    return text[: 4 + 2 * bool(match[2]) + 2 * bool(match[3])] + match[4]


def coarsen_age(value: str, *, infants: bool = False) -> str:
    """Return an AS value fit to be kept: over 89 one class, infants in whole years.

    Parameters
    ----------
    value : str
        Such as ``"067Y"`` or ``"018M"``; ``"67"``, ``"67Y"`` and ``"18 months"`` are mended.
    infants : bool
        Turn days, weeks and months into years: beside a date that is kept they would give
        the birth date.

    Returns
    -------
    str
        An age, or the empty text where the value is not one.

    Examples
    --------
    >>> coarsen_age("093Y"), coarsen_age("018M", infants=True), coarsen_age("18 months")
    ('090Y', '001Y', '018M')
    """
    match = _AGE.fullmatch(value.strip(" \0"))
    if match is None:
        return ""
    number, unit = int(match[1] or match[3]), (match[2] or match[4] or "Y")[0].upper()
    years = int(number / IN_A_YEAR[unit])
    if years > OLDEST_AGE:
        return f"{OLDEST_AGE + 1:03d}Y"
    return f"{years:03d}Y" if infants else f"{number:03d}{unit}"
