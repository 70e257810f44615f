"""Slicing: columns and buckets stay, rows do not."""

import numpy as np
import pandas as pd

from medlab import tabular
from medlab.tabular.slicing import column_groups


def test_slicing_keeps_columns_and_buckets_but_not_rows(ward, quasi):
    release = tabular.slicing(ward, quasi, "Diagnosis", k=6, l=2)
    for group in release.facts["groups"]:
        before = ward[group].assign(b=release.class_of).sort_values([*group, "b"])
        after = release.table[group].assign(b=release.table["Bucket"]).sort_values([*group, "b"])
        assert before.to_numpy().tolist() == after.to_numpy().tolist()
    assert (release.table["Diagnosis"] != ward["Diagnosis"]).any()
    assert tabular.measures(release)["k"] == "n/a"


def test_slicing_groups_what_is_correlated():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 500), rng.integers(0, 4, 500)
    table = pd.DataFrame({"a": a, "b": b, "like_a": a * 10, "s": np.where(b > 1, "x", "y")})
    assert column_groups(table, ["a", "b", "like_a"], "s") == [["a", "like_a"], ["b", "s"]]


def test_one_fact_and_one_secret_are_parted_by_slicing(ward):
    assert len(column_groups(ward, ["Age"], "Diagnosis")) == 2
    sliced = tabular.slicing(ward, "Age", "Diagnosis", k=5, rng=np.random.default_rng(1)).table
    same = (sliced["Age"] == ward["Age"]) & (sliced["Diagnosis"] == ward["Diagnosis"])
    assert same.mean() < 0.6
