"""The risk-utility map as a figure, and its text alternative."""

import pytest

from medlab import evaluation, samples
from medlab.viz import tradeoff as maps

FIVE_FACTS = ["Age", "Sex", "Weight", "Postcode", "StudyDate"]


POINTS = [("identity", 0), ("pseudonymization", 0), ("Anatomy l", 9), ("slicing k", 5)]


POINTS += [("Mondrian k", 5), ("Mondrian k", 20), ("suppression", 5)]


@pytest.fixture(scope="module")
def tables():
    return evaluation.one_each(samples.cohort(150))


@pytest.fixture(scope="module")
def rows(tables):
    return evaluation.grid({1: tables}, POINTS, FIVE_FACTS, "Diagnosis", jobs=1, progress=False)


def test_the_text_alternative_tells_the_cheapest_safe_point(rows):
    points = evaluation.risk_and_loss(rows)
    assert "costs least is Mondrian k = 20" in maps.describe(points, 0.1)
    assert "None stays below the limit" in maps.describe(points, 0.0)


def test_the_map_shows_every_method_the_front_and_the_line(rows):
    points = evaluation.risk_and_loss(rows)
    fig = maps.tradeoff_map(points, 0.1, risk="linkage", loss="GCP")
    (legend,) = fig.legends
    words = {entry.get_text() for entry in legend.get_texts()}
    assert {*points["method"], "Pareto front", "acceptable risk 0.1"} == words


def test_one_panel_an_attack(rows):
    views = {
        name: evaluation.risk_and_loss(rows, name, "query error")
        for name in ("linkage", "inference leak", "membership AUC")
    }
    fig = maps.attack_maps(views, {"membership AUC": 0.5}, loss="query error")
    titles = [ax.get_title() for ax in fig.axes if ax.axison]
    assert titles == list(views)
