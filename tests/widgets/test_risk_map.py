"""The risk-utility map to be explored, without a browser."""

import pandas as pd
import pytest

from medlab import widgets
from medlab.errors import MissingError


@pytest.fixture(scope="module")
def rows():
    """Three releases, two seeds each; noise has no GCP."""
    made = []
    figures = {
        ("identity", 0.0): (1.0, 0.0, 0.0),
        ("Mondrian k", 5.0): (0.2, 0.3, 0.25),
        ("randomization", 0.1): (0.05, 0.6, "n/a"),
    }
    for (method, strength), (linkage, error, gcp) in figures.items():
        for seed in (1, 2):
            for measure, value in (("linkage", linkage), ("query error", error), ("GCP", gcp)):
                made.append((method, strength, seed, "risk", measure, value))
    table = pd.DataFrame(made, columns=["method", "strength", "seed", "group", "measure", "value"])
    return table.assign(low=float("nan"), high=float("nan"), baseline=0.0, control=0.0, note="")


@pytest.fixture
def explorer(rows):
    return widgets.tradeoff_explorer(rows, {"linkage": 0.3})


def test_it_starts_at_the_cheapest_release_that_keeps_the_risk(explorer):
    assert explorer.controls["release"].value == "Mondrian k = 5"
    assert "Keeps the acceptable linkage of 0.3" in explorer.view.value
    assert "Of 100 people, 20 (20 to 20) are linked to the right row." in explorer.view.value


def test_a_smaller_acceptable_risk_is_not_kept_and_another_release_is_named(explorer):
    explorer.controls["threshold"].value = 0.1
    assert "Does not keep the acceptable linkage of 0.1" in explorer.view.value
    assert "Of those that keep all limits randomization 0.1 costs least" in explorer.view.value


def test_every_release_can_be_chosen_and_every_mark_says_its_numbers(explorer):
    for name in explorer.controls["release"].options:
        explorer.controls["release"].value = name
        assert f"<h5>{name}</h5>" in explorer.view.value
    assert "randomization 0.1: risk 0.05 (0.05 to 0.05), loss 0.60" in explorer.view.value
    assert explorer.view.value.count("class='medlab-spot'") == 3


def test_a_release_without_the_measure_is_said_to_be_missing(explorer):
    explorer.controls["loss"].value = "GCP"
    explorer.controls["release"].value = "randomization 0.1"
    assert "Not on this map" in explorer.view.value
    assert explorer.view.value.count("class='medlab-spot'") == 2


def test_only_measures_that_were_taken_are_offered(explorer, rows):
    assert explorer.controls["risk"].options == ("linkage",)
    assert explorer.controls["loss"].options == ("query error", "GCP")
    with pytest.raises(MissingError, match="run the grid for both"):
        widgets.tradeoff_explorer(rows, risk="singling out")
