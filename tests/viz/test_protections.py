"""Figures of protections show the numbers that they are given."""

import numpy as np
import pandas as pd
import pytest

from medlab.errors import InputError
from medlab.viz.protections import (
    draw_actions,
    draw_attack,
    draw_collisions,
    draw_enumeration_times,
    draw_errors,
    draw_lengths,
    draw_neighbors,
    draw_places,
    draw_success,
    draw_variants,
)


def test_bars_say_their_shares_and_guessing_has_a_mark_each():
    rate = pd.Series({"value": 0.25, "low": 0.2, "high": 0.3, "baseline": 0.01})
    rates = pd.DataFrame({"k < 5": rate, "none": rate.replace(0.25, 1.0)}).T
    (ax,) = draw_attack(rates).axes
    assert [bar.get_width() for bar in ax.patches] == [25, 100]
    assert [text.get_text() for text in ax.texts] == ["25.0", "100.0"]
    (guesses,) = ax.lines
    assert list(guesses.get_xdata()) == [1, 1]


def test_every_count_of_every_policy_has_a_bar_of_its_length():
    counts = pd.DataFrame({"basic": [3, 8], "research": [5, 2]}, index=["removed", "kept"])
    (ax,) = draw_actions(counts).axes
    assert sorted(bar.get_width() for bar in ax.patches) == [2, 3, 5, 8]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["removed", "kept"]
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["basic", "research"]


def test_bars_are_shares_of_the_errors_and_the_line_is_the_formula():
    fig = draw_errors({"twice": [0, 0, 1, -2], "once": [3]}, [1.0, 2.0])
    first, second = fig.axes
    heights = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in first.patches}
    assert {k: share for k, share in heights.items() if share} == {0: 0.5, 1: 0.25, -2: 0.25}
    places, chances = first.lines[0].get_data()
    q = np.exp(-1)
    assert chances == pytest.approx([(1 - q) / (1 + q) * q ** abs(k) for k in places])
    assert second.get_title() == "once"


def test_neighbors_are_drawn_as_two_lines_a_panel():
    fig = draw_neighbors({"a": ([1, 2, 2], [4, 4, 4])}, ("with", "without"))
    (ax,) = fig.axes
    shares = [line.get_ydata().tolist() for line in ax.lines]
    assert shares == [pytest.approx([1 / 3, 2 / 3, 0, 0]), [0, 0, 0, 1]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["with", "without"]


@pytest.mark.parametrize("bound", [None, pd.Series({0.5: 0.62, 2.0: 0.88})])
def test_success_is_drawn_over_epsilon_with_its_interval(bound):
    rates = pd.DataFrame(
        {"value": [0.6, 0.9], "low": [0.5, 0.8], "high": [0.7, 0.95]}, index=[0.5, 2.0]
    )
    (ax,) = draw_success(rates, "title", "label", bound).axes
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


def test_no_answers_to_draw_is_said():
    for draw in (
        lambda: draw_errors({}, []),
        lambda: draw_errors({"a": []}, [1]),
        lambda: draw_neighbors({}, ("a", "b")),
    ):
        with pytest.raises(InputError):
            draw()


def test_bars_are_as_long_as_trying_takes():
    fig = draw_enumeration_times({"a birth date": 36_525, "a code": 2.0**80}, rate=1000)
    widths = [bar.get_width() for bar in fig.axes[0].patches]
    assert widths == [36.525, 2.0**80 / 1000]
    low, high = fig.axes[0].get_xlim()
    assert low < min(widths) < max(widths) < high


@pytest.mark.parametrize(("bits", "half"), [(64, 4.3e10), (128, 3.7e20)])
def test_half_a_chance_stands_where_the_birthday_bound_has_it(bits, half):
    # 1.1774 times the root of 2^bits blocks of bits / 8 bytes
    (line, *_) = draw_collisions({"a cipher": bits}).axes[0].get_lines()
    size, chance = line.get_data()
    assert np.isclose(np.interp(50, chance, size), half, rtol=0.1)
    assert (np.diff(chance) >= 0).all()


def test_lengths_are_drawn_as_what_each_adds():
    table = pd.DataFrame({"exact": [29, 30, 31], "padded": [64, 64, 64]}, index=[1, 2, 3])
    lines = draw_lengths(table).axes[0].get_lines()
    assert [list(line.get_ydata()) for line in lines] == [[0, 1, 2], [0, 0, 0]]


def test_bars_of_variants_are_the_figures_and_an_empty_one_says_so():
    table = pd.DataFrame(
        {"AUC": [0.7, 0.9], "attacker is right": [np.nan, 0.75]}, index=["alone", "together"]
    )
    fig = draw_variants(table)
    assert [[bar.get_width() for bar in ax.patches] for ax in fig.axes] == [[0.7, 0.9], [0, 0.75]]
    words = [[text.get_text() for text in ax.texts] for ax in fig.axes]
    assert words == [["0.70", "0.90"], ["no update to attack", "0.75"]]
    assert [text.get_text() for text in fig.axes[0].get_yticklabels()] == ["alone", "together"]


def test_each_row_is_a_mark_at_its_two_places():
    fig = draw_places({"kept": [0, 1, 2], "shuffled": [2, 0, 1]}, "file")
    kept, shuffled = fig.axes
    assert [*shuffled.lines[0].get_xdata()] == [0, 1, 2]
    assert [*shuffled.lines[0].get_ydata()] == [2, 0, 1]
    assert kept.get_title() == "kept"
    assert kept.get_ylabel() == "file of the source"


@pytest.mark.parametrize("places", [{}, {"empty": []}])
def test_no_places_to_draw_is_refused(places):
    with pytest.raises(InputError, match="no places"):
        draw_places(places)
