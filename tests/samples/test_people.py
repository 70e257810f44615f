"""Fictitious people: names in three character sets, and nowhere but where they were planted."""

import pytest

pytestmark = pytest.mark.slow


def test_no_name_or_number_of_a_patient_stands_where_the_ledger_does_not_know(datasets, truth):
    listed: dict[str, set[str]] = {}
    for entry in truth["planted"]:
        key = entry["file"].rpartition("/")[0] if entry.get("series") else entry["file"]
        listed.setdefault(key, set()).add(entry["path"])
    for file, dataset in datasets.items():
        known = listed.get(file, set()) | listed.get(file.rpartition("/")[0], set())
        number = str(dataset.PatientID)
        top = {
            f"({e.tag.group:04X},{e.tag.element:04X})"
            for e in dataset
            if number in str(e.value) and e.VR != "SQ" and e.keyword != "PixelData"
        }
        assert top <= known


def test_names_come_in_three_character_sets(datasets):
    names = {str(ds.PatientName) for ds in datasets.values()}
    assert {"Müller-Østergård^Søren", "Čermáková^Zuzana"} <= names
    assert any(len(name.split("=")) == 3 and "小林" in name for name in names)
