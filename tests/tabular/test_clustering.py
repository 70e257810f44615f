"""Clusters: sizes, centers and weights, and the formulas of their papers."""

import numpy as np
import pandas as pd
import pytest

from medlab import samples, tabular
from medlab.errors import InputError
from medlab.tabular.clustering import _memberships, _outlyingness


@pytest.mark.parametrize("method", ["k-member", "mdav"])
def test_clusters_have_k_to_2k_minus_1_rows(ward, quasi, method):
    sizes = tabular.anonymize(ward, quasi, k=7, method=method).classes["size"]
    assert sizes.min() == 7
    assert sizes.max() <= 13


def test_clusters_count_persons_if_asked(ward, quasi):
    release = tabular.k_member(ward, quasi, "Diagnosis", 4, subject="PatientID")
    named = release.table.assign(PatientID=ward["PatientID"])
    assert tabular.k_anonymity(named, quasi, subject="PatientID") >= 4


def test_weighted_k_member_keeps_the_heavy_column_fine(ward, quasi):
    plain, heavy = (
        tabular.k_member(ward, quasi, k=5, weights={"Age": weight}) for weight in (1, 8)
    )
    losses = [tabular.gcp(r.table, "Age", ward) for r in (plain, heavy)]
    assert losses[1] < losses[0] / 2


def test_mdav_publishes_the_mean_of_each_group():
    table = pd.DataFrame({"age": [20, 22, 60, 61, 62], "sex": list("FFMMF")})
    release = tabular.mdav(table, ["age", "sex"], k=2)
    assert release.kind == "aggregate"
    assert release.table["age"].tolist() == [21, 21, 61, 61, 61]
    assert release.table["sex"].tolist() == ["F", "F", "M", "M", "M"]
    assert tabular.measures(release, original=table)["gcp"] == "n/a"


def test_mdav_takes_the_center_of_every_type_of_column():
    days = pd.to_datetime(["2024-01-01", "2024-01-03", "2024-05-01", "2024-05-01", "2024-05-01"])
    table = pd.DataFrame(
        {
            "far": [0, 2, 900, 900, 900],
            "day": days.date,
            "count": pd.Series([1, 4, None, None, None], dtype="Int64"),
            "dose": np.array([1.5, 2.5, 9, 9, 9], dtype=object),
            "smokes": pd.Series([True, True, None, None, None], dtype="boolean"),
        }
    )
    release = tabular.mdav(table, list(table), k=2)
    near, far = release.table.iloc[0], release.table.iloc[4]
    assert near.tolist() == [1, pd.Timestamp("2024-01-02"), 2, 2.0, "True"]
    assert far[["far", "dose"]].tolist() == [900, 9.0]
    assert far[["count", "smokes"]].isna().all()


def test_outlyingness_is_the_distance_to_the_kth_neighbor_by_the_median_row():
    ages = np.array([[0.0], [1.0], [2.0], [10.0]])
    assert _outlyingness(ages, 1).tolist() == [1, 1, 1, 8]
    assert _outlyingness(ages, 2).tolist() == pytest.approx([1, 0.5, 1, 4.5])
    assert _outlyingness(np.zeros((4, 1)), 2).tolist() == [1, 1, 1, 1]


def test_outliers_served_first_cost_less_on_people():
    quasi, loss = ["Age", "Sex", "Weight", "Height"], {None: 0.0, "_outlyingness": 0.0}
    for seed in (3, 4):
        people = samples.cohort(400, seed).released.drop_duplicates("PatientID")
        people = people.reset_index(drop=True)
        for weights in loss:
            release = tabular.k_member(people, quasi, k=5, record_weights=weights)
            assert tabular.k_anonymity(release.table, quasi) >= 5
            loss[weights] += tabular.gcp(release.table, quasi, people)
    assert loss["_outlyingness"] < 0.99 * loss[None]


def test_a_sensitive_record_starts_the_first_cluster():
    table = pd.DataFrame({"Age": [20, 30, 31, 41], "D": list("abaa")})
    usual = tabular.k_member(table, "Age", "D", k=2).class_of
    assert (usual[0] == usual[1], usual[2] == usual[3]) == (True, True)
    heavy = tabular.k_member(table, "Age", "D", k=2, sensitivity={"b": 1000.0}).class_of
    assert (heavy[1] == heavy[2], heavy[0] == heavy[3]) == (True, True)


@pytest.mark.parametrize("weights", [[1.0, 2.0], [0.0] * 6, [np.nan] * 6])
def test_weights_that_are_none_are_refused(weights):
    table = pd.DataFrame({"Age": [30, 31, 50, 51, 80, 81]})
    with pytest.raises(InputError, match="weights of records"):
        tabular.k_member(table, "Age", k=2, record_weights=weights)


def test_memberships_are_bezdeks():
    point, centers = np.array([[0.0]]), np.array([[1.0], [2.0]])
    assert _memberships(point, centers, 2.0)[0].tolist() == pytest.approx([0.8, 0.2])
    assert _memberships(point, centers, 3.0)[0].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_the_fuzzifier_matters():
    people = samples.cohort(200, 5).released.drop_duplicates("PatientID").reset_index(drop=True)
    losses = set()
    for fuzzifier in (1.1, 1.5, 2, 3, 5):
        release = tabular.fuzzy_cmeans(
            people,
            ["Age", "Weight", "Height"],
            k=5,
            fuzzifier=fuzzifier,
            rng=np.random.default_rng(1),
        )
        losses.add(round(tabular.gcp(release.table, release.quasi, people), 6))
    assert len(losses) == 5
