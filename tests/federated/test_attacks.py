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
from medlab.federated import attacks, logistic, masks

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


def hits(updates, clip=math.inf):
    """How often the row of the first site beats somebody who is not in it."""
    X, y = SITES[0]
    won = []
    for update in updates:
        for i in range(len(y)):
            known = np.delete(X, i, axis=0), np.delete(y, i)
            both = np.vstack([X[i], OTHERS[0][i]]), np.array([y[i], OTHERS[1][i]])
            member, other = attacks.membership(
                np.zeros(X.shape[1] + 1), update, HOW, known, both, clip
            )
            won.append(member > other)
    return np.mean(won)


@pytest.mark.needs("federated")
def test_a_raw_update_tells_the_last_row_and_a_masked_one_does_not():
    raw = federated.train(SITES, rounds=1).received[0][0]
    assert hits([raw]) == 1.0
    runs = [federated.train(SITES, rounds=1, secure=True).received[0][0] for _ in range(40)]
    seen = [words[:-1].view(np.int32) / masks.SCALE for words in runs]
    # the 12 questions of a run hang together, 40 runs do not: 5.5 standard errors of a coin
    assert abs(hits(seen) - 0.5) < 5.5 * 0.5 / math.sqrt(40)


@pytest.mark.needs("federated")
def test_under_noise_an_attacker_wins_no_more_than_epsilon_allows():
    noisy = [
        federated.train(
            SITES, rounds=1, epsilon=0.5, delta=1e-5, clip=1.0, rng=np.random.default_rng(seed)
        ).received[0][0]
        for seed in range(40)
    ]
    # of two rows that differ by 2 C, zCDP's Gaussian lets the best attacker tell
    # Phi(2 / (2 sigma)) of cases, sigma = 9.6: .54
    assert hits(noisy, clip=1.0) < 0.7
    sharp = federated.train(SITES, rounds=1, epsilon=1e9, delta=1e-5, clip=1.0).received[0][0]
    assert hits([sharp], clip=1.0) == 1.0
