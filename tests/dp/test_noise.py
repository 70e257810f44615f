"""Noise as its formula says, and choice by score."""

import numpy as np
import pytest

from medlab.dp import noise

pytestmark = pytest.mark.needs("dp")
DRAWS = 20_000
CHANCE = 5.5  # standard errors: a two-sided chance of 4e-8 to fail


@pytest.mark.parametrize("scale", [0.5, 2.0, 10.0])
def test_integer_laplace_errs_as_the_geometric_formula_says(scale):
    errors = np.abs(noise.integer_laplace(np.full(DRAWS, 7), scale) - 7)
    q = np.exp(-1 / scale)
    assert abs(errors.mean() - 2 * q / (1 - q**2)) < CHANCE * errors.std() / np.sqrt(DRAWS)


@pytest.mark.parametrize("rho", [0.5, 0.01])
def test_integer_gaussian_has_the_variance_that_its_rho_asks_for(rho):
    errors = (noise.integer_gaussian(np.zeros((2, DRAWS // 2), int), rho)).ravel()
    assert errors.dtype == np.int64
    spread = errors.astype(float) ** 2
    # of the discrete Gaussian the variance is at most that of the Gaussian, and near it
    assert abs(spread.mean() - 1 / (2 * rho)) < CHANCE * spread.std() / np.sqrt(DRAWS) + 1e-3


def test_a_choice_attains_the_odds_of_its_rho_and_no_more():
    epsilon = np.sqrt(8 * 0.125)
    picks = np.array([noise.choice(np.array([0.0, 1.0]), 0.125) for _ in range(4000)])
    share = 1 / (1 + np.exp(-epsilon / 2))  # the exponential mechanism, sensitivity 1
    assert abs(picks.mean() - share) < CHANCE * np.sqrt(share * (1 - share) / 4000)
