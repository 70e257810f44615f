"""Whose a data set is; what a key puts in place of names, numbers and UIDs, without a table."""

from __future__ import annotations

import re
from functools import lru_cache

from pydicom._uid_dict import UID_dictionary
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
    if _is_own_code(key, original):
        return original
    return _spell(key, crypto.keyed_digest(key, "code", kind, original)[:8])


def _spell(key: bytes, body: bytes) -> str:
    number = int.from_bytes(body + crypto.keyed_digest(key, "code check", body)[:2], "big")
    return "".join(_LETTERS[number >> shift & 31] for shift in range(75, -1, -5))


def is_own(key: bytes, text: str) -> bool:
    """Tell whether `keyed_code` or `replace_uid` made this code or UID with this key."""
    return _is_own_code(key, text) or _is_own_uid(key, text)


def _is_own_code(key: bytes, value: str) -> bool:
    if not _FORM.fullmatch(value):
        return False
    number = 0
    for letter in value:
        number = number << 5 | _LETTERS.index(letter)
    return _spell(key, number.to_bytes(10, "big")[:8]) == value


_CHECK_BITS = 32


def is_registered(uid: str) -> bool:
    """Tell whether a UID is one that the DICOM standard registers (PS3.6 A).

    SOP classes, transfer syntaxes, coding schemes. The root alone proves nothing: instances
    are found below it that a program made of a date and a record number.

    Examples
    --------
    >>> is_registered("1.2.840.10008.1.2.1"), is_registered("1.2.840.10008.20210314.48213")
    (True, False)
    """
    return uid in UID_dictionary


def _check(key: bytes, number: int) -> int:
    digest = crypto.keyed_digest(key, "uid check", number.to_bytes(12, "big"))
    return int.from_bytes(digest[: _CHECK_BITS // 8], "big")


@lru_cache(maxsize=65536)
def replace_uid(key: bytes, uid: str) -> str:
    """Return the UID that stands for another under a key.

    Parameters
    ----------
    key : bytes
        The secret of the project.
    uid : str
        Any UID. Registered ones, the empty one and those that this key has made already
        come back unchanged, so that a second pass changes nothing.

    Returns
    -------
    str
        ``2.25.`` and a 128-bit number (PS3.5 B.2): 96 bits of HMAC-SHA256 of the old UID
        and 32 bits by which the key knows its own. At most 44 characters.
    """
    if not uid or is_registered(uid) or _is_own_uid(key, uid):
        return uid
    digest = crypto.keyed_digest(key, "uid", uid)
    number = int.from_bytes(digest[:12], "big") | 1 << 95
    return f"2.25.{number << _CHECK_BITS | _check(key, number)}"


def _is_own_uid(key: bytes, uid: str) -> bool:
    digits = uid[5:]
    if not uid.startswith("2.25.") or not digits.isascii() or not digits.isdigit():
        return False
    whole = int(digits)
    if not 1 << 127 <= whole < 1 << 128:
        return False
    number = whole >> _CHECK_BITS
    return whole & ((1 << _CHECK_BITS) - 1) == _check(key, number)
