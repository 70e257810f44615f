"""Figures of noisy answers show the numbers that they are given."""

import numpy as np
import pandas as pd
import pytest

from medlab.errors import InputError
from medlab.viz import noisy_answers


def test_bars_are_shares_of_the_errors_and_the_line_is_the_formula():
    fig = noisy_answers.draw_errors({"twice": [0, 0, 1, -2], "once": [3]}, [1.0, 2.0])
    first, second = fig.axes
    heights = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in first.patches}
    assert {k: share for k, share in heights.items() if share} == {0: 0.5, 1: 0.25, -2: 0.25}
    places, chances = first.lines[0].get_data()
    q = np.exp(-1)
    assert chances == pytest.approx([(1 - q) / (1 + q) * q ** abs(k) for k in places])
    assert second.get_title() == "once"


def test_neighbors_are_drawn_as_two_lines_a_panel():
    fig = noisy_answers.draw_neighbors({"a": ([1, 2, 2], [4, 4, 4])}, ("with", "without"))
    (ax,) = fig.axes
    shares = [line.get_ydata().tolist() for line in ax.lines]
    assert shares == [pytest.approx([1 / 3, 2 / 3, 0, 0]), [0, 0, 0, 1]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["with", "without"]


@pytest.mark.parametrize("bound", [None, pd.Series({0.5: 0.62, 2.0: 0.88})])
def test_success_is_drawn_over_epsilon_with_its_interval(bound):
    rates = pd.DataFrame(
        {"value": [0.6, 0.9], "low": [0.5, 0.8], "high": [0.7, 0.95]}, index=[0.5, 2.0]
    )
    (ax,) = noisy_answers.draw_success(rates, "title", "label", bound).axes
    assert ax.get_xscale() == "log"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0.5", "2"]
    (bars,) = ax.containers
    assert bars.lines[0].get_ydata().tolist() == [0.6, 0.9]
    segments = bars.lines[2][0].get_segments()
    assert [segment[:, 1].tolist() for segment in segments] == [
        pytest.approx([0.5, 0.7]),
        pytest.approx([0.8, 0.95]),
    ]
    words = {text.get_text() for text in ax.get_legend().get_texts()}
    assert ("no attack does better" in words) == (bound is not None)


def test_nothing_to_draw_is_said():
    for draw in (
        lambda: noisy_answers.draw_errors({}, []),
        lambda: noisy_answers.draw_errors({"a": []}, [1]),
        lambda: noisy_answers.draw_neighbors({}, ("a", "b")),
    ):
        with pytest.raises(InputError):
            draw()
