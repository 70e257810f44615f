"""The model against scikit-learn, its gradient against differences."""

import numpy as np
import pytest
from federated_sites import unequal_sites
from sklearn.linear_model import LogisticRegression

from medlab.federated import logistic

X, y = (np.concatenate(parts) for parts in zip(*unequal_sites(), strict=True))
X = logistic.with_intercept(X)


def test_many_steps_reach_the_optimum_of_scikit_learn():
    l2 = 0.05
    peer = LogisticRegression(C=1 / (l2 * len(y)), fit_intercept=False, tol=1e-12, max_iter=10_000)
    peer.fit(X, y)
    found = logistic.fit(X, y, 200, logistic.Descent(20, 0.5, l2))
    np.testing.assert_allclose(found, peer.coef_[0], atol=1e-6)


def test_the_step_follows_the_slope_of_the_loss():
    weights, l2, small = np.linspace(-1, 1, X.shape[1]), 0.3, 1e-6
    steps = np.eye(len(weights)) * small
    slope = [
        (logistic._loss(weights + step, X, y, l2) - logistic._loss(weights - step, X, y, l2))
        / (2 * small)
        for step in steps
    ]
    one = logistic.descend(weights, X, y, logistic.Descent(1, 1.0, l2))
    np.testing.assert_allclose(weights - one, slope, atol=1e-7)


def test_the_mean_of_the_rows_is_the_gradient_and_clipping_only_shortens():
    weights = np.linspace(-1, 1, X.shape[1])
    rows = logistic.row_gradients(weights, X, y)
    step = weights - logistic.descend(weights, X, y, logistic.Descent(1, 1.0, 0.0))
    np.testing.assert_allclose(rows.mean(axis=0), step)
    lengths = np.linalg.norm(rows, axis=1)
    short = logistic.clipped(rows, 0.4)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), np.minimum(lengths, 0.4))
    np.testing.assert_array_equal(short[lengths <= 0.4], rows[lengths <= 0.4])
    with np.errstate(all="raise"):
        assert not logistic.clipped(np.zeros((1, 3)), 1e6).any()
        assert np.array_equal(logistic.clipped(rows, np.inf), rows)


@pytest.mark.parametrize("away", [-0.2, 0.2])
def test_the_proximal_term_pulls_back_to_where_the_round_began(away):
    start = np.full(X.shape[1], away)
    free, held = (
        logistic.descend(start, X, y, logistic.Descent(30, 0.2, mu=mu)) for mu in (0.0, 2.0)
    )
    assert np.linalg.norm(held - start) < np.linalg.norm(free - start)
