"""The report for a review board says what was measured, and no more."""

import pandas as pd
from evaluation_cases import FIVE_FACTS

from medlab import evaluation, viz
from medlab.evaluation.risk_utility import limits_kept
from medlab.viz import tradeoff as maps


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
