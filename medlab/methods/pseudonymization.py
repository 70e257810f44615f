"""Pseudonymization: a value becomes a code, the same for the same person everywhere.

Whoever holds the key can draw the same codes again, nobody else. Equal values stay equal,
so records can be joined, by the researcher and by the attacker alike; k-anonymity is not
touched by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from pydicom.valuerep import MAX_VALUE_LEN

from medlab.crypto import keyed_digest
from medlab.dicom.codes import keyed_code, replace_uid
from medlab.errors import InputError
from medlab.methods.values import as_number, each, fitting, join_date, like, split_date

_FIRST = """
Amber Azure Brisk Calm Clear Coral Early Fair Gentle Golden Green Ivory Jade Keen Late Lively
Lunar Mellow Misty Noble Olive Pale Quiet Rapid Silver Solar Steady Tall Velvet Vivid Warm Wild
"""
_LAST = """
Avocet Bittern Condor Crane Curlew Dunlin Egret Falcon Finch Gannet Godwit Grebe Harrier Heron
Ibis Jay Kestrel Kite Lapwing Linnet Merlin Osprey Petrel Plover Puffin Raven Sandpiper Siskin
Stork Tern Warbler Wren
"""


def code(values: Any, key: bytes, *, field: str = "PatientID", vr: str = "LO") -> Any:
    """Return keyed codes, those of `medlab.dicom.codes`: the key knows its own and leaves them.

    Parameters
    ----------
    values : one value or Series
    key : bytes
        The secret of the project. Another project's key gives codes that can't be linked.
    field : str
        What is coded (and by whom issued); the same text in two fields gives two codes.
    vr : str
        ``UI`` gives ``2.25.`` and 128 bits in decimal, other VRs 16 letters and digits.

    Raises
    ------
    InputError
        If no code fits the VR (dates, numbers).
    """

    def drawn(value: Any) -> str:
        text = str(value).strip()
        if vr == "UI":
            return replace_uid(key, text)
        return str(fitting(keyed_code(key, field, text), vr))

    return each(values, drawn)


def offset(values: Any, by: float, *, vr: str = "DA") -> Any:
    """Return dates moved by whole days, or numbers moved by `by`.

    One secret offset for all dates of a patient keeps every interval between them.
    """
    if vr not in ("DA", "DT"):
        return each(values, lambda value: like(as_number(value) + by, value))

    def moved(value: Any) -> str:
        day, separator, rest = split_date(value)
        return join_date(day + timedelta(days=int(by)), separator, rest)

    return each(values, moved)


def alias(values: Any, key: bytes, *, field: str = "PatientName") -> Any:
    """Return names that can be spoken, such as ``Heron^Amber 4711``, drawn with the key.

    There are ten million; 24 bits are enough to tell the patients of a study apart, not
    those of a country: use `code` where two people must never meet.
    """
    first, last = _FIRST.split(), _LAST.split()

    def named(value: Any) -> str:
        number = int.from_bytes(keyed_digest(key, "alias", field, str(value).strip())[:8], "big")
        number, bird = divmod(number, len(last))
        number, adjective = divmod(number, len(first))
        return f"{last[bird]}^{first[adjective]} {number % 10_000:04d}"

    return each(values, named)


def plain_hash(values: Any, *, vr: str = "LO") -> Any:
    """Return SHA-256 without a key, cut to the VR. **Not a protection**: see `enumerate_hashes`.

    Here because it is in wide use, to be shown beside the attack that undoes it.
    """
    length = min(64, MAX_VALUE_LEN.get(vr, 64))

    def cut(value: object) -> Any:
        digest = hashlib.sha256(str(value).encode("utf-8", "surrogatepass")).hexdigest()
        return fitting(digest[:length].upper(), vr)

    return each(values, cut)


def enumerate_hashes(
    hashes: Iterable[str], candidates: Iterable[Any], hashed: Callable[[str], str] = plain_hash
) -> dict[str, str]:
    """Return what is behind the hashes, by hashing every candidate: the attack.

    Record numbers of six digits are a million candidates, the birth dates of a century
    36,525. Without the key of `code`, an attacker has no function `hashed` to try.
    """
    wanted = set(hashes)
    if not wanted:
        raise InputError("there are no hashes to look for")
    tried = ((hashed(str(candidate)), str(candidate)) for candidate in candidates)
    return {digest: candidate for digest, candidate in tried if digest in wanted}
