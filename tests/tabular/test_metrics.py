"""Risks, criteria and losses: worked tables of the papers, and the figures of pycanon."""

import math

import numpy as np
import pandas as pd
import pytest
from pycanon import anonymity
from tabular_cases import losses, table

from medlab import tabular

INPATIENTS = list("HHVVCHVVCCCC")  # heart disease, viral infection, cancer


def inpatients(*classes):
    number = np.zeros(12, dtype=int)
    for name, rows in enumerate(classes):
        number[np.array(rows) - 1] = name
    return table(box=number, disease=INPATIENTS)


def test_the_homogeneous_inpatient_table_has_k_4_but_l_1():
    ward = inpatients([1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12])
    assert tabular.k_anonymity(ward, ["box"]) == 4
    assert tabular.l_diversity(ward, ["box"], "disease") == 1


def test_the_diverse_inpatient_table_has_l_3_and_entropy_l_of_two_roots_of_two():
    ward = inpatients([1, 4, 9, 10], [5, 6, 7, 8], [2, 3, 11, 12])
    assert tabular.l_diversity(ward, "box", "disease") == 3
    entropy_l = tabular.l_diversity(ward, "box", "disease", "entropy")
    assert entropy_l == pytest.approx(2 * np.sqrt(2))
    assert tabular.l_diversity(ward, "box", "disease", "recursive", c=3) >= 3
    assert tabular.l_diversity(ward, "box", "disease", "recursive", c=2) < 3


def test_five_rows_of_one_person_hide_nobody():
    rows = table(id=list("aaaaabbbbc"), box=[0] * 5 + [1] * 5)
    found = tabular.risks(rows, "box", table(box=[0, 1, 1, 1, 1]), subject="id")
    assert found == pytest.approx((1, (5 / 1 + 5 / 2) / 10, 1, (5 / 1 + 5 / 4) / 10))
    assert tabular.measures(rows, "box", subject="id")["prosecutor_mean"] == pytest.approx(0.75)


def test_alpha_beta_and_delta_of_a_small_table():
    ward = table(box=[0, 0, 0, 0, 1, 1, 1, 1], disease=list("aaab") + list("abbb"))
    assert tabular.alpha(ward, "box", "disease") == 0.75
    report = tabular.class_report(tabular.mondrian(ward, "box", "disease", k=4))
    assert report["beta"].max() == pytest.approx(0.5)
    assert report["delta"].max() == pytest.approx(np.log(2))


@pytest.mark.parametrize("k", [2, 7])
def test_k_l_t_alpha_and_beta_agree_with_pycanon(ward, quasi, k):
    release = tabular.mondrian(ward.head(80), quasi, "Diagnosis", k=k)
    table, text = release.table, release.table.astype(str)
    assert tabular.k_anonymity(table, quasi) == anonymity.k_anonymity(text, quasi)
    l = tabular.l_diversity(table, quasi, "Diagnosis")
    assert l == anonymity.l_diversity(text, quasi, ["Diagnosis"])
    entropy = tabular.l_diversity(table, quasi, "Diagnosis", "entropy")
    assert int(entropy + 1e-9) == anonymity.entropy_l_diversity(text, quasi, ["Diagnosis"])
    t = tabular.t_closeness(table, quasi, "Diagnosis")
    assert np.isclose(t, anonymity.t_closeness(text, quasi, ["Diagnosis"]))
    alpha, _ = anonymity.alpha_k_anonymity(text, quasi, ["Diagnosis"])
    assert np.isclose(tabular.alpha(table, quasi, "Diagnosis"), alpha)
    beta = anonymity.basic_beta_likeness(text, quasi, ["Diagnosis"])
    assert np.isclose(tabular.class_report(release)["beta"].max(), beta)


def test_the_ordered_distance_agrees_with_pycanon(ward, quasi):
    table = tabular.mondrian(ward, ["Sex", "Modality"], "Age", k=5).table
    text = table.astype({"Sex": str, "Modality": str})
    t = tabular.t_closeness(table, ["Sex", "Modality"], "Age")
    assert np.isclose(t, anonymity.t_closeness(text, ["Sex", "Modality"], ["Age"]))


def test_single_dimensional_and_multidimensional_recoding_of_the_patient_table():
    multi = table(box=[0, 1, 0, 2, 1, 2])
    single = table(box=[0, 1, 0, 0, 1, 0])
    found = tabular.measures(multi, "box", k=2)
    assert (found["c_avg"], found["discernibility"]) == (1.0, 12)
    found = tabular.measures(single, "box", k=2)
    assert (found["c_avg"], found["discernibility"]) == (1.5, 20)


def test_risks_of_classes_of_two_three_and_five():
    sizes = table(box=np.repeat([0, 1, 2], [2, 3, 5]))
    found = tabular.risks(sizes, "box")
    assert found.prosecutor_max == 0.5
    assert found.prosecutor_mean == pytest.approx(0.3)
    assert tabular.measures(sizes, "box")["discernibility"] == 38


def test_ncp_of_a_quarter_of_the_range():
    original = table(age=[20, 30, 60])
    cell = pd.Interval(20, 30, closed="both")
    released = table(age=pd.Series([cell, cell, 60], dtype=object))
    assert losses(released, "age", original) == [0.25, 0.25, 0.0]


def test_ncp_of_labels_counts_those_beyond_the_first():
    original = table(place=list("abcde"))
    released = table(place=["{a, b, c}", "a", "*", "{a, b, c}", "e"])
    assert losses(released, "place", original) == [0.5, 0, 1, 0.5, 0]


def test_journalist_risk_counts_the_people_of_the_register_who_fit():
    released = table(
        age=["[30, 39]", "[30, 39]", "[40, 49]", "[40, 49]"], sex=["*", "*", "F", "F"]
    )
    register = table(age=[30, 31, 39, 40, 41, 45, 49, 60], sex=list("FFMFFMFF"))
    found = tabular.risks(released, ["age", "sex"], register)
    assert found.journalist_max == pytest.approx(1 / 3)
    assert found.marketer == pytest.approx((2 / 3 + 2 / 3) / 4)
    assert found.prosecutor_max == 0.5


def test_counts_say_what_the_released_table_says(ward, quasi):
    release = tabular.mondrian(ward, quasi, "Diagnosis", k=5)
    counted = tabular.count_table(release)
    assert counted["count"].sum() == len(ward)
    totals = counted.groupby("Diagnosis")["count"].sum()
    assert totals.to_dict() == ward["Diagnosis"].value_counts().to_dict()
    by_class = counted.groupby("class")["count"].sum()
    assert by_class.tolist() == release.classes["size"].tolist()


def test_the_report_of_classes_agrees_with_the_measures(ward, quasi):
    release = tabular.mondrian(ward, quasi, "Diagnosis", k=5, l=2)
    report = tabular.class_report(release)
    assert report["l"].min() == tabular.l_diversity(release.table, quasi, "Diagnosis")
    assert report["t"].max() == pytest.approx(
        tabular.t_closeness(release.table, quasi, "Diagnosis")
    )
    assert report["top_share"].max() == tabular.alpha(release.table, quasi, "Diagnosis")


def test_delta_of_a_class_is_the_log_of_its_largest_factor_or_infinite():
    table = pd.DataFrame({"a": [1, 1, 1, 9, 9, 9], "s": ["x", "x", "y", "x", "y", "y"]})
    release = tabular.mondrian(table, "a", "s", k=3)
    delta = tabular.class_report(release)["delta"]
    assert delta.tolist() == pytest.approx([math.log(3 / 2)] * 2)  # 1/3 against 1/2 is the farther
    lacking = tabular.mondrian(table.iloc[[0, 1, 4, 5]].reset_index(drop=True), "a", "s", k=2)
    assert np.isinf(tabular.class_report(lacking)["delta"]).all()


def test_belief_is_the_share_of_the_true_value_in_the_class():
    table = pd.DataFrame({"a": [1, 1, 1, 9, 9, 9], "s": ["x", "x", "y", "z", "z", None]})
    release = tabular.mondrian(table, "a", "s", k=3)
    found = tabular.beliefs(release)
    assert found[:5].tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3, 1, 1])
    assert np.isnan(found[5])
