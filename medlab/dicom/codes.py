"""Keyed codes: what stands in place of a patient's name and number."""

from __future__ import annotations

import re
from functools import lru_cache

from medlab import crypto

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_FORM = re.compile("[A-Z2-7]{16}")


def patient_code(key: bytes, issuer: str, patient_id: str) -> str:
    """Return the keyed code of a patient: 16 characters, the same in every run.

    A code made with this key is returned as it is.
    """
    return keyed_code(key, "patient", f"{issuer}\x1f{patient_id}" if issuer else patient_id)


@lru_cache(maxsize=4096)
def keyed_code(key: bytes, kind: str, original: str) -> str:
    """Return 16 characters A-Z2-7: 64 bits of HMAC-SHA256 and 16 by which the key knows them.

    Parameters
    ----------
    key : bytes
        The secret of the project.
    kind : str
        ``"patient"``, ``"accession"`` or ``"study"``; codes of different kinds tell nothing
        about each other.
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
