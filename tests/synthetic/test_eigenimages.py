"""Eigen-images against scikit-learn's PCA, and what they remember."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from medlab.errors import InputError
from medlab.synthetic import eigenimages


def slices(count, seed, shape=(16, 18)):
    """Slices with a common pattern, some shared variation, and much that is each one's own."""
    rng = np.random.default_rng(seed)
    shared = np.random.default_rng(99).normal(0, 1, (6, *shape))
    weights = rng.normal(0, [8, 6, 5, 4, 3, 2], (count, 6))
    return 100 + np.tensordot(weights, shared, 1) + rng.normal(0, 3, (count, *shape))


def test_components_and_spread_are_those_of_principal_component_analysis():
    images = slices(40, 0)
    model, peer = eigenimages.fit(images, 7), PCA(7).fit(images.reshape(40, -1))
    np.testing.assert_allclose(model.mean.ravel(), peer.mean_)
    np.testing.assert_allclose(model.sd**2, peer.explained_variance_)
    np.testing.assert_allclose(np.abs((model.components * peer.components_).sum(axis=1)), 1)


def test_samples_have_the_mean_and_the_spread_of_the_model():
    model = eigenimages.fit(slices(40, 0), 5)
    drawn = eigenimages.sample(model, 4000, np.random.default_rng(1))
    assert drawn.shape == (4000, 16, 18)
    along = (drawn - model.mean).reshape(4000, -1) @ model.components.T
    np.testing.assert_allclose(along.std(axis=0), model.sd, rtol=0.08)
    assert np.abs(along.mean(axis=0) / model.sd).max() < 0.1
    again = eigenimages.sample(model, 4000, np.random.default_rng(1))
    assert np.array_equal(drawn, again)
    assert eigenimages.reconstruction_error(model, drawn[:5]).max() < 1e-9


def test_a_model_remembers_more_with_each_component_and_all_of_it_at_the_end():
    members, others = slices(60, 2), slices(60, 3)
    found = [
        eigenimages.memorization(eigenimages.fit(members, count), members, others)
        for count in (1, 3, 12, 59)
    ]
    assert found == sorted(found)
    assert found[0] < 0.75
    assert found[-1] == 1.0


def test_the_figure_is_the_area_under_the_curve_of_the_error():
    members, others = slices(50, 4), slices(30, 5)
    model = eigenimages.fit(members, 10)
    error = [eigenimages.reconstruction_error(model, group) for group in (others, members)]
    truth = np.repeat([1, 0], [30, 50])
    found = eigenimages.memorization(model, members, others)
    assert found == pytest.approx(roc_auc_score(truth, np.concatenate(error)))
    assert eigenimages.memorization(model, members, members) == 0.5


def test_what_makes_no_model_is_refused():
    images = slices(5, 0)
    for count in (0, 6):
        with pytest.raises(InputError, match="components"):
            eigenimages.fit(images, count)
    with pytest.raises(InputError, match="one shape"):
        eigenimages.fit([images[0], images[1][:-1]], 1)
    with pytest.raises(InputError, match="one shape"):
        eigenimages.fit([], 1)
    with pytest.raises(InputError, match="missing or infinite"):
        eigenimages.fit(np.full((3, 4, 4), np.nan), 1)
    model = eigenimages.fit(images, 2)
    with pytest.raises(InputError, match="another shape"):
        eigenimages.memorization(model, images, images.transpose(0, 2, 1))


def test_the_error_is_what_no_component_holds_figured_by_hand():
    model = eigenimages.EigenImages(
        np.full((2, 2), 10.0), np.array([[0.5, 0.5, 0.5, 0.5]]), np.ones(1)
    )
    brighter, striped = np.full((2, 2), 17.0), np.array([[13.0, 7.0], [13.0, 7.0]])
    error = eigenimages.reconstruction_error(model, [brighter, striped, brighter + striped - 10])
    np.testing.assert_allclose(error, [0, 3, 3])
