"""The 18 kinds of 45 CFR 164.514(b)(2)(i): counted in a source, looked for in what came of it.

Nothing here calls the code that removes. Elements are taken as pydicom reads them, and told by
what `data/identifiers.csv` says of their tag, by their VR, and by the form of their text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import Dataset
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR

from medlab.dicom.dates import DUMMY_DATE, OLDEST_AGE
from medlab.dicom.element_texts import label, values_of
from medlab.dicom.identity import roles
from medlab.dicom.profile import listed_tags, read_table, word_list


class _Kind(NamedTuple):
    """One of the 18 kinds: in a word or two, as the rule has it, the form it has in a text."""

    short: str
    kind: str
    pattern: str


#: The kinds, as the rule numbers them: (A) is 1, (R) is 18.
KINDS: Mapping[int, _Kind] = MappingProxyType(
    {
        int(row["number"]): _Kind(row["short"], row["kind"], row["pattern"])
        for row in read_table("safe-harbor.csv")
    }
)
_NAME, _DATE, _DEVICE, _WEB, _BIOMETRIC, _OTHER = 1, 3, 13, 14, 16, 18
_PATTERNS = {n: re.compile(kind.pattern) for n, kind in KINDS.items() if kind.pattern}
_YEAR = re.compile(r"(?<![\d.])(?:18|19)\d\d(?![\d.])")
_TECHNICAL = listed_tags("technical")
_CLASSES = listed_tags("class-uids")
_OF_VR = {"PN": _NAME, "AE": _DEVICE, "UR": _WEB}
_CODE = re.compile("[A-Z2-7]{16}")
_ADDRESS, _COUNTRY, _AUDIO = 0x00101040, 0x00102150, 0x200C
_RETINA = word_list("retina")


def kinds_in(dataset: Dataset) -> Counter[int]:
    """Return how many elements of a data set hold each of the 18 kinds, at every level."""
    counts = Counter(kind for element in _elements(dataset) for kind in _kinds(element))
    if is_biometric(dataset):
        counts[_BIOMETRIC] += 1
    return counts


def is_biometric(dataset: Dataset) -> bool:
    """Tell whether the picture is one of a retina, as much a person's own as a finger print."""
    return str(dataset.get("SOPClassUID") or "") in _RETINA


def left(
    source: Dataset, output: Dataset, restricted: Container[str]
) -> Iterator[tuple[str, str]]:
    """Yield where an output still holds one of the 18 kinds: element, and a sentence.

    Parameters
    ----------
    source, output : Dataset
        The original and what was made of it.
    restricted : container of str
        Three digits of the ZIP areas in which too few people live.
    """
    said = _said(source)
    for element in _elements(output):
        place = label(int(element.tag))[0]
        for kind in _kinds(element):
            if _stays(element, kind, said, restricted):
                yield place, f"Safe Harbor: one of its {KINDS[kind].kind} is left"
        free = element.VR in CUSTOMIZABLE_CHARSET_VR and int(element.tag) not in _TECHNICAL
        years = _YEAR.findall(" ".join(values_of(element))) if free else ()
        if any(int(year) <= said.oldest for year in years):
            yield place, "Safe Harbor: a year that tells an age over 89 is left"


class _Said(NamedTuple):
    """What a source says: words of names, UIDs, texts by tag, last year of birth of the old."""

    names: frozenset[str]
    uids: frozenset[str]
    texts: Mapping[int, set[str]]
    oldest: int


def _said(source: Dataset) -> _Said:
    texts: dict[int, set[str]] = {}
    for element in _elements(source):
        texts.setdefault(int(element.tag), set()).update(_texts(element))
    by_vr = {
        vr: [t for e in _elements(source) if vr == e.VR for t in values_of(e)]
        for vr in ("PN", "UI")
    }
    names, uids = frozenset(_words(by_vr["PN"])), frozenset(by_vr["UI"])
    return _Said(names, uids, texts, _last_year_of_old(source))


def _stays(element: Any, kind: int, said: _Said, restricted: Container[str]) -> bool:
    """Tell whether an element of an output, of a kind by tag, VR or form, still says it."""
    tag, texts = int(element.tag), set(_texts(element)) - word_list("dummies")
    if tag >> 16 & 1:
        return True
    if element.VR == "PN" and kind == _NAME:
        return not said.names.isdisjoint(_words(texts))
    if tag == _ADDRESS:
        return any(not re.fullmatch(r"\d{3}", t) or t in restricted for t in texts)
    if element.VR == "UI":
        return not said.uids.isdisjoint(texts)
    if _is_free(element, kind) or element.VR in ("AE", "UR", "DA", "DT", "AS"):
        return bool(texts)
    return not said.texts.get(tag, set()).isdisjoint(texts)


def _texts(element: Any) -> list[str]:
    """Return the texts of an element; of a sequence those in its items."""
    if element.VR != "SQ":
        return values_of(element)
    inner = (
        e for item in element.value for e in item.iterall() if e.VR in CUSTOMIZABLE_CHARSET_VR
    )
    return [text for e in inner for text in values_of(e)]


def _last_year_of_old(source: Dataset) -> int:
    """Return the last year in which a patient over 89 may be born; 0 for all others.

    Of dates that tell such an age not even the year may stay.
    """
    elements = list(_elements(source))
    days = [t for e in elements if e.VR in ("DA", "DT") for t in values_of(e) if t[:4].isdigit()]
    now = max((int(day[:4]) for day in days), default=0)
    born = str(source.get("PatientBirthDate") or "")[:4]
    old = any(_tells("AS", t) for e in elements if e.VR == "AS" for t in values_of(e))
    old = old or (born.isdigit() and now - int(born) > OLDEST_AGE)
    return now - OLDEST_AGE if old else 0


def _elements(dataset: Dataset) -> Iterator[Any]:
    return (e for e in dataset.iterall() if int(e.tag) >> 16 != 2 and int(e.tag) & 0xFFFF)


def _words(texts: Any) -> list[str]:
    """Return the words of names, codes left out."""
    plain = (text for text in texts if not _CODE.fullmatch(text))
    return [word.casefold() for text in plain for word in re.findall(r"[^\W\d_]{3,}", text)]


def _is_free(element: Any, kind: int) -> bool:
    """Tell whether a text holds a kind by its form."""
    searched = element.VR in CUSTOMIZABLE_CHARSET_VR and int(element.tag) not in _TECHNICAL
    return searched and kind in _PATTERNS and any(map(_PATTERNS[kind].search, values_of(element)))


def _kinds(element: Any) -> set[int]:
    """Return the kinds of one element that has a value."""
    tag, texts = int(element.tag), values_of(element)
    if tag >> 16 & 1:
        return {_OTHER} if not 0x10 <= tag & 0xFFFF <= 0xFF else set()
    kinds = {kind for kind in _PATTERNS if _is_free(element, kind)}
    role = roles().get(tag)
    if role and role.hipaa != _DATE and tag != _COUNTRY and (texts or element.value):
        kinds.add(role.hipaa)
    if tag >> 24 == 0x50 and tag & 0xFFFF == _AUDIO:
        kinds.add(_BIOMETRIC)
    if texts:
        kinds |= {_OF_VR[element.VR]} if element.VR in _OF_VR else set()
        kinds |= {_DATE} if any(_tells(element.VR, text) for text in texts) else set()
        instance = element.VR == "UI" and tag not in _CLASSES
        kinds |= {_OTHER} if instance and not set(texts) <= set(UID_dictionary) else set()
    return kinds


def _tells(vr: str, text: str) -> bool:
    """Tell whether a time value says more than Safe Harbor leaves: the year, an age up to 89."""
    if vr == "AS":
        number = re.match(r"\d+", text)
        years = int(number[0]) if number and text.strip()[-1:] not in ("D", "W", "M") else 0
        return years > OLDEST_AGE + 1
    return vr in ("DA", "DT") and text[4:8] not in ("", "0101") and text != DUMMY_DATE
