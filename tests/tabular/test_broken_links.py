"""Anatomy: the tables of the paper, its bound on inference; slicing: columns and buckets stay."""

import numpy as np
import pandas as pd
import pytest
from hospital import HOSPITAL

from medlab import tabular
from medlab.errors import InputError
from medlab.tabular.broken_links import _anatomize, column_groups

EIGHT = HOSPITAL.rename(columns=str.lower)


def test_the_two_tables_of_the_anatomy_paper():
    grouped = tabular.mondrian(EIGHT, "sex", "disease", k=4)
    assert len(grouped.partitions) == 2
    release = _anatomize(EIGHT, grouped, "disease")
    counts = release.extra["sensitive"].sort_values(["Count", "disease"])
    men = 1 - release.class_of[7]
    found = {(g == men, d): c for g, d, c in counts.itertuples(index=False)}
    assert found == {
        (True, "dyspepsia"): 2,
        (True, "pneumonia"): 2,
        (False, "bronchitis"): 1,
        (False, "flu"): 2,
        (False, "gastritis"): 1,
    }
    assert release.facts["alpha"] == 0.5
    assert "disease" not in release.table


@pytest.mark.parametrize("l", [2, 3])
def test_anatomy_gives_no_value_more_than_one_lth_of_a_group(ward, quasi, l):
    rare = ward[(ward["Diagnosis"] != "a") | (np.arange(len(ward)) % 3 == 0)]
    rare = rare.reset_index(drop=True)
    release = tabular.anatomy(rare, quasi, "Diagnosis", l)
    groups = release.extra["sensitive"].groupby("Group")["Count"]
    assert (groups.max() / groups.sum()).max() <= 1 / l + 1e-9
    counts = release.extra["sensitive"].groupby("Diagnosis")["Count"].sum()
    assert counts.to_dict() == rare["Diagnosis"].value_counts().to_dict()
    pd.testing.assert_frame_equal(release.table[quasi], rare[quasi])
    assert tabular.measures(release, original=rare)["gcp"] == 0


def test_anatomy_refuses_a_value_too_frequent_and_names_the_largest_l(ward):
    with pytest.raises(InputError, match="largest feasible l is 2"):
        tabular.anatomy(ward, ["Age"], "Diagnosis", 4)


def test_anatomy_shows_no_second_sensitive_column_beside_exact_values():
    table = EIGHT.assign(ward=[f"ward {n % 2}" for n in range(len(EIGHT))])
    with pytest.raises(InputError, match="one sensitive column"):
        tabular.anatomy(table, "sex", ["disease", "ward"])


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


def test_two_steps_replace_only_what_is_needed_and_say_how_much(ward, quasi):
    plain = tabular.mondrian(ward, quasi, "Diagnosis", k=5)
    release = tabular.two_step(ward, quasi, "Diagnosis", k=5, l=4)
    assert (release.class_of == plain.class_of).all()
    changed = (release.table["Diagnosis"] != ward["Diagnosis"]).mean()
    assert 0 < changed < 0.5
    assert release.facts["replaced"] == {"Diagnosis": pytest.approx(changed)}
    assert set(release.table["Diagnosis"]) <= set(ward["Diagnosis"])
    with pytest.raises(InputError, match="take l up to k"):
        tabular.two_step(ward, quasi, "Diagnosis", k=2, l=3)
