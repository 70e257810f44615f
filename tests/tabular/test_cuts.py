"""Where a part is cut, and which cut is taken."""

import sys

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

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


def _slow_parts(codes, rows, k):
    """Cut rows at the median of the widest column that can be cut; return the parts."""
    part = codes[rows]
    whole = np.maximum(codes.max(axis=0), 1)
    widths = part.max(axis=0) / whole - part.min(axis=0) / whole
    for column in np.argsort(-widths, kind="stable"):
        values = part[:, column]
        median = np.sort(values)[len(values) // 2]
        sides = [values < median, values <= median]
        side = max(sides, key=lambda left: min(left.sum(), (~left).sum()))
        if min(side.sum(), (~side).sum()) >= k:
            return [*_slow_parts(codes, rows[side], k), *_slow_parts(codes, rows[~side], k)]
    return [rows]


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(2, 9))
def test_the_parts_are_those_of_a_plain_recursion(seed, spread, k):
    rng = np.random.default_rng(seed)
    codes = np.c_[rng.integers(0, spread, 300), rng.integers(0, 3, 300), rng.permutation(300)]
    codes = np.vstack([codes, codes.min(axis=0), codes.max(axis=0)])
    codes -= codes.min(axis=0)
    release = tabular.mondrian(pd.DataFrame(codes, columns=["a", "b", "c"]), ["a", "b", "c"], k=k)
    slow = _slow_parts(codes, np.arange(len(codes)), k)
    assert {tuple(part) for part in release.partitions} == {tuple(part) for part in slow}
