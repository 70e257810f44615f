"""Worked numbers of the four papers that docs/papers.md names."""

import numpy as np
import pandas as pd
import pytest

from medlab import samples, tabular
from medlab.errors import InputError
from medlab.tabular.clustering import _memberships, outlyingness


def test_outlyingness_is_the_distance_to_the_kth_neighbor_by_the_median_row():
    ages = np.array([[0.0], [1.0], [2.0], [10.0]])
    assert outlyingness(ages, 1).tolist() == [1, 1, 1, 8]
    assert outlyingness(ages, 2).tolist() == pytest.approx([1, 0.5, 1, 4.5])
    assert outlyingness(np.zeros((4, 1)), 2).tolist() == [1, 1, 1, 1]


def test_outliers_served_first_cost_less_on_people():
    quasi, loss = ["Age", "Sex", "Weight", "Height"], {None: 0.0, "outlyingness": 0.0}
    for seed in (3, 4):
        people = samples.cohort(400, seed).released.drop_duplicates("PatientID")
        people = people.reset_index(drop=True)
        for weights in loss:
            release = tabular.k_member(people, quasi, k=5, record_weights=weights)
            assert tabular.k_anonymity(release.table, quasi) >= 5
            loss[weights] += tabular.gcp(release.table, quasi, people)
    assert loss["outlyingness"] < 0.99 * loss[None]


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


FACES = np.array([[0.0, 0], [2, 0], [10, 1], [12, 1]])


def test_four_faces_are_averaged_by_twos():
    for averaged in (tabular.k_same(FACES, 2), tabular.partition_faces(FACES, 2)):
        assert averaged.pictures.tolist() == [[1, 0], [1, 0], [11, 1], [11, 1]]


def test_eigenfaces_lose_what_they_do_not_show():
    averaged = tabular.k_same_eigen(FACES, 2, components=1)
    axis = np.linalg.svd(FACES - FACES.mean(axis=0))[2][0]
    along = (averaged.pictures - FACES.mean(axis=0)) @ axis
    assert along == pytest.approx((np.array([[1.0, 0]] * 2 + [[11, 1]] * 2) - [6, 0.5]) @ axis)
    across = averaged.pictures - FACES.mean(axis=0) - np.outer(along, axis)
    assert np.abs(across).max() < 1e-9


@pytest.mark.parametrize("verb", [tabular.k_same, tabular.k_same_eigen, tabular.partition_faces])
@pytest.mark.parametrize("k", [2, 5])
def test_no_published_face_finds_fewer_than_k(verb, k):
    faces = np.random.default_rng(0).normal(size=(33, 6, 5))
    averaged = verb(faces, k)
    assert averaged.pictures.shape == faces.shape
    assert np.bincount(averaged.class_of).min() >= k
    for one in range(averaged.class_of.max() + 1):
        members = averaged.pictures[averaged.class_of == one]
        assert (members == members[0]).all()
    apart = ((averaged.pictures[:, None] - faces[None]) ** 2).sum(axis=(2, 3))
    hits = (apart.argmin(axis=1) == np.arange(len(faces))).mean()
    assert hits <= 1 / k
