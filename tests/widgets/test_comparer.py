"""The method comparer, without a browser."""

import re

import pytest
from pydicom import Dataset

from medlab import samples, widgets
from medlab.errors import InputError
from medlab.widgets.comparer import _NOTES


@pytest.fixture(scope="module")
def people():
    visits = samples.cohort(seed=1).released.drop_duplicates("PatientID")
    return visits.head(150).reset_index(drop=True).astype({"Age": int, "Weight": float})


@pytest.fixture(scope="module")
def header():
    made = Dataset()
    made.PatientName, made.PatientID, made.PatientBirthDate = "Okafor^Jane", "4711889", "19500612"
    made.PatientAge, made.PatientSex, made.PatientWeight = "074Y", "F", "71.5"
    made.StudyDate, made.StudyInstanceUID = "20240301", "1.2.3"
    return made


@pytest.fixture(scope="module")
def comparer(header, people):
    return widgets.method_comparer(header, people, key=b"k" * 32, seed=1)


def shares(comparer):
    """What the attacker finds, in percent: nothing done, the method."""
    before, after = re.findall(r"([\d.]+)% \(", comparer.view.value)
    return float(before), float(after)


@pytest.mark.parametrize("method", _NOTES)
def test_no_method_shows_a_value_of_the_header(comparer, method):
    comparer.controls["method"].value = method
    assert "Not drawn" not in comparer.status.value
    shown = re.sub(r"<[^>]*>", " ", comparer.view.value)
    assert not [value for value in ("Okafor", "4711889", "19500612", "71.5") if value in shown]


@pytest.mark.parametrize("method", ["pseudonymization", "encryption", "policy research"])
def test_hiding_the_name_changes_nothing_for_who_knows_the_facts(comparer, method):
    comparer.controls["method"].value = method
    before, after = shares(comparer)
    assert before == after > 80


@pytest.mark.parametrize("method", ["suppression", "randomization", "bucketization", "slicing"])
def test_what_touches_the_facts_stops_the_attacker(comparer, method):
    comparer.controls["method"].value = method
    before, after = shares(comparer)
    assert after < before - 20


def test_a_wider_class_leaves_less_to_the_attacker(comparer):
    comparer.controls["method"].value = "bucketization"
    comparer.controls["width"].value = 5
    narrow = shares(comparer)[1]
    comparer.controls["width"].value = 20
    assert shares(comparer)[1] < narrow


def test_only_the_control_of_the_method_can_be_moved(comparer):
    comparer.controls["method"].value = "slicing"
    free = {name for name, control in comparer.controls.items() if not control.disabled}
    assert free == {"method", "k"}


def test_a_table_without_a_fact_is_refused(header, people):
    with pytest.raises(InputError, match="no column Weight"):
        widgets.method_comparer(header, people.drop(columns="Weight"), key=b"k" * 32)
