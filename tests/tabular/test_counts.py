"""Distances of sensitive values, worked in the paper of t-closeness."""

import pandas as pd
import pytest
from tabular_cases import table

from medlab import tabular

ULCER, GASTRITIS, CANCER, FLU, BRONCHITIS, PNEUMONIA = (
    "gastric ulcer",
    "gastritis",
    "stomach cancer",
    "flu",
    "bronchitis",
    "pneumonia",
)


@pytest.mark.parametrize(
    ("classes", "t"),
    [
        ([[3, 4, 5], [6, 8, 11], [7, 9, 10]], 0.375),
        ([[3, 5, 9], [6, 8, 11], [4, 7, 10]], 1 / 6),
    ],
)
def test_t_of_the_salary_table(classes, t):
    rows = [(number, pay) for number, pays in enumerate(classes) for pay in pays]
    box, pay = zip(*rows, strict=True)
    assert tabular.t_closeness(table(box=box, pay=pay), "box", "pay") == pytest.approx(t)


def test_the_tree_distance_of_two_leaves_is_the_level_of_their_ancestor_over_the_height():
    tree = pd.DataFrame(
        {
            "one": ["infection", "infection", "vascular", "stomach"],
            "two": ["respiratory", "respiratory", "respiratory", "digestive"],
            "any": ["*"] * 4,
        },
        index=[FLU, BRONCHITIS, "pulmonary embolism", CANCER],
    )
    for other, expected in ((BRONCHITIS, 1 / 3), ("pulmonary embolism", 2 / 3), (CANCER, 1)):
        pair = table(box=[0, 1], disease=[FLU, other])
        # Each class holds one of two equal halves: half of the mass moves.
        t = tabular.t_closeness(pair, "box", "disease", hierarchy=tree)
        assert t == pytest.approx(expected / 2)
