"""Linkage: laws of partitions, and two halves of exact facts."""

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import QUASI, SENSITIVE
from hypothesis import given
from hypothesis import strategies as st

from medlab import evaluation, tabular
from medlab.evaluation.linkage import linkability
from medlab.tabular.released_cells import exact_values, scale, see


def test_strict_partitions_link_exactly_classes_over_rows_and_never_more_than_one_in_k(by_k):
    for k, found in by_k.items():
        assert found["linkage"] == pytest.approx(found["prosecutor mean"], abs=1e-12)
        assert found["linkage"] <= 1 / k
        assert found["own row fits exactly"] == 1.0


def test_overlapping_boxes_link_at_most_one_in_k(small):
    release = tabular.k_member(small.released, QUASI, SENSITIVE, k=5)
    rows = evaluation.evaluate(small.released, release, QUASI).set_index("measure")["value"]
    assert rows["linkage"] <= 0.2
    assert rows["own row fits exactly"] == 1.0


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_any_strict_release_links_classes_over_rows(seed, k):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "a": rng.integers(0, 6, 40),
            "b": rng.normal(size=40).round(1),
            "c": rng.choice(list("xyz"), 40),
        }
    )
    release = tabular.mondrian(table, ["a", "b", "c"], k=k)
    rows = evaluation.evaluate(table, release, ["a", "b", "c"]).set_index("measure")["value"]
    assert rows["linkage"] == pytest.approx(len(release.classes) / 40, abs=1e-12)


def test_two_halves_of_exact_facts_lead_to_the_same_row():
    table = pd.DataFrame({"Age": [1, 2, 2], "Height": [5, 6, 7]})
    seen = see(table, [scale(table[name]) for name in table])
    # Rows 2 and 3 share the age: the first attacker throws a coin.
    assert linkability(seen, exact_values(table, seen.scales), (["Age"], ["Height"])).tolist() == [
        1.0,
        0.5,
        0.5,
    ]
