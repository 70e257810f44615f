"""Noise, drawn values and permutation: their laws, and what fits a VR."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from methods_cases import DAYS

from medlab.errors import InputError, KindError
from medlab.methods import (
    randomization,
    values,
)


def rng():
    return np.random.default_rng(7)


def test_noise_has_the_asked_mean_and_spread():
    column = pd.Series(np.full(20_000, 70.0))
    noisy = randomization.noise(column, 5.0, rng())
    assert abs(noisy.mean() - 70) < 4 * 5 / np.sqrt(20_000)
    assert noisy.std() == pytest.approx(5, rel=0.03)


@given(DAYS, st.integers(0, 2**32))
def test_noise_on_a_date_is_a_date(value, seed):
    if "1910" < value[:4] < "9980":
        assert values.is_valid(
            randomization.noise(value, 30, np.random.default_rng(seed), vr="DA"), "DA"
        )


def test_noise_keeps_form_and_limits():
    assert randomization.noise("047Y", 0, rng(), vr="AS") == "047Y"
    assert randomization.noise("002M", 1e6, rng(), vr="AS")[-1] == "M"
    assert values.is_valid(randomization.noise("1.7", 3.3, rng()), "DS")
    assert values.is_valid(randomization.noise("170", 3.3, rng()), "IS")
    assert (
        randomization.noise(pd.Series([1.0] * 50), 100, rng(), limits=(0, 2)).between(0, 2).all()
    )


@pytest.mark.parametrize(("value", "vr"), [("Doe^Jane", "DS"), ("47 Doe", "AS"), ("Doe", "DA")])
def test_noise_on_what_is_no_number_is_refused_without_repeating_it(value, vr):
    with pytest.raises(InputError) as caught:
        randomization.noise(value, 1, rng(), vr=vr)
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "vr"),
    [("Doe^Jane", "PN"), ("12345", "LO"), ("19620417", "DA"), ("047Y", "AS"), ("72.5", "DS"),
     ("12", "IS"), ("20240101120000", "DT"), ("M", "CS")],
)  # fmt: skip
def test_a_random_replacement_fits_the_vr(value, vr):
    assert values.is_valid(randomization.replace(value, rng(), vr=vr), vr)


def test_a_replacement_comes_from_the_pool_and_the_seed_decides_it():
    column = pd.Series(["x"] * 200)
    first = randomization.replace(column, rng(), vr="CS", pool=["F", "M", "O"])
    assert set(first) == {"F", "M", "O"}
    assert first.equals(randomization.replace(column, rng(), vr="CS", pool=["F", "M", "O"]))
    with pytest.raises(InputError):
        randomization.replace("1.2.3", rng(), vr="UI")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 2**32))
def test_permutation_keeps_the_values_of_every_group(numbers, seed):
    column = pd.Series(numbers, index=range(100, 100 + len(numbers)))
    sex = pd.Series(["F" if n % 2 else "M" for n in range(len(numbers))], index=column.index)
    out = randomization.permute(column, np.random.default_rng(seed), within=sex)
    for group in ("F", "M"):
        assert sorted(out[sex == group]) == sorted(column[sex == group])
    assert out.index.equals(column.index)


def test_one_value_cannot_be_permuted():
    with pytest.raises(KindError):
        randomization.permute("x", rng())


@pytest.mark.parametrize("number", [
    -1.234567891e-100, -1.2345678912e-5, 123456789.123456789, 0.1 + 0.2, -9.99999999999e300, 7e19,
])  # fmt: skip
@pytest.mark.parametrize("value", ["1.5", "12"])
def test_a_moved_number_is_rounded_and_never_cut(number, value):
    text = values.like(number, value)
    assert len(text) <= 16
    if value == "1.5":
        assert float(text) == pytest.approx(number, rel=1e-7)
    else:
        assert float(text) == pytest.approx(number, rel=1e-7, abs=0.5)
