"""Averaged faces: worked means, and no published face leads to fewer than k."""

import numpy as np
import pytest

from medlab import tabular
from medlab.errors import InputError


def test_every_k_same_picture_is_the_mean_of_at_least_k():
    rng = np.random.default_rng(1)
    faces = rng.random((11, 6, 5))
    averaged = tabular.k_same(faces, 3)
    assert np.bincount(averaged.class_of).tolist() == [3, 3, 5]
    for number in range(3):
        here = averaged.class_of == number
        assert np.allclose(averaged.pictures[here], faces[here].mean(axis=0))
    with pytest.raises(InputError, match="2 pictures cannot make a class"):
        tabular.k_same(faces[:2], 3)


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
