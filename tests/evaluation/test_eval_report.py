"""The report for a review board, the map, and the command line."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from medlab import evaluation, samples, viz
from medlab.cli import commands
from medlab.evaluation.risk_utility import limits_kept, point_name
from medlab.viz import tradeoff as maps

QUASI = ["Age", "Sex", "Weight", "Postcode", "StudyDate"]
POINTS = [("identity", 0), ("pseudonymization", 0), ("Anatomy l", 9), ("slicing k", 5)]
POINTS += [("Mondrian k", 5), ("Mondrian k", 20), ("suppression", 5)]


@pytest.fixture(scope="module")
def tables():
    return evaluation.one_each(samples.cohort(150))


@pytest.fixture(scope="module")
def rows(tables):
    return evaluation.grid({1: tables}, POINTS, QUASI, "Diagnosis", jobs=1, progress=False)


def text(rows, threshold, **more):
    # Of 150 rows and one seed the intervals are wide.
    limits = {**evaluation.LIMITS, "linkage": threshold, "inference leak": 0.25}
    page = evaluation.review(rows, QUASI, "Diagnosis", limits, **more)
    return " ".join(page.split())


def test_the_report_names_what_keeps_the_threshold_and_what_it_costs(rows):
    page = text(rows, 0.1)
    assert "1 of 5 protections keep every limit" in page
    assert "The one that costs least is <b>suppression 5</b>" in page
    assert "EMA policy 0070" in page
    assert "Of the detail in the cells," in page
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


def test_points_are_named_as_they_are_spoken_of():
    assert point_name("Mondrian l", 2) == "Mondrian l = 2"
    assert point_name("suppression", 2) == "suppression 2"
    assert point_name("identity", 0) == "identity"


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


def test_the_command_line_attacks_a_csv_file(tables, tmp_path):
    paths = {}
    for name, table in tables._asdict().items():
        paths[name] = tmp_path / f"{name}.csv"
        table.to_csv(paths[name], index=False)
    out, qi = tmp_path / "out.csv", ",".join(QUASI)
    runner = CliRunner()
    made = ["anonymize", str(paths["released"]), str(out), "--qi", qi, "--k", "5"]
    assert runner.invoke(commands, [*made, "--sensitive", "Diagnosis"]).exit_code == 0
    asked = ["evaluate", str(paths["released"]), str(out), "--qi", qi, "--sensitive", "Diagnosis"]
    asked += ["--control", str(paths["control"]), "--register", str(paths["register"])]
    result = runner.invoke(commands, asked)
    assert result.exit_code == 0, result.output
    found = {row["measure"]: row for row in json.loads(result.stdout)["rows"]}
    assert found["k"]["value"] >= 5
    assert found["linkage"]["value"] == pytest.approx(found["prosecutor mean"]["value"])
    assert found["journalist mean"]["value"] <= found["prosecutor mean"]["value"]
    assert found["linkage"]["low"] < found["linkage"]["value"] < found["linkage"]["high"]


def test_a_table_that_does_not_exist_is_bad_usage(tmp_path):
    asked = ["evaluate", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--qi", "Age"]
    assert CliRunner().invoke(commands, asked).exit_code == 2


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
