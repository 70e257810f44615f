"""Identity in text: names, numbers, dates and addresses that stand where they should not.

Everything here returns spans of the text and what to put in their place. What cannot be
found this way (a nickname, a rare profession, a story) is named in docs/deidentification.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from itertools import combinations, permutations
from typing import NamedTuple

from pydicom._dicom_dict import DicomDictionary

from medlab.dicom.codes import is_registered, replace_uid
from medlab.dicom.dates import OLDEST_AGE, parse_date
from medlab.dicom.identity import (
    ALNUM,
    LETTER,
    Identity,
    fold,
    fold_letter,
    normalize,
    runs,
    said_word,
    words,
)
from medlab.dicom.profile import read_table, word_list

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


class _Written(NamedTuple):
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
    days = []
    for year, month, day in candidates:
        try:
            days.append(date(year, month, day))
        except ValueError:
            continue
    return tuple(dict.fromkeys(days))


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


def _read_days(text: str) -> Iterator[_Written]:
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
            yield _Written(start, end, form, parts, readings)


REMOVED = "[removed]"
_YEARS_BEFORE_STUDY = 10
_MOST_WORDS = 5
_LEAST_PART = 3

#: Words of institutions and addresses that say nothing about which one it is.
_COMMON = word_list("common")
#: Name parts that are also words of the trade. In coded values (VR CS) they are left alone.
_CLINICAL = word_list("clinical")


class Span(NamedTuple):
    """A part of a text, what stands in its place, and what it was."""

    start: int
    end: int
    instead: str
    kind: str


@dataclass(frozen=True)
class Search:
    """What to look for in one data set.

    Attributes
    ----------
    identity : Identity
        The words of this patient and study.
    dates : {"remove", "shift", "keep"}
        What happens to dates in text. A birth date goes in any case.
    days : int
        How far dates move, when they move.
    key : bytes
        For the UIDs that stand in text.
    keep_uids, keep_institutions, keep_devices : bool
        What the policy leaves.
    """

    identity: Identity
    dates: str = "remove"
    days: int = 0
    key: bytes = b""
    keep_uids: bool = False
    keep_institutions: bool = False
    keep_devices: bool = False


_PATTERNS, _INFLECTIONS = read_table("text-patterns.csv"), read_table("inflections.csv")[::-1]


def _pattern(kind: str) -> re.Pattern[str]:
    return re.compile("|".join(row["pattern"] for row in _PATTERNS if row["kind"] == kind))


_UID, _AGE, _OWN_AGE = map(_pattern, ("uid", "age", "own-age"))
_GENERAL = [row for row in _PATTERNS if row["kind"] not in ("uid", "age", "own-age")]
_GENERAL_PATTERN = re.compile("|".join(f"({row['pattern']})" for row in _GENERAL))


class _Known(NamedTuple):
    """The words of an identity, arranged for one pass over the words of a text.

    Attributes
    ----------
    words, near : re.Pattern
        Match one whole word, `near` one with a letter wrong. Group n of `words` is the n-th
        person.
    beside : list of set of str
        For each person the initials and short parts, which count only beside another part.
    inside : re.Pattern
        What is found in running text: numbers, words in a row, scripts without spaces.
    """

    words: re.Pattern[str]
    near: re.Pattern[str]
    beside: list[set[str]]
    inside: re.Pattern[str]

    def group_of(self, word: str) -> int:
        """Return the number of the person whose name a word is, from 1; -1 if misspelt."""
        match = self.words.fullmatch(word)
        if match is None:
            return -bool(self.near.fullmatch(word))
        return match.lastindex or 0


@lru_cache(maxsize=256)
def _compile_identity(
    identity: Identity, keep_institutions: bool = False, keep_devices: bool = False
) -> _Known:
    """Arrange the words of an identity for the search in folded text."""
    persons = [_pieces(" ".join(parts)) for parts in sorted(identity.patients | identity.staff)]
    contacts = identity.contacts | (frozenset() if keep_institutions else identity.institutions)
    places = [row for row in map(words, sorted(contacts)) if sum(map(len, row)) >= 4]
    telling = {run for row in places for run in row if len(run) >= 5 and not run.isdigit()}
    numbers = set(identity.ids | (frozenset() if keep_devices else identity.devices))
    digits = {re.sub(r"\D", "", number) for number in contacts | identity.ids}
    numbers |= {run for run in digits if len(run) >= 6 and not parse_date(run)}
    inside = {*map(_number_pattern, numbers), *map(_row_pattern, places)}
    inside |= {_row_pattern([run + "(?:e?s)?"]) for run in telling - _COMMON}
    inside |= {pattern for parts in persons for pattern in _unspaced(parts)}
    patients = {part for parts in identity.patients for part in _pieces(" ".join(parts))}
    near = (pattern for part in patients if len(part) >= 6 for pattern in _one_apart(part))
    return _Known(
        re.compile("|".join(f"({'|'.join(_person_words(p))})" for p in persons) or "(?!)"),
        re.compile("|".join(near) or "(?!)"),
        [{"s", *(p if len(p) < _LEAST_PART else p[0] for p in parts)} for parts in persons],
        # the longest first: an alternation takes the first branch that fits
        re.compile("|".join(sorted(inside - {""}, key=lambda p: (-len(p), p))) or "(?!)"),
    )


def _pieces(text: str) -> tuple[str, ...]:
    """Return the words and numbers of a text, folded: nothing in them means a thing to `re`."""
    folded = fold(text)
    return tuple(runs(LETTER, folded.isascii()).findall(folded))


def _is_script(part: str) -> bool:
    """Tell whether a part is written without spaces between words.

    Thai, Lao, Tibetan, Burmese, Khmer, Chinese, kana, and Hangul, whose particles adhere.
    """
    return re.search("[\u0e00-\u109f\u1780-\u17ff\u2e80-\U0010ffff]", part) is not None


def _inflected(part: str) -> str:
    """Return the pattern of a name part with the endings that its script puts to it."""
    row = next(row for row in _INFLECTIONS if int(row["from"], 16) <= ord(part[0]))
    stem = re.sub(f"(?:{row['loses']})$", "", part)
    if min(len(part) - 1, len(stem)) < _LEAST_PART:
        return row["before"] + part
    return row["before"] + stem + row["behind"]


def _person_words(parts: tuple[str, ...]) -> list[str]:
    """Return patterns of the words that a name is written as.

    Each part of three letters and more, with endings; parts glued in their order (de la Cruz:
    DELACRUZ) and two long ones in any; initials glued to five letters and more (CHART is not
    Hart with a C before it).
    """
    long = [part for part in parts if len(part) >= _LEAST_PART and not _is_script(part)]
    patterns = [_inflected(part) for part in long]
    for part in long if len(parts) > 1 else ():
        if len(part) >= 5:
            initials = "".join(other[0] for other in parts if other != part)
            patterns.append(f"[{initials}]{{0,2}}{part}[{initials}]{{0,2}}" if initials else part)
    glued = {"".join(pair) for pair in permutations(long, 2)}
    for first, last in combinations(range(len(parts) + 1), 2):
        if last - first > 1 and max(map(len, parts[first:last])) >= _LEAST_PART:
            glued.add("".join(parts[first:last]))
    if len("".join(parts)) > len(parts) > 1 and min(map(len, parts)) > 1:
        glued |= {"".join(parts[i:] + parts[:i]) for i in range(len(parts))}
    glued -= _CLINICAL | _COMMON
    return patterns + [f"{word}(?:e?s)?" for word in sorted(glued)] or ["(?!)"]


def _row_pattern(row: Iterable[str]) -> str:
    """Return the pattern of words in a row, which do not reach into another element."""
    body = r"(?:[^\w\0]|_){1,3}".join(row)
    if _is_script(body):
        return body
    # behind the first sign, not before it: the search then jumps to the signs it begins with
    return rf"{body[0]}(?<!{LETTER}.){body[1:]}(?!{LETTER})"


def _unspaced(parts: tuple[str, ...]) -> Iterator[str]:
    """Yield patterns of what is found in running text: short parts in pairs, unspaced scripts."""
    yield from (part for part in parts if _is_script(part) and len(part) > 1)
    for pair in permutations(parts, 2):
        if all(map(_is_script, pair)):
            yield r"[\s,.^_=-]{0,3}".join(pair)
        elif max(map(len, pair)) == 2:  # two single letters are no name
            yield _row_pattern(pair)


def _number_pattern(number: str) -> str:
    """Return the pattern of an ID, empty for one of less than four characters.

    Its runs of letters and digits, with or without separators; six digits and more also in
    groups (5347436: 534 74 36). Zeros before it are left to the caller.
    """
    pieces = list(_pieces(number))
    if sum(map(len, pieces)) < 4 or set(number) <= set("0.- "):
        return ""
    if pieces[0].isdigit():
        pieces[0] = pieces[0].lstrip("0") or pieces[0]
    if sum(len(piece) for piece in pieces if piece.isdigit()) >= 6:
        pieces = [sign for piece in pieces for sign in (piece if piece.isdigit() else [piece])]
    body = r"[\W_]{0,2}".join(pieces)
    start = "(?<![1-9].)" if body[0].isdigit() else f"(?<!{LETTER}.)"
    return body[0] + start + body[1:] + (r"(?!\d)" if body[-1].isdigit() else f"(?!{LETTER})")


def _one_apart(name: str) -> Iterator[str]:
    """Yield patterns of a name with one letter wrong, missing, too many, or swapped."""
    yield name + "."
    for i, letter in enumerate(name):
        before, behind = name[:i], name[i + 1 :]
        yield f"{before}.?{behind}"
        yield f"{before}.{letter}{behind}"
        yield f"{before}{behind[:1]}{letter}{behind[1:]}"


def _fold_with_places(text: str) -> tuple[str, Sequence[int]]:
    """Return folded text and, for each of its letters, where it stood."""
    if text.isascii():
        return text.lower(), range(len(text) + 1)
    letters, places = [], []
    for place, letter in enumerate(text):
        plain = fold_letter(letter)
        letters.append(plain)
        places.extend([place] * len(plain))
    return "".join(letters), [*places, len(text)]


def _identity_spans(text: str, search: Search) -> Iterator[Span]:
    """Yield where the words of the patient and the study stand in a text."""
    patterns = _compile_identity(search.identity, search.keep_institutions, search.keep_devices)
    folded, places = _fold_with_places(text)
    for start, end, kind in _hits(folded, patterns):
        # up to the next letter: signs that folding drops belong to the one before them
        yield Span(places[start], max(places[end - 1] + 1, places[end]), REMOVED, kind)


_GAP = re.compile(r"[ ,.^_='\u2019-]{1,3}")


def _hits(folded: str, patterns: _Known) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and kind (``identity`` or ``probable``) of what stands in folded text."""
    for match in patterns.inside.finditer(folded):
        start, end = match.span()
        while start and folded[start - 1] == "0":
            start -= 1
        while unicodedata.category(folded[end : end + 1] or " ")[0] == "M":
            end += 1
        yield start, end, "identity"
    pattern = runs(LETTER, folded.isascii())
    said = pattern.findall(folded)
    groups = {word: patterns.group_of(word) for word in set(said)}
    if not any(groups.values()):
        return
    places = [(run.start(), run.end()) for run in pattern.finditer(folded)]
    for i, word in enumerate(said):
        first = last = i
        beside = patterns.beside[groups[word] - 1] if groups[word] > 0 else ()
        while first and said[first - 1] in beside and _joins(folded, places, first - 1):
            first -= 1
        while last + 1 < len(said) and said[last + 1] in beside and _joins(folded, places, last):
            last += 1
        if groups[word]:
            kind = "identity" if groups[word] > 0 else "probable"
            yield places[first][0], places[last][1], kind


def _joins(folded: str, places: Sequence[tuple[int, int]], at: int) -> bool:
    """Tell whether so little stands behind a word that it and the next are of one name."""
    return _GAP.fullmatch(folded, places[at][1], places[at + 1][0]) is not None


def other_spans(text: str, others: Container[str]) -> Iterator[Span]:
    """Yield where IDs and full names of other patients of the job stand in a text."""
    words = list(runs(ALNUM, text.isascii()).finditer(text))
    for first in range(len(words)):
        for last in range(first, min(first + _MOST_WORDS, len(words))):
            start, end = words[first].start(), words[last].end()
            if end - start > 3:
                digits = "".join(run[0] for run in words[first : last + 1])
                grouped = last > first and digits.isdigit() and fold(digits) in others
                if grouped or normalize(text[start:end]) in others:
                    yield Span(start, end, REMOVED, "other patient")


def _date_spans(text: str, search: Search, *, births_only: bool = False) -> Iterator[Span]:
    """Yield dates: shifted or removed as the policy asks; a birth date always removed."""
    for written in _read_days(text):
        instead = _date_instead(written, search, births_only)
        if instead is not None:
            yield Span(written.start, written.end, instead, "date")


def _date_instead(written: _Written, search: Search, births_only: bool) -> str | None:
    """Return what stands in place of a date, or None to leave it."""
    births = {parse_date(day) for day in search.identity.births}
    days = {parse_date(day) for day in search.identity.days} - {None}
    if births & set(written.readings):
        return REMOVED
    if search.dates == "keep" or births_only:
        return None
    # of an ambiguous 03/04/2020 that reading counts which is a day of this study
    readings = [day for day in written.readings if day in days] or list(written.readings)
    if search.dates == "remove" or len(readings) != 1:
        return REMOVED
    study_year = min((day.year for day in days if day), default=readings[0].year)
    if readings[0].year < study_year - _YEARS_BEFORE_STUDY:
        return REMOVED
    return written.shifted(readings[0], search.days)


def _age_spans(text: str, search: Search) -> Iterator[Span]:
    """Yield ages over 89, for which the class "90" stands.

    In the forms of several languages; an age that the header tells also behind any label and
    beside a letter that may stand for a sex or for years.
    """
    own = search.identity.old_ages
    matches = [*_AGE.finditer(text), *(_OWN_AGE.finditer(text) if own else ())]
    for match in matches:
        years, place = next((int(n), match.span(i)) for i, n in enumerate(match.groups(), 1) if n)
        if OLDEST_AGE + 1 < years < 130 and (match.re is _AGE or years in own):
            yield Span(place[0], place[1], str(OLDEST_AGE + 1), "age")


def _uid_spans(text: str, search: Search) -> Iterator[Span]:
    """Yield the UIDs that stand in a text, replaced as everywhere else."""
    for match in _UID.finditer(text):
        if not is_registered(match[0]):
            new = replace_uid(search.key, match[0]) if search.key else REMOVED
            if new != match[0]:
                yield Span(match.start(), match.end(), new, "uid")


def find_spans(
    text: str, search: Search, others: Container[str] | None = None, *, general: bool = True
) -> list[Span]:
    """Return everything in a text that must not stay, in order and without overlap.

    Parameters
    ----------
    text : str
        One value of one element.
    search : Search
        Whose words, and what the policy says of dates and UIDs.
    others : container of str, optional
        Normalized IDs and full names of all patients of the job (`Identity.phrases`), and the
        words that several patients' texts say (`said_word`): those are no misspelled names.
    general : bool
        Also look for telephone numbers, addresses, titles and dates; switched off for
        technical elements such as software versions.
    """
    spans = []
    for span in _own_spans(text, search, general):
        word = text[span.start : span.end]
        if span.kind == "probable" and (
            fold(word) in vocabulary() or said_word(word) in (others or ())
        ):
            continue  # a word of the trade, or of other patients' texts too
        spans.append(span)
    if others is not None:
        spans += other_spans(text, others)
    return _without_overlap(spans)


@cache
def vocabulary() -> frozenset[str]:
    """Return the words of DICOM's attributes and of its coded concepts."""
    from pydicom.sr._concepts_dict import concepts  # large: read where a word is in doubt

    names = [entry[2] for entry in DicomDictionary.values()]
    names += [keyword for scheme in concepts.values() for keyword in scheme]
    trade = {word.lower() for name in names for word in re.findall("[A-Z]?[a-z]+", name)}
    return _CLINICAL | _COMMON | trade


@lru_cache(maxsize=1024)
def _own_spans(text: str, search: Search, general: bool) -> tuple[Span, ...]:
    """Return what is found without the other patients; slices of a series say the same."""
    spans = [*_identity_spans(text, search), *_date_spans(text, search, births_only=not general)]
    spans = [span for span in spans if general or span.kind != "probable"]
    if general:
        for match in _GENERAL_PATTERN.finditer(text):  # whoever's they are
            kind = _GENERAL[(match.lastindex or 1) - 1]["kind"]
            spans.append(Span(match.start(), match.end(), REMOVED, kind))
        spans += _age_spans(text, search)
    if not search.keep_uids:
        spans += _uid_spans(text, search)
    return tuple(spans)


_RANK = {"uid": 2, "date": 1}


def _without_overlap(spans: Iterable[Span]) -> list[Span]:
    """Return spans that do not overlap; the outermost wins, removal over replacement."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end, _RANK.get(s.kind, 0))):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
        elif span.end > kept[-1].end:
            kept[-1] = Span(kept[-1].start, span.end, REMOVED, kept[-1].kind)
    return kept


def _replace_spans(text: str, spans: Iterable[Span], *, same_length: bool = False) -> str:
    """Return the text with its spans replaced.

    Parameters
    ----------
    same_length : bool
        Fill a span with ``X`` unless its replacement has the same length: for text inside
        binary values, whose layout must not move.
    """
    parts, end = [], 0
    for span in spans:
        length = span.end - span.start
        fits = not same_length or len(span.instead) == length
        parts += [text[end : span.start], span.instead if fits else "X" * length]
        end = span.end
    return "".join([*parts, text[end:]])


def clean(
    text: str, search: Search, others: Container[str] | None = None, *, general: bool = True
) -> str:
    """Return a text without what identifies; clinical words stay.

    Examples
    --------
    >>> who = Search(Identity(patients=frozenset({("doe", "jane")})))
    >>> clean("Jane Doe: stroke, mass in left lobe, call 555-010-9999", who)
    '[removed]: stroke, mass in left lobe, [removed]'
    """
    spans = find_spans(text, search, others, general=general)
    cleaned = _replace_spans(text, spans)
    return re.sub(r"\[removed\](?:[\s,^.-]{0,2}\[removed\])+", REMOVED, cleaned)


_RUN = re.compile(rb"[\t\n\r -~]{4,}|(?:[ -~]\0){4,}")


def clean_bytes(value: bytes, search: Search, others: Container[str] | None = None) -> bytes:
    """Return bytes of unknown layout with identity in their text overwritten.

    Printable runs are searched, in ASCII and in UTF-16; the names of the patient besides
    in the encodings of their scripts. Nothing changes its length: dates are moved in
    place, everything else is filled with ``X``.
    """
    value = _RUN.sub(lambda run: _clean_run(run[0], search, others), value)
    for word in sorted(search.identity.written, key=len, reverse=True):
        value = _without_encoded(value, word)
    return value


def _clean_run(run: bytes, search: Search, others: Container[str] | None) -> bytes:
    wide = run[1:2] == b"\0"
    text = run.decode("utf-16-le" if wide else "ascii")
    spans = find_spans(text, search, others)
    return _replace_spans(text, spans, same_length=True).encode("utf-16-le" if wide else "ascii")


_BYTE_ENCODINGS = ("utf-8", "utf-16-le", "latin-1", "cp1251", "iso8859-7", "gb18030", "shift_jis",
                   "euc_jp", "euc_kr")  # fmt: skip


_CASES = (str, str.lower, str.upper, str.capitalize)


def _without_encoded(value: bytes, part: str) -> bytes:
    """Overwrite a name that is not ASCII, in the encodings it may have been written in."""
    for encoding in _BYTE_ENCODINGS:
        for form in {f(w) for f in _CASES for w in (part, unicodedata.normalize("NFD", part))}:
            code = form.encode(encoding, "ignore")
            if len(code) >= 3 and code.decode(encoding, "ignore") == form:
                value = value.replace(code, b"X" * len(code))
    return value


def in_coded_value(text: str, search: Search, others: Container[str] | None = None) -> bool:
    """Tell whether a coded value (CS, AE) holds identity: clinical words are no names there."""
    spans = find_spans(text, search, others, general=False)
    return any(fold(text[s.start : s.end]).strip(" .,") not in _CLINICAL for s in spans)
