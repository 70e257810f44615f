"""Labels in any script can be read in a figure."""

import numpy as np
import pandas as pd

from medlab import tabular
from medlab.viz import figure, rects


def test_a_script_without_a_font_is_written_in_latin_letters_and_said_once(monkeypatch, caplog):
    monkeypatch.setattr(figure, "_characters", lambda: frozenset(map(ord, "Ärger")))
    figure._say_once.cache_clear()
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "年齢": rng.integers(20, 80, 60),
            "県": rng.choice(["東京", "大阪"], 60),
            "D": rng.choice(["Ärger", "糖尿病"], 60),
        }
    )
    release = tabular.mondrian(table, ["年齢", "県"], "D", k=5)
    fig = rects.draw_rectangles(tabular.rectangles(release, table, "県", "年齢"))
    ax, (legend,) = fig.axes[0], fig.legends
    texts = [text.get_text() for text in (*ax.get_xticklabels(), *legend.get_texts())]
    assert {"DongJing", "DaBan", "Ärger", "TangNiaoBing"} <= set(texts)
    assert ax.get_ylabel().isascii()
    assert len(caplog.records) == 1


def test_a_font_that_has_the_script_keeps_it(monkeypatch):
    monkeypatch.setattr(figure, "_characters", lambda: frozenset(map(ord, "東京")))
    assert figure.readable("東京") == "東京"
