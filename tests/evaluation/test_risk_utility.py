"""The map of risk and loss: corners, front, bars, words; the report says what was measured."""

import math

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import FIVE_FACTS, QUASI, SENSITIVE
from hypothesis import given
from hypothesis import strategies as st

from medlab import evaluation, viz
from medlab.evaluation import pareto
from medlab.evaluation.risk_utility import _half_interval, limits_kept, point_name
from medlab.viz import tradeoff as maps


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=15))
def test_the_pareto_front_is_what_no_point_beats(points):
    risk, loss = np.array(points, dtype=float).T
    beaten = [
        any((a <= r and b <= x and (a < r or b < x)) for a, b in zip(risk, loss, strict=True))
        for r, x in zip(risk, loss, strict=True)
    ]
    assert pareto(risk, loss).tolist() == [not one for one in beaten]


def test_points_are_named_as_they_are_spoken_of():
    assert point_name("Mondrian l", 2) == "Mondrian l = 2"
    assert point_name("suppression", 2) == "suppression 2"
    assert point_name("identity", 0) == "identity"


def test_intervals_of_shares_stay_between_0_and_1():
    rows = pd.DataFrame(
        {"method": "m", "strength": 1.0, "seed": [1, 2], "measure": "linkage"}
        | {"value": [0.0, 0.9], "low": 0.0, "high": 1.0, "baseline": 0.0, "control": np.nan}
    )
    (found,) = evaluation.summarize(rows).itertuples()
    assert (found.low, found.high) == (0.0, 1.0)


def test_an_error_may_be_above_1_though_no_run_was():
    rows = pd.DataFrame(
        {"method": "m", "strength": 1.0, "seed": [1, 2], "measure": "coefficient bias"}
        | {"value": [0.5, 1.0], "low": np.nan, "high": np.nan, "baseline": 0.0, "control": np.nan}
    )
    (found,) = evaluation.summarize(rows).itertuples()
    assert found.low == 0.0
    assert found.high > 1.0


def test_identity_and_full_suppression_are_the_corners_of_the_map(small):
    points = [("identity", 0), ("suppression", len(QUASI)), ("Mondrian k", 5)]
    rows = evaluation.grid({1: small}, points, QUASI, SENSITIVE, jobs=1, progress=False)
    found = evaluation.risk_and_loss(rows).set_index("method")
    assert found.loc["identity", ["risk", "loss"]].tolist() == [1.0, 0.0]
    assert found.loc["suppression", ["risk", "loss"]].tolist() == [pytest.approx(1 / 300), 1.0]
    points, measured = found.reset_index(), evaluation.summarize(rows)
    assert evaluation.acceptable(points, measured, {"linkage": 0.25})["method"].tolist() == [
        "Mondrian k",
        "suppression",
    ]


def test_bars_are_those_of_student(small):
    rows = pd.DataFrame(
        {"method": "m", "strength": 1.0, "seed": [1, 2, 3], "measure": "linkage"}
        | {"value": [0.1, 0.2, 0.3], "low": np.nan, "high": np.nan}
        | {"baseline": 0.0, "control": np.nan}
    )
    (found,) = evaluation.summarize(rows).itertuples()
    assert found.value == pytest.approx(0.2)
    assert found.high - found.value == pytest.approx(4.302653 * 0.1 / np.sqrt(3), rel=1e-5)


def test_the_interval_of_repeated_runs_uses_student_t_and_one_run_has_no_width():
    found = _half_interval(np.array([1.0, np.nan]), np.array([3, 1]))
    assert found == pytest.approx([4.302653 / math.sqrt(3), 0.0], rel=1e-6)


def text(rows, threshold, **more):
    # Of 150 rows and one seed the intervals are wide.
    limits = {**evaluation.LIMITS, "linkage": threshold, "inference leak": 0.25}
    page = evaluation.review(rows, FIVE_FACTS, "Diagnosis", limits, **more)
    return " ".join(page.split())


def test_the_report_names_what_keeps_the_threshold_and_what_it_costs(rows):
    page = text(rows, 0.1)
    assert "1 of 5 protections keep every limit" in page
    assert "The one that costs least is <b>suppression 5</b>" in page
    assert "EMA policy 0070" in page
    assert "Information loss (Global Certainty Penalty):" in page
    assert "A model trained on the untouched table ranks" in page


def test_the_report_says_when_nothing_is_safe_enough(rows):
    page = text(rows[rows["method"] == "identity"], 0.1)
    assert "None of the 1 protections keeps every limit" in page


def test_a_release_is_judged_by_all_of_its_attacks(rows):
    measured = evaluation.summarize(rows)
    points = evaluation.risk_and_loss(rows, loss="query error")
    alone = evaluation.acceptable(points, measured, {"linkage": 0.25})
    assert "slicing k" in set(alone["method"])
    high = measured.set_index(["method", "measure"])["high"]
    assert high["slicing k", "inference leak"] > 0.09
    assert "slicing k" not in set(evaluation.acceptable(points, measured)["method"])
    page = text(rows, 0.25, loss="query error")
    (line,) = [row for row in page.split("<tr>") if row.startswith("<td>slicing k = 5")]
    assert "inference leak" in line


def test_an_attack_that_nobody_measured_is_said_to_be_open(rows):
    page = text(rows[rows["measure"] != "membership AUC"], 0.1)
    assert "nothing is said of it: membership AUC" in page
    some = rows["measure"].eq("membership AUC") & rows["method"].eq("suppression")
    measured = evaluation.summarize(rows[~some])
    assert not limits_kept(measured).loc[("suppression", 5.0), "membership AUC"]


def test_the_report_speaks_of_both_laws_and_of_what_was_not_tested(rows):
    page = text(rows, 0.1)
    words = ("Safe Harbor", "Expert Determination", "Limited Data Set", "Article 4(5)")
    for word in (*words, "Recital 26", "singling out", "linkability", "inference"):
        assert word in page
    assert "What was not tested" in page
    assert "Anatomy l = 9 made no release" in page
    assert "makes no sense for a release of the kind sliced" in page
    assert "pseudonymization of direct identifiers left the linkage risk exactly" in page


def test_the_report_repeats_no_value_of_a_patient(rows, tables):
    page = text(rows, 0.1)
    for name in ("PatientID", "PatientName", "Postcode"):
        assert not any(str(value) in page for value in tables.released[name])


def test_figures_and_further_tables_stand_in_the_report(rows):
    points = evaluation.risk_and_loss(rows)
    shown = viz.show(maps.tradeoff_map(points, 0.1), alt=maps.describe(points, 0.1), caption="<M>")
    faces = pd.DataFrame({"rank1": [0.83]}, index=["before"])
    page = text(rows, 0.1, figures=[shown], further=[("Faces", faces)])
    assert "data:image/png;base64," in page
    assert "&lt;M&gt;" in page
    assert "<h2>Faces</h2>" in page
    assert "0.83" in page
