"""Where a part is cut, and which cut is taken."""

import sys

import numpy as np
import pandas as pd

from medlab import tabular


def test_many_batches_give_the_same_classes_as_one(monkeypatch):
    module = sys.modules["medlab.tabular.cuts"]
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.random(4000), "b": rng.integers(0, 30, 4000)})
    table["s"] = rng.integers(0, 5, 4000)
    whole = tabular.mondrian(table, ["a", "b"], "s", k=5, l=2)
    monkeypatch.setattr(module, "_BATCH_ROWS", 100)
    divided = tabular.mondrian(table, ["a", "b"], "s", k=5, l=2)
    assert (whole.class_of == divided.class_of).all()


def test_both_sides_of_a_tie_are_tried():
    # The median is the smallest value: "below the median" is empty, "up to it" is not.
    table = pd.DataFrame({"hours": [40] * 6 + [50, 51, 52, 60]})
    release = tabular.mondrian(table, "hours", k=4)
    assert release.classes["size"].tolist() == [6, 4]


def test_the_next_widest_column_is_cut_where_the_widest_cannot_be():
    table = pd.DataFrame({"wide": [0] * 7 + [100], "narrow": [1, 2, 3, 4, 5, 6, 7, 7]})
    release = tabular.mondrian(table, ["wide", "narrow"], k=3)
    assert release.cuts["column"].tolist() == ["narrow"]


def test_the_best_search_loses_less(ward, quasi):
    fast, best = (
        tabular.gcp(tabular.mondrian(ward, quasi, k=5, quality=quality).table, quasi, ward)
        for quality in ("fast", "best")
    )
    assert best < fast
