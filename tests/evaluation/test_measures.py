"""One release measured: figures worked by hand, and laws that hold for any release."""

import math

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import BOXES, FACTS, QUASI, SENSITIVE, WARD, measured, point_rows, values

from medlab import evaluation, tabular
from medlab.errors import InputError, MissingError
from medlab.evaluation import Point


@pytest.mark.parametrize("method", ["pseudonymization", "encryption"])
def test_hiding_names_and_numbers_changes_no_figure_at_all(small, method):
    before, after = measured(small, "identity"), measured(small, method)
    pd.testing.assert_series_equal(before, after)
    assert before["linkage"] == 1.0


def test_a_growing_k_lowers_risk_and_raises_loss_strictly(by_k):
    table = pd.DataFrame(by_k).T
    for name in ("prosecutor mean", "linkage"):
        assert (np.diff(table[name].astype(float)) < 0).all()
    assert (np.diff(table["GCP"].astype(float)) > 0).all()
    assert (np.diff(table["membership AUC"].astype(float)) < 0.005).all()
    assert table["query error"].iloc[-1] > table["query error"].iloc[0]


def test_journalist_is_never_above_prosecutor(by_k, small):
    others = [measured(small, "bucketization", 5), measured(small, "suppression", 2)]
    for found in [*by_k.values(), *others]:
        assert found["journalist max"] <= found["prosecutor max"]
        assert found["journalist mean"] <= found["prosecutor mean"] + 1e-12
        assert found["marketer"] <= found["journalist mean"] + 1e-12


def test_a_larger_register_never_raises_the_journalists_risk(small):
    register = small.register
    release = tabular.mondrian(small.released, QUASI, k=3)
    found = [
        evaluation.evaluate(small.released, release, QUASI, register=some).set_index("measure")
        for some in (register.iloc[::2], register)
    ]
    for name in ("journalist max", "journalist mean", "marketer"):
        assert found[1].loc[name, "value"] <= found[0].loc[name, "value"]


def test_one_more_known_fact_never_lowers_the_number_of_classes(small):
    table = small.released
    counts = [len(set(tabular.class_numbers(table, QUASI[:n]))) for n in range(1, len(QUASI) + 1)]
    assert counts == sorted(counts)
    risks = [measured(small, "identity", quasi=QUASI[:n])["prosecutor mean"] for n in (1, 2, 4)]
    assert risks == sorted(risks)


def test_l_and_t_hold_in_the_output_and_cost_detail(small):
    plain = measured(small, "Mondrian k", 5)
    for method, strength in (("Mondrian l", 3), ("Mondrian t", 0.3)):
        assert measured(small, method, strength)["GCP"] >= plain["GCP"] - 1e-12
    release = tabular.mondrian(small.released, QUASI, SENSITIVE, k=5, l=3)
    assert tabular.l_diversity(release.table, QUASI, SENSITIVE) >= 3


def test_more_noise_hides_more_and_costs_more(small):
    little, much = measured(small, "randomization", 0.05), measured(small, "randomization", 0.3)
    assert little["k"] == much["k"] == "n/a"
    assert much["linkage"] < little["linkage"] < 1
    assert much["query error"] > little["query error"]


def test_seeds_reproduce_to_the_last_digit(small):
    for point in (("randomization", 0.1), ("slicing k", 5), ("Mondrian k", 5)):
        first, second = (point_rows(small, point, 7) for _ in range(2))
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    other = point_rows(small, Point("randomization", 0.1), 8)
    assert not first["value"].equals(other["value"])


def test_three_boxes_of_two_link_half_of_the_people():
    found = values(evaluation.evaluate(WARD, BOXES, FACTS, "Diagnosis"))
    assert found["k"] == 2
    assert found["prosecutor mean"] == found["linkage"] == 0.5
    assert found["own row fits exactly"] == 1.0
    # Diagnoses of the boxes: flu angina, flu angina, flu angina: a coin in each.
    assert found["inference"] == 0.5


def test_the_same_figures_come_from_the_text_of_a_csv_file():
    text = BOXES.astype(str)
    found = evaluation.evaluate(WARD, text, FACTS, "Diagnosis")
    expected = evaluation.evaluate(WARD, BOXES, FACTS, "Diagnosis")
    pd.testing.assert_frame_equal(found, expected)


def test_classes_of_2_3_and_5_have_the_textbook_risks():
    table = pd.DataFrame({"Age": [30] * 2 + [40] * 3 + [50] * 5, "Sex": "F"})
    register = pd.concat([table, table.iloc[:4]], ignore_index=True)  # 4, 5 and 5 people
    found = values(evaluation.evaluate(table, table, FACTS, register=register))
    assert found["prosecutor max"] == 0.5
    assert found["prosecutor mean"] == pytest.approx(0.3)
    assert found["records at risk above 0.2"] == pytest.approx(0.5)
    assert found["journalist max"] == pytest.approx(1 / 4)
    assert found["marketer"] == pytest.approx((2 / 4 + 3 / 5 + 5 / 5) / 10)
    assert found["journalist mean"] == pytest.approx(3 / 14)  # larger than the marketer's


def test_gcp_of_a_cell_20_to_30_in_a_column_20_to_60_is_a_quarter():
    table = pd.DataFrame({"Age": [20, 30, 60, 60]})
    cells = [pd.Interval(20, 30, closed="both")] * 2 + [60, 60]
    released = pd.DataFrame({"Age": np.array(cells, dtype=object)})
    assert values(evaluation.evaluate(table, released, "Age"))["GCP"] == pytest.approx(0.125)


def test_gcp_agrees_with_the_tabular_room():
    cohort = pd.DataFrame({"Age": [20, 31, 44, 52, 60], "Sex": list("FMMFM")})
    released = tabular.mondrian(cohort, FACTS, k=2).table.copy()
    released.loc[0, "Age"] = "*"
    found = values(evaluation.evaluate(cohort, released, FACTS))["GCP"]
    assert found == pytest.approx(tabular.gcp(released, FACTS, cohort))


def test_what_needs_a_table_that_is_missing_says_so():
    rows = evaluation.evaluate(WARD, BOXES, FACTS).set_index("measure")
    assert rows.loc["membership AUC", "value"] == "n/a"
    assert "control" in rows.loc["membership AUC", "note"]
    assert "register" in rows.loc["marketer", "note"]
    assert "sensitive" in rows.loc["inference", "note"]


@pytest.mark.parametrize("kind", ["microdata", "sliced", "synthetic"])
def test_class_measures_of_perturbed_rows_say_not_applicable(kind):
    rows = evaluation.evaluate(WARD, WARD, FACTS, "Diagnosis", kind=kind).set_index("measure")
    for name in ("k", "prosecutor max", "uniqueness", "journalist max", "GCP"):
        assert rows.loc[name, "value"] == "n/a"
        assert math.isnan(rows.loc[name, "low"])
        assert kind in rows.loc[name, "note"]


def test_several_rows_of_a_person_count_as_one():
    table = WARD.assign(PatientID=list("aabcde"), Age=40, Sex="F")
    found = values(evaluation.evaluate(table, table, FACTS, subject="PatientID"))
    assert found["k"] == 5
    # Persons a has two of the six rows: (2 * 2/6 + 4 * 1/6) / 6.
    assert found["linkage"] == pytest.approx(8 / 36)


def test_rows_of_one_person_are_no_crowd_for_the_journalist_either():
    table = pd.DataFrame({"PatientID": list("aaabb"), "Age": [30, 30, 30, 40, 40]})
    register = pd.DataFrame({"PatientID": list("aabc"), "Age": [30, 30, 40, 40]})
    asked = {"register": register, "subject": "PatientID"}
    found = values(evaluation.evaluate(table, table, ["Age"], **asked))
    assert found["journalist max"] == found["prosecutor max"] == 1.0
    assert found["marketer"] == pytest.approx((3 * 1 + 2 * 0.5) / 5)


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="choose of microdata, generalized"):
        evaluation.evaluate(WARD, BOXES, FACTS, kind="generalised")


def test_rows_that_do_not_match_are_refused():
    with pytest.raises(InputError, match="6 original and 2 released"):
        evaluation.evaluate(WARD, BOXES.iloc[:2], FACTS)


def test_a_missing_column_is_named():
    with pytest.raises(MissingError, match="Weight"):
        evaluation.evaluate(WARD, BOXES, ["Weight"])
