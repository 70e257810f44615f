"""Private elements: whose block they stand in, and which are known to be harmless."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType

from pydicom.dataset import Dataset

from medlab.dicom.element_texts import sequence_at
from medlab.dicom.profile import Plan, read_table

_SAFE_STATUS = "SAFE"


@cache
def safe_elements() -> Mapping[str, frozenset[int]]:
    """Return creator -> safe elements as group and low byte, ``0x001900_0C`` for (0019,xx0C).

    PS3.15 Table E.3.10-1: 479 entries. "Thought to be safe", says the standard: their text
    is searched like any other.
    """
    found: dict[str, set[int]] = {}
    for row in read_table("safe-private-elements.csv"):
        group = int(row["group"], 16) << 16
        numbers = found.setdefault(row["creator"].casefold(), set())
        for part in row["elements"].split():
            first, _, last = part.partition("-")
            numbers.update(group | n for n in range(int(first, 16), int(last or first, 16) + 1))
    return MappingProxyType({creator: frozenset(tags) for creator, tags in found.items()})


def is_creator(tag: int) -> bool:
    """Tell whether a tag is that of a private creator: (odd group,0010-00FF)."""
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


def creator_tag(tag: int) -> int:
    """Return the tag of the creator that reserves a private element's block.

    Examples
    --------
    >>> hex(creator_tag(0x0019100C))
    '0x190010'
    """
    return (tag & 0xFFFF0000) | (tag & 0xFFFF) >> 8


def creators(dataset: Dataset) -> dict[int, str]:
    """Return creator tag -> creator of one level of a data set."""
    found = {}
    for tag in dataset.keys():  # noqa: SIM118 - iterating a Dataset decodes its elements
        if is_creator(int(tag)):
            value = dataset.get_item(tag).value
            text = (
                value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")
            )
            found[int(tag)] = text.strip(" \0")
    return found


def declared_safe(dataset: Dataset) -> frozenset[tuple[str, int]]:
    """Return what a file itself declares safe in (0008,0300): (creator, group and low byte).

    A whole block that is declared safe stands as (creator, group and -1 as low byte).
    """
    found: set[tuple[str, int]] = set()
    for item in sequence_at(dataset, "PrivateDataElementCharacteristicsSequence"):
        group = int(item.get("PrivateGroupReference") or 0) << 16
        creator = str(item.get("PrivateCreatorReference") or "").strip().casefold()
        if item.get("BlockIdentifyingInformationStatus") == _SAFE_STATUS:
            found.add((creator, group | 0xFFFF))
        numbers = item.get("NonidentifyingPrivateElements") or ()
        listed: Iterable[int] = [numbers] if isinstance(numbers, int) else numbers
        found.update((creator, group | int(number) & 0xFF) for number in listed)
    return frozenset(found)


def is_kept(
    plan: Plan, creator: str, tag: int, declared: frozenset[tuple[str, int]] = frozenset()
) -> str:
    """Return why a private element is kept: an option's name, ``"keep-private"``, or "".

    Parameters
    ----------
    plan : Plan
        The options in force.
    creator : str
        The creator that reserves the element's block; empty where none does.
    tag : int
        The element's tag, block number and all.
    declared : frozenset
        What the file declares safe, from `declared_safe`.
    """
    if not creator:
        return ""
    if creator.casefold() in {name.casefold() for name in plan.keep_private}:
        return "keep-private"
    if not plan.has("retain-safe-private"):
        return ""
    place = (tag & 0xFFFF0000) | tag & 0xFF
    name = creator.casefold()
    safe = place in safe_elements().get(name, frozenset())
    safe = safe or (name, place) in declared or (name, place | 0xFFFF) in declared
    return "retain-safe-private" if safe else ""
