"""What methods do to a column and what an attacker gets, as figures."""

import pandas as pd

from medlab.viz.methods import draw_actions, draw_attack


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
