"""The ledger of planted identifiers: what the sample files give away, and what should stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

Entry = dict[str, Any]
_Facts = list[tuple[str, str]]

IMPLEMENTATION_UID = "2.25.170442917085320719846217340172945510423"

# Elements whose purpose is to hold such a thing; found elsewhere, it is free text.
_HOMES = frozenset({
    "PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames",
    "AccessionNumber", "PatientAddress", "PatientTelephoneNumbers", "PatientMotherBirthName",
    "ReferringPhysicianName", "OperatorsName", "InstitutionName", "InstitutionAddress",
    "StationName", "DeviceSerialNumber", "PerformingPhysicianName",
})  # fmt: skip
# Elements made for something else altogether, in which staff type what they should not.
_WRONG_USE = frozenset({"Allergies", "Occupation", "MedicalAlerts", "EthnicGroup", "FilterType"})


def planted(dataset: Dataset, facts: _Facts, file: str) -> list[Entry]:
    """Return an entry for every fact in a data set, its file meta, or its file name."""
    entries = [
        _entry(file, "filename", kind, form, "")
        for kind, fact in facts
        if (form := stands_in(fact, file))
    ]
    for element, path, nested in _walk(dataset):
        for kind, text in _found(element, facts):
            entries.append(_entry(file, _channel(element, path, nested), kind, text, path))
    for element in dataset.file_meta:
        for kind, text in _found(element, facts):
            entries.append(_entry(file, "meta", kind, text, _path(element)))
    return entries


def _entry(file: str, channel: str, kind: str, value: str, path: str) -> Entry:
    return {"file": file, "channel": channel, "kind": kind, "value": value, "path": path}


def _path(element: DataElement) -> str:
    return f"({element.tag.group:04X},{element.tag.element:04X})"


def _walk(dataset: Dataset, place: str = "") -> Iterator[tuple[DataElement, str, bool]]:
    """Yield every element that is no sequence, its path, and whether it is inside one."""
    for element in dataset:
        path = place + _path(element)
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from _walk(item, f"{path}[{number}].")
        elif element.keyword != "PixelData":
            yield element, path, bool(place)


def _channel(element: DataElement, path: str, nested: bool) -> str:
    """Return the way by which an identifier leaks from this element."""
    if any(int(group, 16) % 2 for group in re.findall(r"\(([0-9A-F]{4}),", path)):
        return "private"
    if element.VR == "UI":
        return "uid"
    if element.VR in {"DA", "DT"} and element.keyword != "PatientBirthDate":
        return "date"
    if nested:
        return "nested"
    if element.keyword in _HOMES:
        return "public"
    return "wrong-use" if element.keyword in _WRONG_USE else "freetext"


def _found(element: DataElement, facts: _Facts) -> list[tuple[str, str]]:
    """Return the facts that stand in an element; a UID of an instance is one by itself."""
    value = element.value
    values = value if isinstance(value, (list, tuple)) else [value]
    text = value.decode("latin-1") if isinstance(value, bytes) else "\\".join(map(str, values))
    found = [(kind, as_it_is) for kind, fact in facts if (as_it_is := stands_in(fact, text))]
    if element.VR == "UI":
        uids = [str(uid) for uid in values if uid]
        # of the standard, or of this maker's software: of no instance
        public = {uid for uid in uids if uid.startswith("1.2.840.10008.")} | {IMPLEMENTATION_UID}
        found += [("uid", uid) for uid in uids if uid not in public]
    return found


def stands_in(fact: str, text: str) -> str:
    """Return a fact as it stands in a text, whatever the case; empty if it does not.

    A word must stand alone: the letters before and after it must not go on.
    """
    edge = ("(?<![a-z])", "(?![a-z])") if fact.isascii() and fact.isalpha() else ("", "")
    match = re.search(edge[0] + re.escape(fact) + edge[1], text, re.IGNORECASE)
    return match[0] if match else ""


def once(entries: list[Entry], series: dict[tuple[str, ...], Entry]) -> list[Entry]:
    """Return the entries that no earlier file of the folder has; mark those that repeat.

    Without this the ledger of a series would be larger than its images. `series` remembers.
    """
    new = []
    for entry in entries:
        folder = entry["file"].rpartition("/")[0]
        key = (
            folder,
            *(str(entry.get(name)) for name in ("channel", "kind", "value", "path", "box")),
        )
        if key in series and series[key]["file"] != entry["file"]:
            series[key]["series"] = True
        else:
            new.append(series.setdefault(key, entry))
    return new
