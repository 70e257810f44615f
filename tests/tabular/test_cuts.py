"""Where a part is cut, and which cut is taken."""

import pandas as pd

from medlab import tabular


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
