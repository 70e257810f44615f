"""The rows nearest to a person: counted by bits, by hand and by comparing everybody."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import BOXES, FACTS, WARD
from hypothesis import given
from hypothesis import strategies as st

from medlab import tabular
from medlab.evaluation.attacker import nearest
from medlab.evaluation.linkage import linked, true_pairs
from medlab.tabular.released_cells import exact_values, scale, see


@given(st.integers(0, 10_000))
def test_counting_who_fits_by_bits_equals_comparing_everybody(seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"a": rng.integers(0, 9, 30), "c": rng.choice(list("wxyz"), 30)})
    people = pd.DataFrame({"a": rng.integers(0, 12, 90), "c": rng.choice(list("wxyzq"), 90)})
    release = tabular.mondrian(table, ["a", "c"], k=3)
    seen = see(release.table, [scale(table[name]) for name in ("a", "c")])
    exact = exact_values(people, seen.scales)
    inside = np.zeros(len(seen.sizes), dtype=int)
    for near in nearest(seen, exact, 7):
        inside += (near.mask & (near.distance[:, None] < 1e-9)).sum(axis=0)
    assert seen.fits(exact).tolist() == inside.tolist()


def test_memory_does_not_grow_with_rows_times_targets():
    rng = np.random.default_rng(0)
    n = 6_000
    table = pd.DataFrame({"a": rng.permutation(n), "b": rng.permutation(n)})
    seen = see(table, [scale(table[name]) for name in table])
    pairs = true_pairs(np.arange(n), np.arange(n))
    tracemalloc.start()
    hits = sum(
        linked(near, seen, pairs).sum() for near in nearest(seen, exact_values(table, seen.scales))
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert hits == n
    assert peak < n * n * 8 / 20


def test_a_perturbed_row_is_found_by_the_smallest_gap():
    scales = [scale(WARD["Age"])]
    released = pd.DataFrame({"Age": [25.5, 30.0]})
    seen = see(released, scales)
    (near,) = nearest(seen, exact_values(pd.DataFrame({"Age": [25, 28, 29]}), scales))
    assert near.mask.tolist() == [[True, False], [False, True], [False, True]]
    assert near.distance == pytest.approx([0.5 / 3, 2 / 3, 1 / 3])


def test_people_who_fit_are_counted_as_by_hand():
    seen = see(BOXES, [scale(WARD[name]) for name in FACTS])
    people = pd.DataFrame({"Age": [25, 26, 27, 27, 40], "Sex": ["M", "F", "M", "X", "M"]})
    assert seen.fits(exact_values(people, seen.scales))[seen.class_of].tolist() == [
        1,
        1,
        1,
        1,
        1,
        1,
    ]
