"""Who a data set is about: the words that must not be found in what is given away."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from itertools import permutations
from types import MappingProxyType
from typing import Any, NamedTuple

from pydicom.dataset import Dataset
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR

from medlab.dicom import columns, passthrough
from medlab.dicom.dates import OLDEST_AGE, parse_date
from medlab.dicom.element_texts import texts_of, vr_of
from medlab.dicom.files import MAX_DEPTH
from medlab.dicom.passthrough import items_of, sequence_items
from medlab.dicom.profile import read_table, tag_of

_LEAST_ID = 4
_LEAST_GLUED = 6  # letters; shorter ones are words of some language
ALNUM, LETTER = r"[^\W_]", r"[^\W\d_]"
_LEAST_DIGITS = 7  # of another patient's number, to be looked for in groups
_LONGEST_NAME = 64  # signs: PS3.5 6.2.1 for each part of a PN
_MANUFACTURER, _MAKER = 0x00080070, "maker"


class _Role(NamedTuple):
    """What an attribute says about a person: its part in the search, and its HIPAA number."""

    name: str
    hipaa: int


@cache
def roles() -> Mapping[int, _Role]:
    """Return tag -> role for the attributes that hold one of the 18 HIPAA identifiers."""
    by_tag = {}
    for row in read_table("identifiers.csv"):
        for keyword in row["keywords"].split():
            by_tag[tag_of(keyword)] = _Role(row["role"], int(row["hipaa"]))
    return MappingProxyType(by_tag)


def fold(text: str) -> str:
    """Return text without case and diacritics, character by character.

    Full-width forms become plain ones; Hangul stays whole. The result may be longer than
    the text where one letter folds to two.

    Examples
    --------
    >>> fold("MÜLLER, Zoë"), fold("Ｓｍｉｔｈ")
    ('muller, zoe', 'smith')
    """
    if text.isascii():
        return text.lower()
    return "".join(map(fold_letter, text))


@cache
def fold_letter(letter: str) -> str:
    """Return one letter without case and diacritics; a digit of any script as 0 to 9.

    Signs without a shape of their own (soft hyphen, joiners, marks of direction) vanish.
    """
    if "\uac00" <= letter <= "\ud7a3":
        return letter
    if letter.isdecimal():
        return str(unicodedata.decimal(letter))
    if unicodedata.category(letter) == "Cf":
        return ""
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c)
    )
    return plain.casefold()


@cache
def _mark_ranges() -> str:
    r"""Return the combining signs of all scripts, to stand in a class of a pattern.

    Vowel signs of Devanagari, Bengali, Tamil, Thai and their like are no ``\w``, so that
    ``\w+`` cuts words into single letters. They lie below U+20000 (Unicode 15), variation
    selectors aside.
    """
    marks = [code for code in range(0x300, 0x20000) if unicodedata.category(chr(code))[0] == "M"]
    starts = [code for code in marks if unicodedata.category(chr(code - 1))[0] != "M"]
    ends = [code for code in marks if unicodedata.category(chr(code + 1))[0] != "M"]
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends, strict=True))


@cache
def runs(kind: str, ascii_only: bool) -> re.Pattern[str]:
    """Return the pattern of the runs of a kind, with the signs on and between their letters.

    Parameters
    ----------
    kind : str
        ``ALNUM``: letters and digits together. ``LETTER``: each for themselves.
    ascii_only : bool
        For text without such signs, which is searched faster.
    """
    # possessive: a run is taken whole or not at all, so that the search is linear
    signs = "" if ascii_only else f"(?:[{_mark_ranges()}]++(?:{kind})*+)*+"
    return re.compile(f"{kind}++{signs}" + (r"|\d++" if kind == LETTER else ""))


def words(text: str) -> list[str]:
    """Return the runs of letters and digits of a text, folded, with their vowel signs."""
    folded = fold(text)
    return runs(ALNUM, folded.isascii()).findall(folded)


def normalize(text: str) -> str:
    """Return the form in which IDs and full names are compared: folded words, sorted.

    Examples
    --------
    >>> normalize("Doe^John") == normalize("john DOE")
    True
    """
    return " ".join(sorted(words(text)))


def said_word(word: str) -> str:
    """Return a word in the form in which a job notes that several patients' texts say it.

    The sign before it keeps it apart from an ID or a name of one word.
    """
    return f"~{fold(word)}"


@dataclass(frozen=True)
class Identity:
    """The words to look for. Every field is a set.

    Attributes
    ----------
    patients, staff : frozenset of tuple of str
        Persons, each as the folded parts of one name in one script.
    ids : frozenset of str
        Record, accession, order and other numbers of the patient and the study.
    institutions, devices, contacts : frozenset of str
        Names of places and departments; serial numbers and stations; addresses, telephones.
    births : frozenset of str
        Birth dates as YYYYMMDD.
    days : frozenset of str
        The other dates of the study as YYYYMMDD.
    ages : frozenset of str
        Ages as AS values.
    written : frozenset of str
        Names as they stand, where that is not ASCII: for the search in bytes.
    """

    patients: frozenset[tuple[str, ...]] = frozenset()
    staff: frozenset[tuple[str, ...]] = frozenset()
    ids: frozenset[str] = frozenset()
    institutions: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    contacts: frozenset[str] = frozenset()
    births: frozenset[str] = frozenset()
    days: frozenset[str] = frozenset()
    ages: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()

    @property
    def old_ages(self) -> frozenset[int]:
        """Ages over 89 that the header tells, itself or by its dates."""
        born = [(int(day[:4]), day[4:]) for day in self.births]
        years = {int(d[:4]) - year - (d[4:] < day) for year, day in born for d in self.days}
        stated = {age.strip().upper().rstrip("Y") for age in self.ages}
        years |= {int(age) for age in stated if age.isdecimal()}
        return frozenset(age for age in years if age > OLDEST_AGE)

    @property
    def phrases(self) -> frozenset[str]:
        """Normalized IDs (4 characters and more) and full names of the patient.

        This is what other patients' texts are searched for. A name of one part is left out,
        and so is one with fewer than four letters in all: too many words look like it. Two parts
        written as one word count from six letters.
        """
        names = {" ".join(sorted(parts)) for parts in self.patients if len(parts) > 1}
        phrases = {name for name in names if len(name.replace(" ", "")) >= _LEAST_ID}
        pairs = (pair for parts in self.patients for pair in permutations(parts[:3], 2))
        glued = {"".join(pair) for pair in pairs if min(map(len, pair)) > 1}
        phrases |= {name for name in glued if len(name) >= _LEAST_GLUED}
        phrases |= {normalize(number) for number in self.ids if len(number) >= _LEAST_ID}
        bare = {re.sub(r"[\W_]", "", number) for number in self.ids}
        phrases |= {number for number in bare if len(number) >= _LEAST_DIGITS and number.isdigit()}
        return frozenset(phrases - {""})


_FIELD_OF_ROLE = {
    row["role"]: row["field"] for row in read_table("identifiers.csv") if row["field"]
}
#: Letters that are also spelled with two: Müller, Mueller; Søren, Soeren.
DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae"})
_EMPTY_NAMES = frozenset({"anonymous", "anonymized", "unknown", "none", "removed"})


@lru_cache(maxsize=4096)
def name_parts(value: str) -> tuple[tuple[str, ...], ...]:
    """Return the parts of a person's name, once for every script it is written in.

    Letters such as ö and ø give a second spelling (Müller: muller, mueller).

    Examples
    --------
    >>> name_parts("Doe^John^Q")
    (('doe', 'john', 'q'),)
    """
    return tuple(_name_parts(value))


def _name_parts(value: str) -> Iterator[tuple[str, ...]]:
    for group in value.split("="):
        for form in sorted({tuple(words(group)), tuple(words(group.lower().translate(DIGRAPHS)))}):
            parts = tuple(part for part in form if part not in _EMPTY_NAMES)
            if parts:
                yield parts


def utf8_reading(value: Any) -> str:
    """Return what bytes say as UTF-8, whatever their data set declares; empty for ASCII."""
    if not isinstance(value, bytes) or value.isascii():
        return ""
    try:
        return value.decode("utf-8").strip(" \0")
    except UnicodeDecodeError:
        return ""


def _walk(dataset: Dataset, depth: int = 0) -> Iterator[tuple[Dataset, int, Any, str]]:
    """Yield level, tag, element and VR of everything, sequences included."""
    for tag, raw in items_of(dataset):
        yield from _within(dataset, tag, raw, depth)


def _within(
    dataset: Dataset, tag: int, raw: Any, depth: int
) -> Iterator[tuple[Dataset, int, Any, str]]:
    """Yield level, tag, element and VR of one element and of what stands in it."""
    vr = raw.VR
    if vr is None or vr == "UN":
        vr = vr_of(raw)
    yield dataset, tag, raw, vr
    if vr == "SQ" and depth < MAX_DEPTH:
        alike = columns.table(dataset, raw, depth)
        if alike is not None:
            yield from _each_once(alike)
            return
        for item in sequence_items(dataset, raw):
            yield from _walk(item, depth + 1)


def _each_once(alike: list[columns.Column]) -> Iterator[tuple[Dataset, int, Any, str]]:
    """Yield the same of a long sequence: of what may tell, each different value once."""
    for column in alike:
        tag = column.place[-1]
        if column.vr in CUSTOMIZABLE_CHARSET_VR or tag in roles() or tag == _MANUFACTURER:
            for value in set(column.values):
                item, element = column.alone(value)
                yield item, tag, element, column.vr


def words_said(dataset: Dataset) -> frozenset[str]:
    """Return the words of five letters and more in free text, each as `said_word`.

    What identifies by its tag is left out: what is wanted is what people say of anyone.
    """
    charset = str(dataset.original_character_set)
    memory = passthrough.memories("words said").setdefault(charset, passthrough.Memory())
    said: set[str] = set()
    for tag, raw in items_of(dataset):
        before = memory.get(id(raw))
        if before is None:
            before = raw, _words_in(dataset, tag, raw)
            memory.note(*before)
        said |= before[1]
    return frozenset(said)


def _words_in(dataset: Dataset, tag: int, raw: Any) -> frozenset[str]:
    """Return the words of the free text in one element."""
    texts = {
        text
        for level, number, element, vr in _within(dataset, tag, raw, 0)
        if vr in CUSTOMIZABLE_CHARSET_VR and vr != "PN" and number not in roles()
        for text in texts_of(level, element)
    }
    all_words = {word for text in texts for word in words(text)}
    return frozenset(said_word(word) for word in all_words if 4 < len(word) <= _LONGEST_NAME)


def _said(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Yield role and text of everything that identifies, sequences included."""
    charset = str(dataset.original_character_set)
    memory = passthrough.memories("said").setdefault(charset, passthrough.Memory())
    for tag, raw in items_of(dataset):
        before = memory.get(id(raw))
        if before is None:
            before = raw, tuple(_said_in(dataset, tag, raw))
            memory.note(*before)
        if before[1]:
            yield from before[1]


def _said_in(dataset: Dataset, tag: int, raw: Any) -> Iterator[tuple[str, str]]:
    """Yield role and text of what identifies in one element."""
    by_tag = roles()
    for level, number, element, vr in _within(dataset, tag, raw, 0):
        role = by_tag.get(number)
        name = role.name if role else "staff-name" if vr == "PN" and not number >> 16 & 1 else ""
        if number == _MANUFACTURER:
            name = _MAKER
        if name in _FIELD_OF_ROLE or name == _MAKER:
            second = utf8_reading(element.value).split("\\")
            yield from ((name, text) for text in [*texts_of(level, element), *second] if text)


def _add(sets: dict[str, set[Any]], role: str, value: str) -> None:
    field = _FIELD_OF_ROLE[role]
    if field in ("patients", "staff"):
        sets[field].update(name_parts(value))
        sets["written"].update(w for w in re.split(r"[\s^=,.]+", value) if not w.isascii())
    elif field in ("births", "days"):
        day = parse_date(value) or parse_date(value[:8])
        sets[field].update([f"{day:%Y%m%d}"] if day else [])
    else:
        sets[field].add(fold(value))


def identity_of(dataset: Dataset) -> Identity:
    """Return the identity words of a data set, of every nesting level.

    Parameters
    ----------
    dataset : Dataset
        The original, not yet de-identified.

    Returns
    -------
    Identity
        Every part of every person's name in every script, numbers, institutions, devices,
        addresses, birth date and the dates of the study. Private elements add nothing:
        what they mean is not known.
    """
    return _identity(frozenset(_said(dataset)))


def identity_words(dataset: Dataset) -> list[str]:
    """Return the values that name patient, staff, place, device or day, of every nesting level.

    As they are written, for a search in what a recognizer reads in the pixels. Private elements
    add what they call a person's name. Ages are left out: there a number with a Y behind it is
    found by its form.
    """
    said = [text for role, text in _said(dataset) if role not in (_MAKER, "age")]
    for tag, raw in items_of(dataset):
        if tag >> 16 & 1 and vr_of(raw) == "PN":
            said += filter(None, texts_of(dataset, raw))
    return [*dict.fromkeys(said)]


@lru_cache(maxsize=1024)
def _identity(said: frozenset[tuple[str, str]]) -> Identity:
    """Return the identity of what was said; the files of a series say the same."""
    sets: dict[str, set[Any]] = {f.name: set() for f in fields(Identity)}
    for role, text in said:
        if role != _MAKER:
            _add(sets, role, text)
    makers = fold(" ".join(text for role, text in said if role == _MAKER))
    sets["institutions"] = {name for name in sets["institutions"] if name not in makers}
    return Identity(**{name: frozenset(values) for name, values in sets.items()})
