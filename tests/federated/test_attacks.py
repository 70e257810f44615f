"""A raw update gives its rows away, a masked one nothing, a noisy one what epsilon allows."""

import math

import numpy as np
import pytest
from federated_sites import unequal_sites
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medlab import federated
from medlab.errors import InputError
from medlab.federated import attacks, logistic

SITES = unequal_sites((12, 30))
OTHERS = unequal_sites((200,), seed=9)[0]
HOW = logistic.Descent()


@given(
    arrays(float, 4, elements=st.floats(-100, 100)),
    arrays(float, 5, elements=st.floats(-0.02, 0.02)),
    st.sampled_from([0.0, 1.0]),
)
def test_the_record_of_a_site_of_one_is_read_off_its_update(record, start, label):
    X = logistic.with_intercept(record[None])
    update = logistic.descend(start, X, np.array([label]), HOW)
    found, told = attacks.read_record(start, update, HOW)
    np.testing.assert_allclose(found, record, atol=1e-6)
    assert told == label


def test_an_update_without_a_gradient_and_one_of_many_steps_are_refused():
    with pytest.raises(InputError, match="zero"):
        attacks.read_record(np.zeros(3), np.zeros(3), HOW)
    with pytest.raises(InputError, match="several steps"):
        attacks.read_record(np.zeros(3), np.ones(3), logistic.Descent(steps=2))


def hits(runs, clip=math.inf):
    """How often a row of the first site beats somebody who is not in it."""
    size = len(SITES[0][1])
    strangers = OTHERS[0][:size], OTHERS[1][:size]
    sizes = [len(y) for _, y in SITES]
    won = [
        attacks.last_rows(run.received, 0, SITES[0], strangers, HOW, sizes, clip) for run in runs
    ]
    return np.mean(won)


@pytest.mark.needs("federated")
@pytest.mark.parametrize("rounds", [1, 5])
def test_raw_updates_tell_the_last_row_and_masked_ones_do_not(rounds):
    assert hits([federated.train(SITES, rounds=rounds)]) == 1.0
    masked = [federated.train(SITES, rounds=rounds, secure=True) for _ in range(40)]
    # the 12 questions of a run hang together, 40 runs do not: 5.5 standard errors of a coin
    assert abs(hits(masked) - 0.5) < 5.5 * 0.5 / math.sqrt(40)


@pytest.mark.needs("federated")
def test_under_noise_an_attacker_wins_no_more_than_epsilon_allows():
    budget = {"rounds": 3, "delta": 1e-5, "clip": 1.0}
    noisy = [
        federated.train(SITES, epsilon=0.5, rng=np.random.default_rng(seed), **budget)
        for seed in range(40)
    ]
    # of two rows at most 2 C apart, three steps of Gaussian noise let the best attacker tell
    # Phi(sqrt(3) 2 / (2 sigma)) of the cases, sigma = 16.6: .54
    assert hits(noisy, clip=1.0) < 0.7
    assert hits([federated.train(SITES, epsilon=1e9, **budget)], clip=1.0) == 1.0


def test_the_score_is_the_ratio_of_likelihoods_under_gaussian_noise():
    (X, y), start, sigma = SITES[0], np.full(4, 0.1), 0.3
    known, one = (X[1:], y[1:]), (X[:1], y[:1])
    update = start + np.random.default_rng(1).normal(0, 1, 4)
    total = len(y) * attacks._gradient_of(start, update, HOW)
    without = logistic.row_gradients(start, logistic.with_intercept(known[0]), known[1]).sum(0)
    inside = logistic.row_gradients(start, logistic.with_intercept(one[0]), one[1])[0]
    logs = [-((total - mean) ** 2).sum() / (2 * sigma**2) for mean in (without + inside, without)]
    score = attacks._membership(start, update, HOW, known, one)[0]
    assert score / sigma**2 == pytest.approx(logs[0] - logs[1])
