"""The classes of a release one by one: counts, report and beliefs."""

import math

import numpy as np
import pandas as pd
import pytest

from medlab import tabular


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
