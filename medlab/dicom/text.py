"""Identity in text: names, numbers, dates and addresses that stand where they should not.

Everything here returns spans of the text and what to put in their place. What cannot be
found this way (a nickname, a rare profession, a story) is named in docs/deidentification.md.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from medlab.dicom.dates import OLDEST_AGE, parse_date
from medlab.dicom.days import Written, read_days
from medlab.dicom.identity import CLINICAL_WORDS, Identity, fold, fold_letter, normalize, words
from medlab.dicom.profile import word_list
from medlab.dicom.uids import is_registered, replace_uid

REMOVED = "[removed]"
_LETTER = r"[^\W\d_]"
_YEARS_BEFORE_STUDY = 10
_MOST_WORDS = 5
_LEAST_PART = 3

#: Words of institutions and addresses that say nothing about which one it is.
_COMMON = word_list("common")


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


_GENERAL = {
    "e-mail": r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+",
    "url": r"(?:https?|ftp|sftp|file)://[^\s<>\"';,]+|\bwww\.[\w-]+\.[^\s<>\"';,]+",
    "ip": r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.])",
    "ssn": r"(?<!\d)\d{3}[- ]\d{2}[- ]\d{4}(?!\d)",
    "phone": (
        r"(?<![\w.])\+\d{1,3}[ ./-]?\(?\d[\d ()./-]{5,16}\d(?!\w)"
        r"|(?<![\w.])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\w)"
        r"|(?<![\w.])0\d{1,4}[ /-]\d{3,9}(?:[ -]\d{2,5}){0,3}(?!\w)"
        r"|(?i:\b(?:tel|phone|fax|ext|pager|call|mobile|cell)\b\.?:? ?)[+(]?\d[\d ()./-]{2,16}\d"
    ),
    "labelled": (
        r"(?i:\b(?:mrn|ssn|dob|d\.o\.b|(?:pat(?:ient)?|pt)\.? ?(?:id|no|nr|number)"
        r"|acc(?:ession)?\.? ?(?:no|nr|number|#)|case ?(?:no|number|#)|insurance ?(?:no|number)?"
        r"|policy ?(?:no|number)))\b\.? ?[:=#]? ?(?=[A-Za-z0-9/-]*\d)[A-Za-z0-9][A-Za-z0-9/-]*"
        r"|(?i:\b(?:patient(?:'s)? name|name|patient|pt|surname|mother|father|spouse|technologist"
        r"|tech|operator|radiologist|physician|referr(?:er|ing|ed by)|reported by|signed(?: by)?))"
        r"\b ?[:=] ?(?:(?i:dr|prof|mr|mrs|ms)\.? )?"
        r"[^\W\d_][\w'^.-]*(?:[ ,^]{1,2}[A-Z][\w'^.-]*){0,3}"
    ),
    "title": (
        r"\b(?:Dr|Prof|Mr|Mrs|Ms|Miss|Mme|Mlle|Herr|Frau|Sr|Sra|Dott|DR\.|PROF|MRS)\b\.? ?"
        r"(?:(?:Dr|Prof|med|von|van|de|der|Med)\b\.? ?){0,3}"
        r"(?:[A-Z]\. ?){0,2}[A-Z][\w'\u2019-]+(?: (?:[A-Z]\. )?[A-Z][\w'\u2019-]+){0,2}"
        r"|[A-Z][\w'-]+ (?:[A-Z]\. ?)?[A-Z][\w'-]+,? "
        r"(?:M\.?D\b|Ph\.?D\b|R\.?N\b|DO\b|RT\(R\))"
    ),
    "address": (
        r"(?<![\w.])\d{1,5}[a-z]? (?:[A-Z][\w'.-]+ ){1,3}"
        r"(?:[Ss]treet|STREET|[Aa]venue|AVENUE|[Rr]oad|ROAD|[Bb]oulevard|[Ll]ane|LANE"
        r"|[Dd]rive|DRIVE|[Ss]quare|St\.|Ave\b|Rd\b|Blvd\b)(?:,? (?:Apt|Suite|Unit)\.? ?\w+)?"
        r"|[^\W\d_]{3,}(?:stra(?:ß|ss)e|gasse|platz|str\.) ?\d{1,4} ?[a-z]?(?!\w)"
        r"|(?i:\bp\.? ?o\.? ?box \d+)"
        r"|\b(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]"
        r"|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]) \d{5}(?:-\d{4})?(?!\d)"
    ),
    "digits": (
        r"(?<![\d.])(?!(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{4}(?:\d\d)?)?(?!\d))"
        r"\d{7,}(?![\d.]*\d)"
    ),
}
_GENERAL_PATTERN = re.compile("|".join(f"(?P<k{i}>{p})" for i, p in enumerate(_GENERAL.values())))
_GENERAL_KINDS = tuple(_GENERAL)
_UID = re.compile(r"(?<![\w.])[0-2](?:\.(?:0|[1-9]\d*)){5,}(?![\w.]*\w)")
_AGE = re.compile(
    r"(?i)(?<![\w.])(\d{2,3})(?=[ -]?(?:years?|yrs?)\b|[ -]?y[/.]?o\b|[ -]?Y(?![\w]))"
)


@lru_cache(maxsize=256)
def compile_identity(
    identity: Identity, keep_institutions: bool = False, keep_devices: bool = False
) -> re.Pattern[str] | None:
    """Return the pattern that finds the words of an identity in folded text."""
    found: set[str] = set()
    for person in identity.patients | identity.staff:
        found.update(_person_patterns(person))
    found.update(p for number in identity.ids if len(number) > 3 for p in _number_patterns(number))
    if not keep_devices:
        found.update(p for n in identity.devices if len(n) > 3 for p in _number_patterns(n))
    places = identity.contacts | (frozenset() if keep_institutions else identity.institutions)
    found.update(p for place in places for p in _place_patterns(place))
    if not found:
        return None
    # the longest first: an alternation takes the first branch that fits
    return re.compile("|".join(sorted(found, key=lambda p: (-len(p), p))))


def _is_script(part: str) -> bool:
    """Tell whether a part is written without spaces between words (Chinese, kana, Hangul)."""
    return any(ord(letter) >= 0x2E80 for letter in part)


def _person_patterns(parts: tuple[str, ...]) -> Iterator[str]:
    """Yield patterns for a name: each part of three letters and more, with initials beside.

    A part of one or two letters counts only beside another part of the same name.
    """
    initials = "".join(sorted({re.escape(part[0]) for part in parts}))
    before, after = (
        rf"(?:(?<!{_LETTER})[{initials}][.,]? ?)?",
        rf"(?:,? [{initials}](?!{_LETTER})\.?)?",
    )
    for part in parts:
        word = re.escape(part)
        if _is_script(part) and len(part) > 1:
            yield word
        elif len(part) >= _LEAST_PART:
            yield rf"{before}(?<!{_LETTER}){word}(?:'s)?(?!{_LETTER}){after}"
        others = [other for other in parts if other is not part]
        if len(part) < _LEAST_PART:
            yield from _beside(word, others)
        elif len(parts) > 1:
            yield from (rf"{word}{re.escape(o)}" for o in others if len(o) >= _LEAST_PART)


def _beside(word: str, others: Iterable[str]) -> Iterator[str]:
    """Yield patterns for a short name part next to each of the other parts."""
    for other in others:
        if len(other) == 1 and len(word) == 1:
            continue
        next_ = re.escape(other)
        for first, second in ((word, next_), (next_, word)):
            yield rf"(?<!{_LETTER}){first}[\s,.^_=-]{{1,3}}{second}(?!{_LETTER})"
            if _is_script(other):
                yield first + second


def _number_patterns(number: str) -> Iterator[str]:
    """Yield the pattern of an ID: its runs of letters and digits, with or without separators."""
    runs = re.findall(r"[^\W\d_]+|\d+", number)
    if sum(map(len, runs)) < 4 or set(number) <= set("0.- "):
        return
    if runs[0].isdigit():
        runs[0] = runs[0].lstrip("0") or runs[0]
    start = r"(?<!\d)0*" if runs[0].isdigit() else rf"(?<!{_LETTER})"
    end = r"(?!\d)" if runs[-1].isdigit() else rf"(?!{_LETTER})"
    yield start + r"[\W_]?".join(re.escape(run) for run in runs) + end


def _place_patterns(place: str) -> Iterator[str]:
    """Yield patterns for an institution, address or telephone: whole, and its telling words."""
    runs = words(place)
    digits = "".join(run for run in runs if run.isdigit())
    if sum(map(len, runs)) >= 4:
        yield r"(?<!\w)" + r"[\W_]+".join(map(re.escape, runs)) + r"(?!\w)"
    if len(digits) >= 6:
        yield r"(?<!\d)" + r"[\W_]{0,2}".join(digits) + r"(?!\d)"
    for run in runs:
        if len(run) >= 5 and run not in _COMMON and not run.isdigit():
            yield rf"(?<!{_LETTER}){re.escape(run)}(?:'s)?(?!{_LETTER})"


def _fold_with_places(text: str) -> tuple[str, list[int]]:
    """Return folded text and, for each of its letters, where it stood."""
    letters, places = [], []
    for place, letter in enumerate(text):
        plain = fold_letter(letter)
        letters.append(plain)
        places.extend([place] * len(plain))
    return "".join(letters), [*places, len(text)]


def identity_spans(text: str, search: Search) -> Iterator[Span]:
    """Yield where the words of the patient and the study stand in a text."""
    pattern = compile_identity(search.identity, search.keep_institutions, search.keep_devices)
    if pattern is None:
        return
    if text.isascii():
        for match in pattern.finditer(text.lower()):
            yield Span(match.start(), match.end(), REMOVED, "identity")
        return
    folded, places = _fold_with_places(text)
    for match in pattern.finditer(folded):
        yield Span(places[match.start()], places[match.end() - 1] + 1, REMOVED, "identity")


def other_spans(text: str, others: Container[str]) -> Iterator[Span]:
    """Yield where IDs and full names of other patients of the job stand in a text."""
    found = list(re.finditer(r"[^\W_]+", text))
    for first in range(len(found)):
        for last in range(first, min(first + _MOST_WORDS, len(found))):
            start, end = found[first].start(), found[last].end()
            if end - start > 3 and normalize(text[start:end]) in others:
                yield Span(start, end, REMOVED, "other patient")


def general_spans(text: str) -> Iterator[Span]:
    """Yield telephone numbers, addresses, e-mail and the like, whoever's they are."""
    for match in _GENERAL_PATTERN.finditer(text):
        kind = _GENERAL_KINDS[int((match.lastgroup or "k0")[1:])]
        yield Span(match.start(), match.end(), REMOVED, kind)


def date_spans(text: str, search: Search, *, births_only: bool = False) -> Iterator[Span]:
    """Yield dates: shifted or removed as the policy asks; a birth date always removed."""
    for written in read_days(text):
        instead = _date_instead(written, search, births_only)
        if instead is not None:
            yield Span(written.start, written.end, instead, "date")


def _date_instead(written: Written, search: Search, births_only: bool) -> str | None:
    """Return what stands in place of a date, or None to leave it."""
    births = {parse_date(day) for day in search.identity.births}
    known = {parse_date(day) for day in search.identity.days} - {None}
    if births & set(written.readings):
        return REMOVED
    if search.dates == "keep" or births_only:
        return None
    # of an ambiguous 03/04/2020 that reading counts which is a day of this study
    readings = [day for day in written.readings if day in known] or list(written.readings)
    if search.dates == "remove" or len(readings) != 1:
        return REMOVED
    study_year = min((day.year for day in known if day), default=readings[0].year)
    if readings[0].year < study_year - _YEARS_BEFORE_STUDY:
        return REMOVED
    return written.shifted(readings[0], search.days)


def age_spans(text: str) -> Iterator[Span]:
    """Yield ages over 89, for which the class "90" stands."""
    for match in _AGE.finditer(text):
        if OLDEST_AGE + 1 < int(match[1]) < 130:
            yield Span(match.start(1), match.end(1), str(OLDEST_AGE + 1), "age")


def uid_spans(text: str, search: Search) -> Iterator[Span]:
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
        Normalized IDs and full names of all patients of the job (`Identity.phrases`).
    general : bool
        Also look for telephone numbers, addresses, titles and dates; switched off for
        technical elements such as software versions.
    """
    spans = [*_own_spans(text, search, general)]
    if others is not None:
        spans += other_spans(text, others)
    return _without_overlap(spans)


@lru_cache(maxsize=1024)
def _own_spans(text: str, search: Search, general: bool) -> tuple[Span, ...]:
    """Return what is found without the other patients; slices of a series say the same."""
    spans = [*identity_spans(text, search), *date_spans(text, search, births_only=not general)]
    if general:
        spans += general_spans(text)
        spans += age_spans(text)
    if not search.keep_uids:
        spans += uid_spans(text, search)
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


def replace_spans(text: str, spans: Iterable[Span], *, same_length: bool = False) -> str:
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
    cleaned = replace_spans(text, spans)
    return re.sub(r"\[removed\](?:[\s,^.-]{0,2}\[removed\])+", REMOVED, cleaned)


_RUN = re.compile(rb"[\t\n\r -~]{4,}|(?:[ -~]\0){4,}")


def clean_bytes(value: bytes, search: Search, others: Container[str] | None = None) -> bytes:
    """Return bytes of unknown layout with identity in their text overwritten.

    Printable runs are searched, in ASCII and in UTF-16; the names of the patient besides
    in the encodings of their scripts. Nothing changes its length: dates are moved in
    place, everything else is filled with ``X``.
    """
    value = _RUN.sub(lambda run: _clean_run(run[0], search, others), value)
    for parts in search.identity.patients | search.identity.staff:
        for part in parts:
            if not part.isascii():
                value = _without_encoded(value, part)
    return value


def _clean_run(run: bytes, search: Search, others: Container[str] | None) -> bytes:
    wide = run[1:2] == b"\0"
    text = run.decode("utf-16-le" if wide else "ascii")
    spans = find_spans(text, search, others)
    return replace_spans(text, spans, same_length=True).encode("utf-16-le" if wide else "ascii")


_BYTE_ENCODINGS = ("utf-8", "utf-16-le", "latin-1", "cp1251", "iso8859-7", "gb18030", "shift_jis",
                   "euc_jp", "euc_kr")  # fmt: skip


def _without_encoded(value: bytes, part: str) -> bytes:
    """Overwrite a name that is not ASCII, in the encodings it may have been written in."""
    for encoding in _BYTE_ENCODINGS:
        for form in {part, part.capitalize(), part.upper()}:
            code = form.encode(encoding, "ignore")
            if len(code) >= 3 and code.decode(encoding, "ignore") == form:
                value = value.replace(code, b"X" * len(code))
    return value


def in_coded_value(text: str, search: Search, others: Container[str] | None = None) -> bool:
    """Tell whether a coded value (CS, AE) holds identity: clinical words are no names there."""
    spans = find_spans(text, search, others, general=False)
    return any(fold(text[s.start : s.end]).strip(" .,") not in CLINICAL_WORDS for s in spans)
