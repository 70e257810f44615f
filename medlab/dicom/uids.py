"""UIDs: one keyed map for the whole job, without a shared table."""

from __future__ import annotations

from functools import lru_cache

from pydicom._uid_dict import UID_dictionary

from medlab import crypto

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
    if not uid or is_registered(uid) or made_by(key, uid):
        return uid
    digest = crypto.keyed_digest(key, "uid", uid)
    number = int.from_bytes(digest[:12], "big") | 1 << 95
    return f"2.25.{number << _CHECK_BITS | _check(key, number)}"


def made_by(key: bytes, uid: str) -> bool:
    """Tell whether `replace_uid` made this UID with this key."""
    digits = uid[5:]
    if not uid.startswith("2.25.") or not digits.isascii() or not digits.isdigit():
        return False
    whole = int(digits)
    if not 1 << 127 <= whole < 1 << 128:
        return False
    number = whole >> _CHECK_BITS
    return whole & ((1 << _CHECK_BITS) - 1) == _check(key, number)
