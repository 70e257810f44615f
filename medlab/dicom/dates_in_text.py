"""Dates written in text: found in many forms, moved in the form they came in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

_MONTHS = (
    ("january", "jan", "januar", "janvier", "enero", "gennaio"),
    ("february", "feb", "februar", "fevrier", "février", "febrero", "febbraio"),
    ("march", "mar", "märz", "mars", "marzo"),
    ("april", "apr", "avril", "abril", "aprile"),
    ("may", "mai", "mayo", "maggio"),
    ("june", "jun", "juni", "juin", "junio", "giugno"),
    ("july", "jul", "juli", "juillet", "julio", "luglio"),
    ("august", "aug", "août", "aout", "agosto"),
    ("september", "sep", "sept", "septembre", "septiembre", "settembre"),
    ("october", "oct", "oktober", "okt", "octobre", "octubre", "ottobre"),
    ("november", "nov", "novembre", "noviembre"),
    ("december", "dec", "dezember", "dez", "décembre", "decembre", "diciembre", "dicembre"),
)
_NUMBER = {name: i + 1 for i, names in enumerate(_MONTHS) for name in names}
_NAME = "|".join(sorted(_NUMBER, key=len, reverse=True))
_YEAR = r"(?:19|20)\d\d"
_SEP = r"[-/. ]"

_DAY_PATTERN = re.compile(
    rf"(?<![\d.])(?P<ymd>(?P<y1>{_YEAR})(?P<m1>0[1-9]|1[0-2])(?P<d1>0[1-9]|[12]\d|3[01]))"
    r"(?=(?:[01]\d|2[0-3])(?:[0-5]\d){0,2}(?:\.\d{1,6})?(?!\d)|(?!\d))"
    rf"|(?<![\d.])(?P<iso>(?P<y2>{_YEAR})(?P<s2>[-/.])(?P<m2>\d\d?)(?P=s2)(?P<d2>\d\d?))(?![\d])"
    rf"|(?<![\d.])(?P<eu>(?P<a3>\d\d?)(?P<s3>[-/.])(?P<b3>\d\d?)(?P=s3)(?P<y3>{_YEAR}))(?!\d)"
    rf"|(?<![\d.])(?P<short>(?P<a4>\d\d?)(?P<s4>[-/.])(?P<b4>\d\d?)(?P=s4)(?P<y4>\d\d))(?![\d.])"
    rf"|(?i:(?<![\w.])(?P<dmon>(?P<d5>\d\d?)(?:st|nd|rd|th|\.)?(?P<s5>[-/. ]{{0,2}}(?:of )?)"
    rf"(?P<m5>{_NAME})(?P<t5>\.?[-/., ]{{0,2}})(?P<y5>{_YEAR}|'?\d\d))(?!\w))"
    rf"|(?i:(?<!\w)(?P<mond>(?P<m6>{_NAME})(?P<s6>\.? {{1,2}})(?P<d6>\d\d?)(?:st|nd|rd|th)?"
    rf"(?P<t6>,? {{1,2}})(?P<y6>{_YEAR}))(?!\d))"
    rf"|(?i:(?<!\w)(?P<mony>(?P<m7>{_NAME})(?P<s7>\.?[-/, ]{{1,2}})(?P<y7>{_YEAR}))(?!\d))"
)


class Written(NamedTuple):
    """A date as someone wrote it: where, in which form, and the days it may mean."""

    start: int
    end: int
    form: str
    parts: dict[str, str]
    readings: tuple[date, ...]

    def shifted(self, day: date, days: int) -> str:
        """Return `day`, moved, in the form it was written in."""
        return _write(self.form, self.parts, day, day + timedelta(days))


def _days(*candidates: tuple[int, int, int]) -> tuple[date, ...]:
    found = []
    for year, month, day in candidates:
        try:
            found.append(date(year, month, day))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))


def _readings(form: str, p: dict[str, str]) -> tuple[date, ...]:
    """Return the days a match may mean; none where it is no day at all."""
    if form == "ymd":
        return _days((int(p["y1"]), int(p["m1"]), int(p["d1"])))
    if form == "iso":
        return _days((int(p["y2"]), int(p["m2"]), int(p["d2"])))
    if form in ("eu", "short"):
        n = "3" if form == "eu" else "4"
        year, a, b = int(p["y" + n]), int(p["a" + n]), int(p["b" + n])
        years = (year,) if form == "eu" else (1900 + year, 2000 + year)
        return _days(*((y, m, d) for y in years for m, d in ((b, a), (a, b))))
    n = {"dmon": "5", "mond": "6", "mony": "7"}[form]
    year = int(p["y" + n].lstrip("'"))
    years = (year,) if year > 99 else (1900 + year, 2000 + year)
    month = _NUMBER[p["m" + n].lower()]
    return _days(*((y, month, int(p.get("d" + n) or 15)) for y in years))


def _month_name(old: str, month: int) -> str:
    """Return a month's name in the language, length and case of the name it replaces."""
    column = _MONTHS[_NUMBER[old.lower()] - 1].index(old.lower())
    names = _MONTHS[month - 1]
    short = len(old) <= 4 and old.lower() not in ("june", "july", "march", "april", "may")
    name = names[1] if short and column == 1 else names[0]
    return name.upper() if old.isupper() else name.capitalize() if old[0].isupper() else name


def _write(form: str, p: dict[str, str], old: date, day: date) -> str:
    if form == "ymd":
        return f"{day:%Y%m%d}"
    if form == "iso":
        return f"{day:%Y}{p['s2']}{_two(day.month, p['m2'])}{p['s2']}{_two(day.day, p['d2'])}"
    if form in ("eu", "short"):
        n = "3" if form == "eu" else "4"
        first, second = day.day, day.month
        if (int(p["a" + n]), int(p["b" + n])) == (old.month, old.day):  # the month came first
            first, second = second, first
        parts = _two(first, p["a" + n]), _two(second, p["b" + n]), f"{day:%Y}"[-len(p["y" + n]) :]
        return p["s" + n].join(parts)
    n = {"dmon": "5", "mond": "6", "mony": "7"}[form]
    name = _month_name(p["m" + n], day.month)
    if form == "dmon":
        return f"{_two(day.day, p['d5'])}{p['s5']}{name}{p['t5']}{day:%Y}"
    if form == "mond":
        return f"{name}{p['s6']}{_two(day.day, p['d6'])}{p['t6']}{day:%Y}"
    return f"{name}{p['s7']}{day:%Y}"


def _two(number: int, like: str) -> str:
    return f"{number:02d}" if len(like) == 2 else str(number)


def read_days(text: str) -> Iterator[Written]:
    """Yield the dates that stand in a text, in order.

    Year first, day first, month first, with two-digit years and with the names of months in
    English and (for finding) German, French, Spanish and Italian. A date with a two-digit
    year, or one that may be read two ways, has several readings.

    Examples
    --------
    >>> [w.readings[0].isoformat() for w in read_days("seen 12 Mar 2020 and 2020-03-14")]
    ['2020-03-12', '2020-03-14']
    """
    if not any(map(str.isdigit, text)):
        return
    for match in _DAY_PATTERN.finditer(text):
        parts = {name: value for name, value in match.groupdict().items() if value is not None}
        form = next(f for f in ("ymd", "iso", "eu", "short", "dmon", "mond", "mony") if f in parts)
        readings = _readings(form, parts)
        if readings:
            start, end = match.span(form)
            yield Written(start, end, form, parts, readings)
