"""Identity in text: names, numbers, dates and addresses that stand where they should not.

Everything here returns spans of the text and what to put in their place. What cannot be
found this way (a nickname, a rare profession, a story) is named in docs/deidentification.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise, permutations
from typing import NamedTuple

from pydicom._dicom_dict import DicomDictionary

from medlab.dicom.dates import OLDEST_AGE, parse_date
from medlab.dicom.days import Written, read_days
from medlab.dicom.identity import (
    ALNUM,
    CLINICAL_WORDS,
    LETTER,
    Identity,
    fold,
    fold_letter,
    normalize,
    runs,
    said_word,
)
from medlab.dicom.profile import word_list
from medlab.dicom.uids import is_registered, replace_uid

REMOVED = "[removed]"
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
    "e-mail": r"(?<![\w.+%-])[\w.+%-]++@[\w-]+(?:\.[\w-]+)+",
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
        r"|policy ?(?:no|number)))\b\.? ?[:=#]? ?(?=[A-Za-z0-9/-]{0,32}\d)"
        r"(?:\d{1,4}(?:[ .-]\d{2,4}){1,4}(?!\w)|[A-Za-z0-9][A-Za-z0-9/-]*)"
        # END PLATE L4 is no licence: a plate, a member and the like need a sign before the number
        r"|(?i:\b(?:licen[cs]e|certificate|passport|account|acct|vin|(?:licen[cs]e|number) plate"
        r"|plate(?= [A-Z]{1,3}-[A-Z]{1,2} ?\d{2})"
        r"|(?:licen[cs]e|lic|certificate|cert|passport|account|acct|a/c|vin|plate|member(?:ship)?"
        r"|subscriber|beneficiary|registration|reg|kennzeichen|konto|führerschein)"
        r"(?:\.? ?(?:no|nr|number|id|code)\b|(?=\.? ?[:=#])))\b\.? ?[:=#]{0,2} ?)"
        r"(?:[A-Z]{1,3}[ -]?\d{1,4}[ -][A-Z]{1,3}(?:[ -]?\d{1,4})?(?!\w)"
        r"|[A-Z]{1,3}[ -][A-Z]{1,2} ?\d{1,4}(?!\w)"
        r"|(?=[A-Za-z/-]{0,16}\d[A-Za-z\d/-]{2})[A-Za-z\d][A-Za-z\d/-]*(?:[ .]\d{2,4}(?!\w)){0,4})"
        r"|(?i:\b(?:patient(?:'s)? name|name|patient|pt|surname|mother|father|spouse|technologist"
        r"|tech|operator|radiologist|physician|referr(?:er|ing|ed by)|reported by|signed(?: by)?))"
        r"\b ?[:=] ?(?:(?i:dr|prof|mr|mrs|ms)\.? )?"
        r"[^\W\d_][\w'^.-]*(?:[ ,^]{1,2}[A-Z][\w'^.-]*){0,3}"
    ),
    "title": (
        r"\b(?:Dr|Prof|Mr|Mrs|Ms|Miss|Mme|Mlle|Herr|Frau|Sr|Sra|Dott|DR\.|PROF|MRS)\b\.? ?"
        r"(?:(?:Dr|Prof|med|von|van|de|der|Med)\b\.? ?){0,3}"
        r"(?:[A-Z]\. ?){0,2}[A-Z][\w'\u2019-]+(?: (?:[A-Z]\. )?[A-Z][\w'\u2019-]+){0,2}"
        r"|(?<![\w'-])[A-Z][\w'-]++ (?:[A-Z]\. ?)?[A-Z][\w'-]++,? "
        r"(?:M\.?D\b|Ph\.?D\b|R\.?N\b|DO\b|RT\(R\))"
    ),
    "address": (
        r"(?<![\w.])\d{1,5}[a-z]? (?:[A-Z][\w'.-]+ ){1,3}"
        r"(?:[Ss]treet|STREET|[Aa]venue|AVENUE|[Rr]oad|ROAD|[Bb]oulevard|[Ll]ane|LANE"
        r"|[Dd]rive|DRIVE|[Ss]quare|St\.|Ave\b|Rd\b|Blvd\b)(?:,? (?:Apt|Suite|Unit)\.? ?\w+)?"
        r"|(?<![^\W\d_])[^\W\d_]{3,}(?:stra(?:ß|ss)e|gasse|platz|str\.) ?\d{1,4} ?[a-z]?(?!\w)"
        r"|(?i:\bp\.? ?o\.? ?box \d+)"
        r"|\b(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]"
        r"|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]) \d{5}(?:-\d{4})?(?!\d)"
    ),
    "digits": (
        r"(?<![\d.])(?!(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{4}(?:\d\d)?)?(?!\d))"
        r"\d{7,}+(?![\d.]*\d)"
    ),
}
_GENERAL_PATTERN = re.compile("|".join(f"(?P<k{i}>{p})" for i, p in enumerate(_GENERAL.values())))
_GENERAL_KINDS = tuple(_GENERAL)
_UID = re.compile(r"(?<![\w.])[0-2](?:\.(?:0|[1-9]\d*)){5,}+(?![\w.]*\w)")
_YEARS = (
    r"(?i:[ -]?(?:years?|yrs?|y[/.]?o|y|jahren?|j(?:ä|ae?)hrig\w*|ans|a[nñ]os|anni|ya[sş]\w*|лет"
    r"|год[ау]?|ετών)(?!\w)|[fm](?!\w)| ?/ ?[fmw](?!\w))|W(?!\w)| [FM](?!\w)| ?[岁歲歳才세]"
)
_AGED = (
    r"(?i:(?<!\w)(?:aged?(?: at [a-z]{1,20})?|alter|[aâ]g[eé]e?s?|edad|ya[sş][ıi]?|et[aà]|idade"
    r"|возраст|[fmw]/)[ .:=]{0,3}(?:(?:of|von|de) )?)"
)
_BEFORE, _BEHIND = r"(?<![\w.])(?<!\d,)(\d{2,3})", r"(\d{2,3})(?!\w|[.,]\d)"
_AGE = re.compile(f"{_BEFORE}(?={_YEARS})|{_AGED}{_BEHIND}")
_SEX = "[fmwkdehouvyjaмж]"  # letters for a sex, or for years, in some languages
_OWN_AGE = re.compile(
    rf"(?i){_BEFORE}(?=[ /,.-]{{0,2}}{_SEX}(?!\w))|(?:(?<!\w){_SEX}[ /,.-]{{0,2}}"
    rf"|(?<={LETTER}{{3}}[:=])|(?<={LETTER}{{3}}[:=] )){_BEHIND}"
)


class _Known(NamedTuple):
    """The words of an identity, arranged for one pass over the words of a text.

    Attributes
    ----------
    words : re.Pattern
        Matches one whole word. Group n is the n-th person, the last group the places.
    beside : tuple of frozenset of str
        For each group the initials and short parts, which count only beside another part.
    rows : dict of str to list of tuple of str
        Words that count only in a row, by the first of them.
    inside : re.Pattern
        What is found within runs: numbers, and scripts without spaces.
    long : tuple of str
        The patient's name parts of six letters and more.
    """

    words: re.Pattern[str]
    beside: tuple[frozenset[str], ...]
    rows: dict[str, list[tuple[str, ...]]]
    inside: re.Pattern[str]
    long: tuple[str, ...]

    def group_of(self, word: str) -> int:
        """Return the number of the group that a word belongs to, from 1; -1 if misspelt."""
        match = self.words.fullmatch(word)
        if match is not None:
            return match.lastindex or 0
        return -any(_is_one_apart(word, name) for name in self.long)


@lru_cache(maxsize=256)
def compile_identity(
    identity: Identity, keep_institutions: bool = False, keep_devices: bool = False
) -> _Known:
    """Arrange the words of an identity for the search in folded text."""
    persons = [_pieces(" ".join(parts)) for parts in sorted(identity.patients | identity.staff)]
    places = identity.contacts | (frozenset() if keep_institutions else identity.institutions)
    numbers = set(identity.ids | (frozenset() if keep_devices else identity.devices))
    place_rows = [row for row in map(_pieces, sorted(places)) if sum(map(len, row)) >= 4]
    numbers |= {"".join(filter(str.isdigit, row)) for row in place_rows}
    telling = [
        run
        for row in place_rows
        for run in row
        if len(row) == 1 or (len(run) >= 5 and run not in _COMMON and not run.isdigit())
    ]
    groups = [*map(_person_words, persons), [f"{re.escape(run)}(?:e?s)?" for run in telling]]
    rows = defaultdict(list)
    for row in [*place_rows, *(pair for parts in persons for pair in _short_pairs(parts))]:
        rows[row[0]].append(row)
    inside = {literal for parts in persons for literal in _unspaced(parts)}
    inside |= {run for run in telling if _is_script(run)}
    inside |= set(map(_number_pattern, numbers)) - {""}
    return _Known(
        re.compile("|".join(f"({'|'.join(group) or '(?!)'})" for group in groups)),
        (
            *(frozenset(p if len(p) < _LEAST_PART else p[0] for p in n) for n in persons),
            frozenset(),
        ),
        dict(rows),
        # the longest first: an alternation takes the first branch that fits
        re.compile("|".join(sorted(inside, key=lambda p: (-len(p), p))) or "(?!)"),
        tuple({p for n in identity.patients for p in _pieces(" ".join(n)) if len(p) >= 6}),
    )


def _pieces(text: str) -> tuple[str, ...]:
    """Return the words and numbers of a text, folded."""
    folded = fold(text)
    return tuple(runs(LETTER, folded.isascii()).findall(folded))


def _is_script(part: str) -> bool:
    """Tell whether a part is written without spaces between words.

    Thai, Lao, Tibetan, Burmese, Khmer, Chinese, kana, and Hangul, whose particles adhere.
    """
    return any("\u0e00" <= c < "\u10a0" or "\u1780" <= c < "\u1800" or c >= "\u2e80" for c in part)


#: From a first letter on: what is written before a name, what it loses, what follows it.
_INFLECTIONS = (
    ("\0", "", "", "(?:e?s)?"),
    ("\u0370", "", "(?:ου|[αηο])?σ?", "[αεηιουωσν]{0,3}"),  # Greek
    ("\u0400", "", "[аяо]я|[ыио]и|[аоеиыья]|", "[агеимоухыьэюяв]{0,3}"),  # Cyrillic
    ("\u0590", "[ובהלמשכ]{0,2}", "", ""),  # Hebrew
    ("\u0600", "[وفبلك]{0,2}(?:ال)?", "", ""),  # Arabic
    ("\u0700", "", "", ""),
    ("\u0900", "", "", ".{0,4}"),  # from Devanagari to Sinhala
    ("\u0e00", "", "", ""),
)


def _inflected(part: str) -> str:
    """Return the pattern of a name part with the endings that its script puts to it."""
    before, drop, after = next(row[1:] for row in reversed(_INFLECTIONS) if row[0] <= part[0])
    stem = re.sub(f"(?:{drop})$", "", part) if drop else part
    if len(part) <= _LEAST_PART or len(stem) < _LEAST_PART:
        return before + re.escape(part)
    return before + re.escape(stem) + after


def _person_words(parts: tuple[str, ...]) -> list[str]:
    """Return patterns of the words that a name is written as.

    Each part of three letters and more, with endings; parts glued in their order (de la Cruz:
    DELACRUZ) and two long ones in any; initials glued to five letters and more (CHART is not
    Hart with a C before it).
    """
    found, glued = list[str](), set[str]()
    for i, part in enumerate(parts):
        others = parts[:i] + parts[i + 1 :]
        if len(part) >= _LEAST_PART and not _is_script(part):
            found.append(_inflected(part))
            glued.update(part + other for other in others if len(other) >= _LEAST_PART)
            if len(part) >= 5 and others:
                initials = "".join(re.escape(other[0]) for other in others)
                found.append(f"[{initials}]{{0,2}}{re.escape(part)}[{initials}]{{0,2}}")
        for end in range(i + 2, len(parts) + 1):
            longest = max(map(len, parts[i:end]))
            if longest >= _LEAST_PART or end - i == len(parts):
                glued.add("".join(parts[i:end]))
    if min(map(len, parts), default=0) > 1:
        glued.update("".join(parts[i:] + parts[:i]) for i in range(1, len(parts)))
    usual = {word for word in glued if len(word) < 4} | CLINICAL_WORDS | _COMMON
    return found + [f"{re.escape(word)}(?:e?s)?" for word in sorted(glued - usual)]


def _short_pairs(parts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the parts of one and two letters in pairs; two single letters are none."""
    for pair in permutations([part for part in parts if len(part) < _LEAST_PART], 2):
        if len("".join(pair)) > 2 or _is_script("".join(pair)):
            yield pair


def _unspaced(parts: tuple[str, ...]) -> Iterator[str]:
    """Yield patterns of name parts that are found within a run of letters."""
    scripts = [part for part in parts if _is_script(part)]
    yield from (re.escape(part) for part in scripts if len(part) > 1)
    for first, second in permutations(scripts, 2):
        yield rf"{re.escape(first)}[\s,.^_=-]{{0,3}}{re.escape(second)}"


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
    many = sum(len(piece) for piece in pieces if piece.isdigit()) >= 6
    body = r"[\W_]{0,2}".join(
        r"[\W_]{0,2}".join(piece) if many and piece.isdigit() else piece for piece in pieces
    )
    # behind the first sign, not before it: the search then jumps to the signs it begins with
    start = "(?<![1-9].)" if body[0].isdigit() else f"(?<!{LETTER}.)"
    end = r"(?!\d)" if body[-1].isdigit() else f"(?!{LETTER})"
    return body[0] + start + body[1:] + end


def _is_one_apart(word: str, name: str) -> bool:
    """Tell whether one letter is wrong, missing, too many, or has changed places with the next."""
    if abs(len(word) - len(name)) > 1:
        return False
    pairs = enumerate(zip(word, name, strict=False))
    at = next((i for i, (said, right) in pairs if said != right), min(len(word), len(name)))
    rest, right = word[at:], name[at:]
    wrong, swapped = rest[1:] == right[1:], rest[1::-1] + rest[2:] == right
    return wrong or rest == right[1:] or rest[1:] == right or swapped


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


def identity_spans(text: str, search: Search) -> Iterator[Span]:
    """Yield where the words of the patient and the study stand in a text."""
    known = compile_identity(search.identity, search.keep_institutions, search.keep_devices)
    folded, places = _fold_with_places(text)
    for start, end, kind in _hits(folded, known):
        # up to the next letter: signs that folding drops belong to the one before them
        yield Span(places[start], max(places[end - 1] + 1, places[end]), REMOVED, kind)


_GAP = re.compile(r"[ ,.^_='\u2019-]{1,3}")


def _hits(folded: str, known: _Known) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and kind (``identity`` or ``probable``) of what stands in folded text."""
    for match in known.inside.finditer(folded):
        start, end = match.span()
        while start and folded[start - 1] == "0":
            start -= 1
        while unicodedata.category(folded[end : end + 1] or " ")[0] == "M":
            end += 1
        yield start, end, "identity"
    tokens = list(runs(LETTER, folded.isascii()).finditer(folded))
    said = [token[0] for token in tokens]
    gaps = [folded[a.end() : b.start()] for a, b in pairwise(tokens)]
    groups = {word: known.group_of(word) for word in set(said)}
    taken = -1
    for i, word in enumerate(said):
        rows = known.rows.get(word, ()) if i > taken else ()
        first, last = i, _end_of_row(rows, said, gaps, i)
        if groups[word] > 0:
            beside = known.beside[groups[word] - 1]
            first, last = _widened(said, gaps, beside, (first, last))
        if groups[word] or last > first:
            kind = "probable" if groups[word] < 0 and last == first else "identity"
            yield tokens[first].start(), tokens[last].end(), kind
            taken = max(taken, last)


def _end_of_row(rows: Sequence[tuple[str, ...]], said: list[str], gaps: list[str], at: int) -> int:
    """Return the last word of the longest of the rows that begins with word number `at`."""
    last = at
    for row in rows:
        end = at + len(row) - 1
        near = all(len(gap) <= 3 and "\0" not in gap for gap in gaps[at:end])
        if near and tuple(said[at : end + 1]) == row:
            last = max(last, end)
    return last


def _widened(
    said: list[str], gaps: list[str], beside: frozenset[str], place: tuple[int, int]
) -> tuple[int, int]:
    """Return the first and last word of a name with the initials and short parts around it."""
    first, last = place
    while first and said[first - 1] in beside and _GAP.fullmatch(gaps[first - 1]):
        first -= 1
    while last < len(gaps) and (
        (said[last + 1] in beside and _GAP.fullmatch(gaps[last]))
        or (said[last + 1] == "s" and gaps[last] in ("'", "\u2019"))
    ):
        last += 1
    return first, last


def other_spans(text: str, others: Container[str]) -> Iterator[Span]:
    """Yield where IDs and full names of other patients of the job stand in a text."""
    found = list(runs(ALNUM, text.isascii()).finditer(text))
    for first in range(len(found)):
        for last in range(first, min(first + _MOST_WORDS, len(found))):
            start, end = found[first].start(), found[last].end()
            if end - start > 3:
                digits = fold("".join(run[0] for run in found[first : last + 1]))
                grouped = last > first and digits.isdigit() and digits in others
                if grouped or normalize(text[start:end]) in others:
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


def age_spans(text: str, search: Search) -> Iterator[Span]:
    """Yield ages over 89, for which the class "90" stands.

    In the forms of several languages; an age that the header tells also behind any label and
    beside a letter that may stand for a sex or for years.
    """
    own = search.identity.old_ages
    matches = [*_AGE.finditer(text), *(_OWN_AGE.finditer(text) if own else ())]
    for match in matches:
        years = int(match[match.lastindex or 0])
        if OLDEST_AGE + 1 < years < 130 and (match.re is _AGE or years in own):
            start, end = match.span(match.lastindex or 0)
            yield Span(start, end, str(OLDEST_AGE + 1), "age")


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
        Normalized IDs and full names of all patients of the job (`Identity.phrases`), and the
        words that several patients' texts say (`said_word`): those are no misspelled names.
    general : bool
        Also look for telephone numbers, addresses, titles and dates; switched off for
        technical elements such as software versions.
    """
    spans = [
        span
        for span in _own_spans(text, search, general)
        if span.kind != "probable" or not _is_usual(text[span.start : span.end], others)
    ]
    if others is not None:
        spans += other_spans(text, others)
    return _without_overlap(spans)


def _is_usual(word: str, others: Container[str] | None) -> bool:
    """Tell whether a word is one of the trade, or stands in other patients' texts too."""
    return fold(word) in _vocabulary() or (others is not None and said_word(word) in others)


@cache
def _vocabulary() -> frozenset[str]:
    """Return the words of DICOM's attributes and of its coded concepts."""
    from pydicom.sr._concepts_dict import concepts  # large: read where a word is in doubt

    names = [entry[2] for entry in DicomDictionary.values()]
    names += [keyword for scheme in concepts.values() for keyword in scheme]
    trade = {word.lower() for name in names for word in re.findall("[A-Z]?[a-z]+", name)}
    return CLINICAL_WORDS | _COMMON | trade


@lru_cache(maxsize=1024)
def _own_spans(text: str, search: Search, general: bool) -> tuple[Span, ...]:
    """Return what is found without the other patients; slices of a series say the same."""
    spans = [*identity_spans(text, search), *date_spans(text, search, births_only=not general)]
    spans = [span for span in spans if general or span.kind != "probable"]
    if general:
        spans += general_spans(text)
        spans += age_spans(text, search)
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
    for word in sorted(search.identity.written, key=len, reverse=True):
        value = _without_encoded(value, word)
    return value


def _clean_run(run: bytes, search: Search, others: Container[str] | None) -> bytes:
    wide = run[1:2] == b"\0"
    text = run.decode("utf-16-le" if wide else "ascii")
    spans = find_spans(text, search, others)
    return replace_spans(text, spans, same_length=True).encode("utf-16-le" if wide else "ascii")


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
    return any(fold(text[s.start : s.end]).strip(" .,") not in CLINICAL_WORDS for s in spans)
