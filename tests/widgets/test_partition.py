"""The partition explorer, without a browser."""

import re
import time

import numpy as np
import pandas as pd
import pytest

from medlab import tabular, widgets
from medlab.errors import InputError, KindError


@pytest.fixture(scope="module")
def ward():
    rng = np.random.default_rng(0)
    rows = 240
    return pd.DataFrame(
        {
            "Age": rng.integers(18, 90, rows),
            "Weight": rng.normal(75, 14, rows).round(1),
            "Height": rng.integers(150, 195, rows),
            "Sex": rng.choice(["F", "M"], rows),
            "Diagnosis": rng.choice(["flu", "angina", "gout", "asthma"], rows),
        }
    )


@pytest.fixture
def explorer(ward):
    return widgets.partition_explorer(ward, ["Age", "Weight", "Height"], "Diagnosis", k=5)


def classes(explorer) -> int:
    return int(re.search(r"(\d+) class", explorer.view.value)[1])


def test_a_larger_k_leaves_fewer_classes_and_none_smaller(explorer):
    before = classes(explorer)
    explorer.controls["k"].value = 12
    assert classes(explorer) < before
    assert int(re.search(r"smallest has (\d+) patients", explorer.view.value)[1]) >= 12


def test_the_loss_said_is_the_loss_measured(explorer, ward):
    release = tabular.mondrian(ward, ["Age", "Weight"], "Diagnosis", k=5)
    loss = tabular.gcp(release.table, ["Age", "Weight"], ward)
    assert f"Information loss (GCP): {100 * loss:.1f} %" in explorer.view.value


def test_cuts_go_from_none_to_all_one_by_one_at_first(explorer, ward):
    seen = []
    for step in (0, 1, 2, 3, 40):
        explorer.controls["step"].value = step
        seen.append(classes(explorer))
    release = tabular.mondrian(ward, ["Age", "Weight"], "Diagnosis", k=5)
    assert seen == [1, 2, 3, 4, len(release.classes)]


def test_what_l_and_t_would_forbid_is_only_marked_when_they_are_off(explorer):
    explorer.controls["l"].value = 4
    assert "No classes violate a criterion" in explorer.view.value
    forbidden = classes(explorer)
    explorer.controls["limit"].value = False
    assert classes(explorer) > forbidden
    assert "No classes violate a criterion" not in explorer.view.value
    assert "<td>violated</td>" in explorer.view.value


def test_cuts_are_counted_alike_by_the_control_and_by_the_picture(explorer):
    explorer.controls["step"].value = 7
    cuts = classes(explorer) - 1
    assert f"step 7 of 40: {cuts} of " in explorer.view.value


def test_other_axes_and_back_are_the_picture_of_before(ward):
    explorer = widgets.partition_explorer(
        ward, ["Age", "Weight", "Height"], "Diagnosis", reveal=True
    )
    before = explorer.view.value
    explorer.controls["x"].value = "Height"
    assert "over Height and Weight" in explorer.view.value
    assert explorer.view.value != before
    explorer.controls["x"].value = "Age"
    assert explorer.view.value == before


def test_axes_chosen_for_the_first_time_are_drawn_within_300_ms(ward):
    many = ward.sample(2_000, replace=True, random_state=0, ignore_index=True)
    explorer = widgets.partition_explorer(many, ["Age", "Weight", "Height"], "Diagnosis")
    start = time.process_time()  # of this process: other programs do not count
    explorer.controls["x"].value = "Height"
    assert "over Height and Weight" in explorer.view.value
    assert time.process_time() - start < 0.3


def test_one_column_on_both_axes_is_refused_in_a_sentence(explorer):
    explorer.controls["y"].value = "Age"
    assert "choose two different columns" in explorer.status.value
    assert "over Age and Weight" in explorer.view.value


def test_diagnoses_are_shown_only_when_revealed(ward):
    shown = {
        reveal: widgets.partition_explorer(ward, ["Age", "Weight"], "Diagnosis", reveal=reveal)
        for reveal in (False, True)
    }
    assert "gout" not in shown[False].view.value
    # Points and their legend are pixels: the picture is another one.
    assert shown[False].view.value != shown[True].view.value


def test_axes_are_two_columns_of_numbers(ward):
    with pytest.raises(KindError, match="Sex: not a column of numbers"):
        widgets.partition_explorer(ward, ["Age", "Sex"], "Diagnosis")
    with pytest.raises(InputError, match="at least two"):
        widgets.partition_explorer(ward, ["Age"], "Diagnosis")


def test_a_table_smaller_than_k_leaves_the_refusal_as_picture(ward):
    explorer = widgets.partition_explorer(ward.head(3), ["Age", "Weight"], "Diagnosis", k=5)
    assert "Not drawn" in explorer._first
