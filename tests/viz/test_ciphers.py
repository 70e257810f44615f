"""Figures of encryption say what was computed."""

import numpy as np
import pandas as pd
import pytest

from medlab.viz import ciphers


def test_bars_are_as_long_as_trying_takes():
    fig = ciphers.enumeration_times({"a birth date": 36_525, "a code": 2.0**80}, rate=1000)
    widths = [bar.get_width() for bar in fig.axes[0].patches]
    assert widths == [36.525, 2.0**80 / 1000]
    low, high = fig.axes[0].get_xlim()
    assert low < min(widths) < max(widths) < high


@pytest.mark.parametrize(("bits", "half"), [(64, 4.3e10), (128, 3.7e20)])
def test_half_a_chance_stands_where_the_birthday_bound_has_it(bits, half):
    # 1.1774 times the root of 2^bits blocks of bits / 8 bytes
    (line, *_) = ciphers.collisions({"a cipher": bits}).axes[0].get_lines()
    size, chance = line.get_data()
    assert np.isclose(np.interp(50, chance, size), half, rtol=0.1)
    assert (np.diff(chance) >= 0).all()


def test_lengths_are_drawn_as_what_each_adds():
    table = pd.DataFrame({"exact": [29, 30, 31], "padded": [64, 64, 64]}, index=[1, 2, 3])
    lines = ciphers.lengths(table).axes[0].get_lines()
    assert [list(line.get_ydata()) for line in lines] == [[0, 1, 2], [0, 0, 0]]
