from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlab.errors import InputError
from medlab.pixels import attack, effects


@pytest.mark.parametrize(
    "soften", [partial(effects.pixelated, block=6), partial(effects.blurred, sigma=2.0)]
)
def test_a_number_is_read_back_from_its_blocks_and_its_blur(soften):
    rng = np.random.default_rng(4)
    seen = soften(attack.written("40217935"))
    seen = seen + rng.normal(0, 8, seen.shape)
    assert attack.read_back(seen, soften, 8).text == "40217935"


def test_the_parts_of_the_digits_add_up_to_the_number():
    soften = partial(effects.blurred, sigma=3.0)
    parts = attack._digits(soften, 4, 16)
    whole = soften(attack.written("7305"))
    together = parts[range(4), [7, 3, 0, 5]].sum(axis=0)
    assert np.abs(whole - together).max() < 6  # glyphs that touch are cut at white


def test_recovery_falls_with_the_strength_of_the_effect():
    table = attack.recovery(
        [("pixelate", 4), ("pixelate", 40)], np.random.default_rng(0), numbers=3, length=6
    )
    assert table["whole"].tolist()[0] == 1
    assert table["digits"].tolist()[1] < 0.6


def test_only_blur_and_pixelate_can_be_attacked():
    with pytest.raises(InputError, match="blur and pixelate"):
        attack.recovery([("blank", 1)], np.random.default_rng(0))


@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 30))
def test_pixelating_keeps_the_mean_of_whole_blocks(block, rows, columns):
    rng = np.random.default_rng(rows * columns)
    data = rng.integers(0, 255, (rows * block, columns)).astype(float)
    soft = effects.pixelated(data, block)
    assert soft.shape == data.shape
    whole = data[:, : columns - columns % block]
    assert np.isclose(soft[:, : whole.shape[1]].mean() if whole.size else 0,
                      whole.mean() if whole.size else 0)  # fmt: skip
