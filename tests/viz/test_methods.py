"""What methods do to a column and what an attacker gets, as figures."""

import pandas as pd

from medlab.viz.methods import attack_bars, draw_actions


def test_bars_say_their_shares_and_guessing_stands_last():
    rate = pd.Series({"value": 0.25, "low": 0.2, "high": 0.3, "baseline": 0.01})
    page = attack_bars({"k < 5": rate, "none": rate.replace(0.25, 1.0)})
    assert page.count("<tr") == 3
    assert "k &lt; 5" in page
    assert "25.0% (20.0% to 30.0%)" in page
    assert page.index("100.0%") < page.index("guessing") < page.index("1.0%</td>")


def test_every_count_of_every_policy_has_a_bar_of_its_length():
    counts = pd.DataFrame({"basic": [3, 8], "research": [5, 2]}, index=["removed", "kept"])
    (ax,) = draw_actions(counts).axes
    assert sorted(bar.get_width() for bar in ax.patches) == [2, 3, 5, 8]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["removed", "kept"]
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["basic", "research"]
