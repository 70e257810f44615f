"""DP-SGD, and its accountant against figures of dp-accounting 0.6.0."""

import math

import numpy as np
import pytest

from medlab.dp import learning
from medlab.errors import InputError

#: noise, rate, steps, delta: RdpAccountant with whole orders, with its own orders, PLDAccountant
FIGURES = [
    (0.7, 0.05, 300, 1e-5, 15.1077166225, 14.3610763462, 12.7449784694),
    (1, 0.05, 300, 1e-5, 6.5127422906, 6.4638642626, 5.7953132513),
    (2, 0.05, 300, 1e-5, 2.1188824270, 2.1182832483, 1.9285699683),
    (5, 0.05, 300, 1e-5, 0.7036538019, 0.7036538019, 0.6396843547),
    (20, 0.05, 300, 1e-5, 0.1624368095, 0.1624368095, 0.1375274166),
    (1.1, 0.01, 1000, 1e-5, 1.7252908180, 1.7117701662, 1.5153702481),
    (4, 0.1, 50, 1e-6, 0.8667315702, 0.8667315702, 0.7950486015),
    (10, 1.0, 20, 1e-5, 1.9161928394, 1.9142498748, 1.7600573165),
    (0.8, 0.002, 5000, 1e-6, 2.1437585370, 2.1177964872, 1.4557523224),
    (3, 0.5, 10, 1e-9, 3.8004882280, 3.7972118138, 3.5765029259),
]


@pytest.mark.parametrize(("noise", "rate", "steps", "delta", "whole", "own", "tight"), FIGURES)
def test_the_accountant_meets_that_of_dp_accounting(noise, rate, steps, delta, whole, own, tight):
    epsilon = learning.rdp_epsilon(noise, rate, steps, delta)
    assert epsilon == pytest.approx(whole, rel=1e-9)
    assert own <= epsilon * (1 + 1e-9) and tight < epsilon  # noqa: PT018


@pytest.mark.parametrize(
    ("noise", "epsilon"), [(1, 6.51), (2, 2.12), (5, 0.704), (20, 0.162), (0, math.inf)]
)
def test_the_figures_of_a_fit(noise, epsilon):
    assert learning.rdp_epsilon(noise, 0.05, 300, 1e-5) == pytest.approx(epsilon, rel=3e-3)


def patients(count=1000, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 3))
    logits = features @ [2.0, -1.0, 0.0] + 0.5
    return features, (rng.random(count) < 1 / (1 + np.exp(-logits))).astype(int)


def accuracy(weights, features, labels):
    return ((features @ weights[:-1] + weights[-1] > 0) == labels).mean()


def test_it_learns_and_forgets_as_noise_grows():
    features, labels = patients()
    fits = {
        noise: learning.logistic_regression(
            features, labels, noise=noise, delta=1e-5, rng=np.random.default_rng(1)
        )
        for noise in (0, 1, 50)
    }
    scores = {n: accuracy(fit.weights, features, labels) for n, fit in fits.items()}
    assert scores[0] > 0.78
    assert scores[1] > 0.75
    assert scores[50] < scores[0]
    assert fits[0].epsilon > fits[1].epsilon > fits[50].epsilon


def test_without_noise_and_sampling_a_step_is_the_clipped_gradient():
    features, labels, subjects = [[3.0], [3.0], [0.1]], [1, 1, 0], ["a", "a", "b"]
    options = {"noise": 0, "delta": 1e-5, "rate": 1, "steps": 1}
    fit = learning.logistic_regression(features, labels, subjects=subjects, **options)
    # At zero weights each row's slope is (1/2 - y) * (x, 1). Of a: (-3, -1), cut to length 1.
    a = np.array([-3.0, -1.0]) / math.sqrt(10)
    b = np.array([0.05, 0.5])
    assert fit.weights == pytest.approx(-(a + b) / 2)
    assert fit.epsilon == math.inf


@pytest.mark.parametrize("rows", [1, 500])
def test_a_patient_moves_a_step_by_no_more_than_the_clip(rows):
    features, labels = patients(50)
    more = np.concatenate([features, np.full((rows, 3), 1e9)])
    subjects = [*range(50), *[50] * rows]
    options = {"noise": 0, "delta": 1e-5, "rate": 1, "steps": 1, "clip": 0.5}
    one = learning.logistic_regression(features, labels, **options).weights * 50
    two = learning.logistic_regression(
        more, [*labels, *[1] * rows], subjects=subjects, **options
    ).weights
    assert np.linalg.norm(two * 51 - one) <= 0.5 + 1e-9


def test_noise_has_the_deviation_that_the_accountant_counts_on():
    options = {"noise": 2.0, "delta": 1e-5, "rate": 1, "steps": 1, "clip": 0.5}
    rng = np.random.default_rng(4)
    weights = learning.logistic_regression(np.zeros((1, 2000)), [1], rng=rng, **options).weights
    assert weights[:-1].std() == pytest.approx(1.0, abs=0.1)


def test_each_patient_takes_part_by_chance():
    # A feature for each patient: its weight moves if they take part.
    options = {"noise": 0, "delta": 1e-5, "rate": 0.3, "steps": 1}
    rng = np.random.default_rng(4)
    fit = learning.logistic_regression(np.eye(500), np.ones(500), rng=rng, **options)
    assert (fit.weights[:-1] != 0).mean() == pytest.approx(0.3, abs=0.12)


GOOD = {"features": [[1.0], [2.0]], "labels": [0, 1], "noise": 1, "delta": 1e-5}


@pytest.mark.parametrize(
    "bad",
    [
        {"features": [[math.nan], [1]]},
        {"features": [[math.inf], [1]]},
        {"features": [1, 2]},
        {"features": np.empty((0, 1)), "labels": []},
        {"labels": [0, 2]},
        {"labels": [0]},
        {"noise": -1},
        {"noise": math.nan},
        {"delta": 0},
        {"delta": 1},
        {"rate": 0},
        {"rate": 1.5},
        {"steps": 0},
        {"clip": 0},
        {"learning_rate": math.inf},
        {"subjects": ["a"]},
        {"subjects": ["a", None]},
    ],
)
def test_what_cannot_be_learned_from_is_refused(bad):
    learning.logistic_regression(**GOOD)
    with pytest.raises(InputError):
        learning.logistic_regression(**GOOD | bad)


def test_large_features_do_not_overflow():
    fit = learning.logistic_regression([[1e6], [-1e6]], [1, 0], noise=1, delta=1e-5)
    assert np.isfinite(fit.weights).all()
