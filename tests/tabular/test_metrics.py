"""Risks and losses of small tables, worked by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from tabular_cases import table

from medlab import tabular


def test_single_dimensional_and_multidimensional_recoding_of_the_patient_table():
    multi = table(box=[0, 1, 0, 2, 1, 2])
    single = table(box=[0, 1, 0, 0, 1, 0])
    assert tabular.c_avg(multi, "box", 2) == 1.0
    assert tabular.discernibility(multi, "box") == 12
    assert tabular.c_avg(single, "box", 2) == 1.5
    assert tabular.discernibility(single, "box") == 20


def test_risks_of_classes_of_two_three_and_five():
    sizes = table(box=np.repeat([0, 1, 2], [2, 3, 5]))
    found = tabular.risks(sizes, "box")
    assert found.prosecutor_max == 0.5
    assert found.prosecutor_mean == pytest.approx(0.3)
    assert tabular.discernibility(sizes, "box") == 38


def test_ncp_of_a_quarter_of_the_range():
    original = table(age=[20, 30, 60])
    cell = pd.Interval(20, 30, closed="both")
    released = table(age=pd.Series([cell, cell, 60], dtype=object))
    assert tabular.ncp(released, "age", original)["age"].tolist() == [0.25, 0.25, 0.0]


def test_ncp_of_labels_counts_those_beyond_the_first():
    original = table(place=list("abcde"))
    released = table(place=["{a, b, c}", "a", "*", "{a, b, c}", "e"])
    assert tabular.ncp(released, "place", original)["place"].tolist() == [0.5, 0, 1, 0.5, 0]


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
    beta = tabular.beta_likeness(release.table, quasi, "Diagnosis")
    assert report["beta"].max() == pytest.approx(beta)


def test_delta_of_a_class_is_the_log_of_its_largest_factor_or_infinite():
    table = pd.DataFrame({"a": [1, 1, 1, 9, 9, 9], "s": ["x", "x", "y", "x", "y", "y"]})
    release = tabular.mondrian(table, "a", "s", k=3)
    delta = tabular.class_report(release)["delta"]
    assert delta.tolist() == pytest.approx([math.log(3 / 2)] * 2)  # 1/3 against 1/2 is the farther
    assert delta.max() == pytest.approx(tabular.delta_disclosure(release.table, "a", "s"))
    lacking = tabular.mondrian(table.iloc[[0, 1, 4, 5]].reset_index(drop=True), "a", "s", k=2)
    assert np.isinf(tabular.class_report(lacking)["delta"]).all()


def test_belief_is_the_share_of_the_true_value_in_the_class():
    table = pd.DataFrame({"a": [1, 1, 1, 9, 9, 9], "s": ["x", "x", "y", "z", "z", None]})
    release = tabular.mondrian(table, "a", "s", k=3)
    found = tabular.beliefs(release)
    assert found[:5].tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3, 1, 1])
    assert np.isnan(found[5])
