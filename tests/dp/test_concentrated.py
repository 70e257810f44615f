"""The budget against figures worked out elsewhere."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.dp.concentrated import epsilon_of, noise_multiplier, rho_of


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
