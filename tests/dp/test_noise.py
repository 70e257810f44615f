"""Noise and choice as their formulas say, drawn many times.

Bounds are six standard errors: what is right fails one time in five hundred million.
"""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.dp import noise
from medlab.dp.noise import epsilon_of, noise_multiplier, rho_of
from medlab.errors import InputError, UnavailableError

DRAWS = 20_000
ENDS = np.iinfo(np.int64)


def shares_near(found, chances, draws=DRAWS):
    spread = np.sqrt(chances * (1 - chances) / draws)
    assert (np.abs(found / draws - chances) <= 6 * spread + 1e-9).all()


def near_zero(errors, weight):
    """Compare how often errors from -5 to 5 came with weights of whole numbers."""
    weights = {k: weight(k) for k in range(-400, 401)}
    chances = np.array([weights[k] for k in range(-5, 6)]) / sum(weights.values())
    shares_near(np.array([(errors == k).sum() for k in range(-5, 6)]), chances)


@pytest.mark.needs("dp")
@pytest.mark.parametrize("scale", [0.5, 2.0, 10.0])
def test_integer_laplace_has_its_distribution(scale):
    errors = noise.integer_laplace(np.full(DRAWS, 7), scale) - 7
    near_zero(errors, lambda k: math.exp(-abs(k) / scale))


@pytest.mark.needs("dp")
@pytest.mark.parametrize("rho", [0.5, 0.01])
def test_integer_gaussian_has_its_distribution(rho):
    errors = noise.integer_gaussian(np.zeros((2, DRAWS // 2), int), rho)
    assert errors.shape == (2, DRAWS // 2)
    near_zero(errors, lambda k: math.exp(-k * k * rho))


@pytest.mark.needs("dp")
@pytest.mark.parametrize("sensitivity", [1.0, 4.0])
def test_a_choice_has_the_chances_of_its_rho(sensitivity):
    epsilon, scores = math.sqrt(8 * 0.125), np.array([-3.0, 0.0, 2.0, 2.0])
    weights = np.exp(epsilon * scores / (2 * sensitivity))
    picks = [noise.choice(scores, 0.125, sensitivity) for _ in range(3000)]
    shares_near(np.bincount(picks, minlength=4), weights / weights.sum(), 3000)


@pytest.mark.needs("dp")
def test_counts_are_of_64_bits_and_noise_ends_where_they_end():
    assert abs(int(noise.integer_laplace(np.array([2**40]), 1.0)[0]) - 2**40) < 100
    assert set(noise.integer_laplace(np.zeros(50, int), 1e300)) <= {ENDS.min, ENDS.max}


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan, math.inf])
def test_a_size_that_is_none_is_refused(size):
    for draw in (noise.integer_laplace, noise.integer_gaussian, noise.choice):
        with pytest.raises(InputError, match="noise"):
            draw(np.array([1, 2]), size)


def test_without_opendp_the_command_that_brings_it_is_named(monkeypatch):
    noise._opendp.cache_clear()
    monkeypatch.setitem(sys.modules, "opendp", None)
    with pytest.raises(UnavailableError, match="setup dp"):
        noise.integer_laplace(np.array([1]), 0.123456)


@pytest.mark.parametrize(("epsilon", "delta", "rho"), [
    (1, 1e-9, 0.01178), (5, 1e-9, 0.26991), (0.5, 1e-9, 0.00298), (3, 1e-5, 0.17348),
])  # fmt: skip
def test_rho_is_what_the_conversion_gives(epsilon, delta, rho):
    assert rho_of(epsilon, delta) == pytest.approx(rho, abs=5e-6)
    assert rho + 2 * math.sqrt(rho * math.log(1 / delta)) == pytest.approx(epsilon, rel=1e-3)


@given(st.floats(1e-9, 100), st.floats(1e-12, 0.5), st.integers(1, 10_000))
def test_all_steps_together_spend_what_was_given_and_not_more(epsilon, delta, steps):
    spent = epsilon_of(noise_multiplier(epsilon, delta, steps), delta, steps)
    assert spent == pytest.approx(epsilon, rel=1e-9)
    assert spent <= epsilon
