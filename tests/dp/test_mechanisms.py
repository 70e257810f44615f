"""The mechanisms drawn many times, against a plain loop of their formulas.

Bounds are six standard errors: a right mechanism fails one in five hundred million times.
"""

import math
import sys

import numpy as np
import pytest

from medlab.dp import mechanisms
from medlab.errors import InputError, UnavailableError

DRAWS = 20_000


def shares_near(found, chances, draws=DRAWS):
    spread = np.sqrt(chances * (1 - chances) / draws)
    assert (np.abs(found / draws - chances) <= 6 * spread + 1e-9).all()


@pytest.mark.needs("dp")
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_integer_laplace_has_its_distribution(scale):
    noise = mechanisms.add_laplace(np.full(DRAWS, 7), scale) - 7
    weights = {k: math.exp(-abs(k) / scale) for k in range(-400, 401)}
    chances = np.array([weights[k] for k in range(-5, 6)]) / sum(weights.values())
    shares_near(np.array([(noise == k).sum() for k in range(-5, 6)]), chances)


@pytest.mark.needs("dp")
def test_integer_gaussian_has_its_distribution():
    noise = mechanisms.add_gaussian(np.zeros((DRAWS // 4, 4)), 2.0)
    assert noise.shape == (DRAWS // 4, 4)
    weights = {k: math.exp(-k * k / 8) for k in range(-60, 61)}
    chances = np.array([weights[k] for k in range(-5, 6)]) / sum(weights.values())
    shares_near(np.array([(noise == k).sum() for k in range(-5, 6)]), chances)


@pytest.mark.needs("dp")
def test_a_choice_has_the_chances_of_the_exponential_mechanism():
    scores = np.array([-3, 0, 2, 2])
    chances = np.exp(scores / 2) / np.exp(scores / 2).sum()
    drawn = [mechanisms.choose(scores, 2.0) for _ in range(3000)]
    shares_near(np.bincount(drawn, minlength=4), chances, 3000)


@pytest.mark.parametrize("scale", [0.05, 0.2, 1.0, 7.5, 200.0])
def test_the_expected_error_is_that_of_the_distribution(scale):
    weights = [(k, math.exp(-k / scale)) for k in range(1, int(60 * scale) + 10)]
    error = 2 * sum(k * w for k, w in weights) / (1 + 2 * sum(w for _, w in weights))
    assert mechanisms.laplace_error(scale) == pytest.approx(error, rel=1e-9)


@pytest.mark.needs("dp")
def test_counts_beyond_32_bits_keep_their_digits():
    assert abs(int(mechanisms.add_laplace([2**40], 1.0)[0]) - 2**40) < 100


@pytest.mark.needs("dp")
def test_noise_beyond_64_bits_ends_where_they_end():
    ends = np.iinfo(np.int64)
    assert set(mechanisms.add_laplace([0] * 50, 1e300).tolist()) <= {ends.min, ends.max}


@pytest.mark.needs("dp")
@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_a_scale_that_is_none_is_refused(scale):
    for draw in (mechanisms.add_laplace, mechanisms.add_gaussian, mechanisms.choose):
        with pytest.raises(InputError, match="noise"):
            draw([1, 2], scale)


def test_without_opendp_the_command_that_brings_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opendp", None)
    with pytest.raises(UnavailableError, match="setup dp"):
        mechanisms.add_laplace([1], 0.123456)
