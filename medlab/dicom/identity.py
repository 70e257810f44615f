"""Who a data set is about: the words that must not be found in what is given away."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from pydicom.dataset import Dataset

from medlab.dicom.dates import parse_date
from medlab.dicom.elements import items_of, texts_of, vr_of
from medlab.dicom.files import MAX_DEPTH
from medlab.dicom.passthrough import sequence_items
from medlab.dicom.profile import read_table, tag_of, word_list

_LEAST_ID = 4
_MANUFACTURER, _MAKER = 0x00080070, "maker"

#: Name parts that are also words of the trade. In coded values (VR CS) they are left alone.
CLINICAL_WORDS = word_list("clinical")


class Role(NamedTuple):
    """What an attribute says about a person: its part in the search, and its HIPAA number."""

    name: str
    hipaa: int


@cache
def roles() -> Mapping[int, Role]:
    """Return tag -> role for the attributes that hold one of the 18 HIPAA identifiers."""
    found = {}
    for row in read_table("identifiers.csv"):
        for keyword in row["keywords"].split():
            found[tag_of(keyword)] = Role(row["role"], int(row["hipaa"]))
    return MappingProxyType(found)


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
    """Return one letter without case and diacritics."""
    if "\uac00" <= letter <= "\ud7a3":
        return letter
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c)
    )
    return plain.casefold()


def words(text: str) -> list[str]:
    """Return the runs of letters and digits of a text, folded."""
    return re.findall(r"[^\W_]+", fold(text))


def normalize(text: str) -> str:
    """Return the form in which IDs and full names are compared: folded words, sorted.

    Examples
    --------
    >>> normalize("Doe^John") == normalize("john DOE")
    True
    """
    return " ".join(sorted(words(text)))


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
    """

    patients: frozenset[tuple[str, ...]] = frozenset()
    staff: frozenset[tuple[str, ...]] = frozenset()
    ids: frozenset[str] = frozenset()
    institutions: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    contacts: frozenset[str] = frozenset()
    births: frozenset[str] = frozenset()
    days: frozenset[str] = frozenset()

    @property
    def phrases(self) -> frozenset[str]:
        """Normalized IDs (4 characters and more) and full names of the patient.

        This is what other patients' texts are searched for. A name of one part is left out,
        and so is one with fewer than four letters in all: too many words look like it.
        """
        names = {" ".join(sorted(parts)) for parts in self.patients if len(parts) > 1}
        found = {name for name in names if len(name.replace(" ", "")) >= _LEAST_ID}
        found |= {normalize(number) for number in self.ids if len(number) >= _LEAST_ID}
        return frozenset(found - {""})


_FIELD_OF_ROLE = {
    "patient-name": "patients",
    "staff-name": "staff",
    "patient-id": "ids",
    "other-id": "ids",
    "account": "ids",
    "plan": "ids",
    "trial-id": "ids",
    "institution": "institutions",
    "issuer": "institutions",
    "device": "devices",
    "address-net": "devices",
    "address": "contacts",
    "phone": "contacts",
    "telecom": "contacts",
    "birth-date": "births",
    "date": "days",
}
_EMPTY_NAMES = frozenset({"anonymous", "anonymized", "unknown", "none", "removed"})


@lru_cache(maxsize=4096)
def name_parts(value: str) -> tuple[tuple[str, ...], ...]:
    """Return the parts of a person's name, once for every script it is written in.

    German umlauts give a second spelling (Müller: muller, mueller).

    Examples
    --------
    >>> name_parts("Doe^John^Q")
    (('doe', 'john', 'q'),)
    """
    return tuple(_name_parts(value))


def _name_parts(value: str) -> Iterator[tuple[str, ...]]:
    for group in value.split("="):
        forms = {group}
        if re.search("[äöüÄÖÜ]", group):
            forms.add(re.sub("[äöüÄÖÜ]", lambda m: fold(m[0]) + "e", group))
        for form in sorted(forms):
            parts = tuple(part for part in words(form) if part not in _EMPTY_NAMES)
            if parts:
                yield parts


def _said(dataset: Dataset, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield role and text of everything that identifies, sequences included."""
    known = roles()
    for tag, raw in items_of(dataset):
        role, vr = known.get(tag), raw.VR
        if vr is None or vr == "UN":
            vr = vr_of(raw)
        name = role.name if role else "staff-name" if vr == "PN" and not tag >> 16 & 1 else ""
        if tag == _MANUFACTURER:
            name = _MAKER
        if name in _FIELD_OF_ROLE or name == _MAKER:
            yield from ((name, text) for text in texts_of(dataset, raw))
        if vr == "SQ" and depth < MAX_DEPTH:
            for item in sequence_items(dataset, raw):
                yield from _said(item, depth + 1)


def _add(found: dict[str, set[Any]], role: str, value: str) -> None:
    field = _FIELD_OF_ROLE[role]
    if field in ("patients", "staff"):
        found[field].update(name_parts(value))
    elif field in ("births", "days"):
        day = parse_date(value) or parse_date(value[:8])
        found[field].update([f"{day:%Y%m%d}"] if day else [])
    else:
        found[field].add(fold(value))


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


@lru_cache(maxsize=1024)
def _identity(said: frozenset[tuple[str, str]]) -> Identity:
    """Return the identity of what was said; the files of a series say the same."""
    found: dict[str, set[Any]] = {f.name: set() for f in fields(Identity)}
    for role, text in said:
        if role != _MAKER:
            _add(found, role, text)
    makers = fold(" ".join(text for role, text in said if role == _MAKER))
    found["institutions"] = {name for name in found["institutions"] if name not in makers}
    return Identity(**{name: frozenset(values) for name, values in found.items()})
