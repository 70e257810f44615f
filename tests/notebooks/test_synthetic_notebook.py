"""Notebook 10 without OpenDP, and on a table of the reader's own."""

import importlib.util
import sys

import pytest
from in_process import in_process

from medlab import runs, samples

pytestmark = pytest.mark.slow
(NOTEBOOK,) = runs.find_notebooks(["10"])


def test_without_the_extra_what_needs_it_is_left_out_and_the_rest_holds(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "opendp" else find(name)
    )
    monkeypatch.setitem(sys.modules, "opendp", None)
    names = in_process(NOTEBOOK, patients=200)
    assert list(names["releases"]) == ["independent", "copula", "tree"]
    assert names["price"].empty


def test_a_table_of_ones_own_is_attacked_with_half_of_its_people_as_control(tmp_path):
    table = samples.cohort(400, 2).released[["PatientID", "Age", "Sex", "Modality", "BodyPart"]]
    table.to_csv(tmp_path / "own.csv", index=False)
    names = in_process(
        NOTEBOOK,
        data_dir=str(tmp_path / "own.csv"),
        known="Age,Sex,Modality",
        sensitive="BodyPart",
    )
    assert names["written"] == ""
    assert abs(len(names["original"]) - len(names["control"])) <= 1
