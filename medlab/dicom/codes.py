"""Whose a data set is, and the keyed codes that stand in place of names and numbers."""

from __future__ import annotations

import re
from functools import lru_cache

from pydicom.dataset import Dataset

from medlab import crypto
from medlab.dicom.element_texts import text_at
from medlab.dicom.identity import normalize, words

#: How an owner begins of whom only the study is known, and of whom no number is known.
NO_PERSON = "study\x1f"
NO_NUMBER = ("name\x1f", NO_PERSON)
_PATIENT_NAME, _PATIENT_ID, _ISSUER, _STUDY = 0x00100010, 0x00100020, 0x00100021, 0x0020000D
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_FORM = re.compile("[A-Z2-7]{16}")


def owner(dataset: Dataset) -> str:
    """Return who a data set belongs to, in one spelling: codes, dates and counts follow it.

    Issuer and Patient ID, without case and separators (``MRN-4711`` is ``mrn 4711``); without
    an ID the name, without that the study. Two issuers may give one number to two people.
    """
    number, issuer = (_plain(text_at(dataset, tag)) for tag in (_PATIENT_ID, _ISSUER))
    if number:
        return f"{issuer}\x1f{number}" if issuer else number
    if name := normalize(text_at(dataset, _PATIENT_NAME)):
        return f"name\x1f{name}"
    return f"{NO_PERSON}{text_at(dataset, _STUDY)}"


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    return "".join(words(text)) or text.strip()


def patient_code(key: bytes, owner: str) -> str:
    """Return the keyed code of a patient (see `owner`): 16 characters, the same in every run."""
    return keyed_code(key, "patient", owner)


@lru_cache(maxsize=4096)
def keyed_code(key: bytes, kind: str, original: str) -> str:
    """Return 16 characters A-Z2-7: 64 bits of HMAC-SHA256 and 16 by which the key knows them.

    Parameters
    ----------
    key : bytes
        The secret of the project.
    kind : str
        ``"patient"`` or ``"accession"``; codes of different kinds tell nothing about each
        other.
    original : str
        What the code stands for; a code made with this key is returned as it is.
    """
    if is_own_code(key, original):
        return original
    return _spell(key, crypto.keyed_digest(key, "code", kind, original)[:8])


def _spell(key: bytes, body: bytes) -> str:
    number = int.from_bytes(body + crypto.keyed_digest(key, "code check", body)[:2], "big")
    return "".join(_LETTERS[number >> shift & 31] for shift in range(75, -1, -5))


def is_own_code(key: bytes, value: str) -> bool:
    """Tell whether `keyed_code` made this code with this key."""
    if not _FORM.fullmatch(value):
        return False
    number = 0
    for letter in value:
        number = number << 5 | _LETTERS.index(letter)
    return _spell(key, number.to_bytes(10, "big")[:8]) == value
