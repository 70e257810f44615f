"""The tag explorer, without a browser."""

import asyncio

import pytest
from pydicom import Dataset

from medlab import widgets
from medlab.errors import InputError
from medlab.widgets import element_table as module


@pytest.fixture
def dataset():
    made = Dataset()
    made.PatientName, made.PatientID = "Okafor^Jane", "47118899"
    made.PatientAge, made.Allergies = "047Y", "Jane <Okafor>"
    made.Rows = 512
    return made


@pytest.fixture
def explorer(dataset):
    return widgets.tag_explorer([dataset, Dataset()])


def names(explorer):
    return [label[:11] for label, _ in explorer.controls["row"].options]


def test_it_starts_with_the_name_of_the_patient_masked(explorer):
    assert "(0010,0010) Patient&#x27;s Name" in explorer.view.value
    assert "••••" in explorer.view.value
    assert "Okafor" not in explorer.view.value + str(explorer.controls["row"].options)


@pytest.mark.parametrize(
    ("where", "find", "left"),
    [
        ("group", "0028", ["(0028,0010)"]),
        ("element", "1010", ["(0010,1010)"]),
        ("VR", "as", ["(0010,1010)"]),
        ("name", "PATIENTID", ["(0010,0020)"]),
        ("finding", "misused element", []),
        ("anywhere", "identity", ["(0010,2110)"]),
    ],
)
def test_typing_filters_by_one_column_or_by_all(explorer, where, find, left):
    explorer.controls["concern"].value = False
    explorer.controls["where"].value, explorer.controls["find"].value = where, find
    assert names(explorer) == left
    assert f"{len(left)} of 5 elements" in explorer.view.value


def test_the_element_chosen_stays_chosen_while_it_fits(explorer):
    chosen = {label[:11]: index for label, index in explorer.controls["row"].options}
    explorer.controls["row"].value = chosen["(0010,1010)"]
    explorer.controls["find"].value = "patient"
    assert "(0010,1010) Patient" in explorer.view.value
    assert "retain-patient-characteristics" in explorer.view.value
    assert "kept" in explorer.view.value


def test_nothing_that_fits_is_said_in_a_sentence(explorer):
    explorer.controls["find"].value = "nothing of the kind"
    assert "no element fits" in explorer.view.value


def test_values_are_shown_on_demand_and_escaped(explorer):
    explorer.controls["reveal"].value = True
    assert "Okafor^Jane" in explorer.view.value
    assert "Jane &lt;Okafor&gt;" in explorer.view.value
    assert "Okafor" not in explorer._repr_mimebundle_()["text/html"]


def test_values_are_masked_again_with_another_file(explorer):
    explorer.controls["reveal"].value = True
    explorer.controls["file"].value = 2
    explorer.controls["file"].value = 1
    assert not explorer.controls["reveal"].value
    assert "Okafor" not in explorer.view.value


def test_values_are_masked_again_after_a_while(explorer, monkeypatch):
    monkeypatch.setattr(module, "_REVEALED", 0.05)

    async def look():
        explorer.controls["reveal"].value = True
        await asyncio.sleep(0.3)

    asyncio.run(look())
    assert "Okafor" not in explorer.view.value + str(explorer.controls["row"].options)


def test_no_file_at_all_is_refused():
    with pytest.raises(InputError, match="no file to explore"):
        widgets.tag_explorer([])
