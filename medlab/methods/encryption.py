"""Encryption: names and IDs leave their elements and stand, unreadable, in a private block.

A Fernet token is longer than a name or an ID may be, so it never goes where the value was:
that element is emptied, and the token stands in an element of a declared private block.
The standard's own place for it is the Encrypted Attributes Sequence (PS3.15 E.2).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from medlab.crypto import cipher
from medlab.dicom.own_rules import ENCRYPTED
from medlab.errors import MissingError, RefusedError
from medlab.methods.values import each

CREATOR = ENCRYPTED
GROUP = 0x0011
_TOKEN, _IDENTITY = 0x01, ("PatientName", "PatientID")


def encrypt(values: Any, key: bytes) -> Any:
    """Return values, one or a Series, as Fernet tokens: for tables, not for elements.

    Equal values of a column get the same token, so that a column can still be joined.
    """
    return each(values, lambda value: cipher.encrypt(str(value), key))


def decrypt(values: Any, key: bytes) -> Any:
    """Return the values of Fernet tokens; RefusedError with the wrong key."""
    return each(values, lambda value: cipher.decrypt(str(value), key))


def encrypt_elements(dataset: Dataset, key: bytes, keywords: Sequence[str] = _IDENTITY) -> Dataset:
    """Return a copy whose elements `keywords` are empty and stand encrypted in a private block.

    Parameters
    ----------
    dataset : Dataset
    key : bytes
        32 bytes.
    keywords : sequence of str
        Elements of the top level; name and ID of the patient by default.

    Raises
    ------
    MissingError
        For a keyword that DICOM does not have.
    RefusedError
        If elements of the dataset are encrypted already: a second token would hold what the
        first left, empty values.

    Notes
    -----
    Only these elements are hidden. All others, and other copies of the same name elsewhere
    in the file, stay: this is a method, not a de-identification.
    """
    check_keywords(keywords)
    out = copy.deepcopy(dataset)
    hidden = Dataset()
    for keyword in keywords:
        if keyword in out:
            hidden[keyword] = copy.deepcopy(out[keyword])
            out[keyword].value = ""
    token = cipher.encrypt(json.dumps(hidden.to_json_dict()), key)
    leave(out, CREATOR, "UT", token)
    return out


def leave(dataset: Dataset, creator: str, vr: str, value: Any) -> None:
    """Leave one private element of ours in a dataset.

    Raises
    ------
    RefusedError
        If there is one already: what was done once must be undone before it is done again.
    """
    if _place_of(dataset, creator) is not None:
        deed = creator.removeprefix("MEDLAB ").lower()
        raise RefusedError(f"this dataset holds something {deed} already; put it back first")
    # Not by `private_block`: that of a copied dataset may be the original's.
    block = next(number for number in range(0x10, 0x100) if (GROUP, number) not in dataset)
    dataset.add_new((GROUP, block), "LO", creator)
    dataset.add_new((GROUP, block << 8 | _TOKEN), vr, value)


def take(dataset: Dataset, creator: str) -> Any:
    """Take out what `leave` left, and return its value; None where it left nothing."""
    block = _place_of(dataset, creator)
    if block is None:
        return None
    value = dataset[GROUP, block << 8 | _TOKEN].value
    del dataset[GROUP, block << 8 | _TOKEN], dataset[GROUP, block]
    return value


def check_keywords(keywords: Sequence[str]) -> None:
    """Refuse what is no keyword of DICOM.

    Raises
    ------
    MissingError
    """
    unknown = [keyword for keyword in keywords if tag_for_keyword(keyword) is None]
    if unknown:
        raise MissingError(
            f"no DICOM keyword {', '.join(unknown)}; see medlab.dicom.search_dictionary"
        )


def decrypt_elements(dataset: Dataset, key: bytes) -> Dataset:
    """Return a copy with the elements as they were before `encrypt_elements`.

    Raises
    ------
    MissingError
        If there is nothing encrypted in the dataset.
    RefusedError
        If the key is another one, or the token was altered.
    """
    out = copy.deepcopy(dataset)
    token = take(out, CREATOR)
    if token is None:
        raise MissingError("this dataset holds no elements encrypted by medlab")
    out.update(Dataset.from_json(cipher.decrypt(token, key)))
    return out


def _place_of(dataset: Dataset, creator: str) -> int | None:
    """Return the number of the private block of a creator of ours, or None."""
    for number in range(0x10, 0x100):
        element = dataset.get((GROUP, number))
        if element is not None and element.value == creator:
            return number if (GROUP, number << 8 | _TOKEN) in dataset else None
    return None
