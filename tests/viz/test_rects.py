"""Classes drawn as rectangles."""

import time

import numpy as np
import pandas as pd

from medlab import tabular
from medlab.viz import rects


def test_thirty_thousand_rows_and_two_thousand_boxes_are_two_collections():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=30_000), "b": rng.normal(size=30_000)})
    table["s"] = rng.choice(list("xyz"), 30_000)
    release = tabular.mondrian(table, ["a", "b"], "s", k=10)
    start = time.process_time()
    fig = rects.draw_rectangles(tabular.rectangles(release, table, "a", "b"))
    fig.canvas.draw()
    assert len(release.classes) > 1_900
    assert len(fig.axes[0].patches) == 0
    assert len(fig.axes[0].collections) == 2 + 3
    assert time.process_time() - start < 20


def test_methods_and_beliefs_and_reliefs_are_drawn():
    table = pd.DataFrame({"gcp": [0.1, "n/a"], "t": [0.5, None]}, index=["one", "two"])
    fig = rects.draw_methods(table, {"gcp": "loss", "t": "distance"})
    assert "n/a" in " ".join(text.get_text() for text in fig.axes[0].texts)
    rects.draw_beliefs({"k": np.array([0.5, 1.0, np.nan])}).canvas.draw()
    rects.draw_reliefs({"face": np.random.default_rng(0).random((2, 8, 8))}).canvas.draw()


def test_a_legend_names_what_is_drawn_only():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200), "s": "x"})
    release = tabular.mondrian(table, ["a", "b"], "s", k=10)
    for l, points, wanted in (
        (1, False, ["class"]),
        (2, True, ["class", "criterion violated", "x"]),
    ):
        shown = tabular.rectangles(release, table, "a", "b", k=10, l=l)
        (legend,) = rects.draw_rectangles(shown, points=points).legends
        assert [text.get_text() for text in legend.get_texts()] == wanted


def test_a_script_without_a_font_is_written_in_latin_letters_and_said_once(monkeypatch, caplog):
    monkeypatch.setattr(rects, "_characters", lambda: frozenset(map(ord, "Ärger")))
    rects._say_once.cache_clear()
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
    monkeypatch.setattr(rects, "_characters", lambda: frozenset(map(ord, "東京")))
    assert rects._readable("東京") == "東京"
