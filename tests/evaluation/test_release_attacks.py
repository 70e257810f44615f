"""Attacks on a released table: laws of partitions, answers by hand, controls that are known."""

import dataclasses
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import BOXES, FACTS, QUASI, SENSITIVE, WARD, measured, synthetic
from hypothesis import given
from hypothesis import strategies as st

from medlab import evaluation, tabular
from medlab.evaluation.experiments import Tables
from medlab.evaluation.release_attacks import (
    linkability,
    linked,
    nearest,
    population_uniqueness,
    true_pairs,
)
from medlab.evaluation.release_attacks import sliced as sliced_chance
from medlab.tabular.released_cells import exact_values, scales_of, see


@given(st.integers(0, 10_000))
def test_counting_who_fits_by_bits_equals_comparing_everybody(seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"a": rng.integers(0, 9, 30), "c": rng.choice(list("wxyz"), 30)})
    people = pd.DataFrame({"a": rng.integers(0, 12, 90), "c": rng.choice(list("wxyzq"), 90)})
    release = tabular.mondrian(table, ["a", "c"], k=3)
    seen = see(release.table, scales_of(table, ["a", "c"]))
    exact = exact_values(people, seen.scales)
    inside = np.zeros(len(seen.sizes), dtype=int)
    for near in nearest(seen, exact, 7):
        inside += (near.mask & (near.distance[:, None] < 1e-9)).sum(axis=0)
    assert seen.fits(exact).tolist() == inside.tolist()


def test_memory_does_not_grow_with_rows_times_targets():
    rng = np.random.default_rng(0)
    n = 6_000
    table = pd.DataFrame({"a": rng.permutation(n), "b": rng.permutation(n)})
    seen = see(table, scales_of(table, list(table)))
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
    scales = scales_of(WARD, ["Age"])
    released = pd.DataFrame({"Age": [25.5, 30.0]})
    seen = see(released, scales)
    (near,) = nearest(seen, exact_values(pd.DataFrame({"Age": [25, 28, 29]}), scales))
    assert near.mask.tolist() == [[True, False], [False, True], [False, True]]
    assert near.distance == pytest.approx([0.5 / 3, 2 / 3, 1 / 3])


def test_people_who_fit_are_counted_as_by_hand():
    seen = see(BOXES, scales_of(WARD, FACTS))
    people = pd.DataFrame({"Age": [25, 26, 27, 27, 40], "Sex": ["M", "F", "M", "X", "M"]})
    assert seen.fits(exact_values(people, seen.scales))[seen.class_of].tolist() == [
        1,
        1,
        1,
        1,
        1,
        1,
    ]


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
    seen = see(table, scales_of(table, list(table)))
    # Rows 2 and 3 share the age: the first attacker throws a coin.
    assert linkability(seen, exact_values(table, seen.scales), (["Age"], ["Height"])).tolist() == [
        1.0,
        0.5,
        0.5,
    ]


@pytest.mark.parametrize("l", [2, 3, 4])
def test_anatomy_leaves_linkage_and_bounds_inference_by_one_in_l(small, l):
    table = small.released.assign(Ward=np.arange(len(small.released)) % 5)
    table["Ward"] = "ward " + table["Ward"].astype(str)
    found = measured(Tables(table), "Anatomy l", l, sensitive="Ward")
    assert found["linkage"] == 1.0
    assert found["GCP"] == 0.0
    assert found["inference"] <= 1 / l + 1e-12


def test_slicing_is_attacked_as_the_paper_says():
    table = pd.DataFrame({"Age": [20, 30, 20, 40], "Sex": list("FFMM"), "s": list("aabb")})
    sliced = tabular.slicing(table, FACTS, "s", k=2, groups=[["Age"], ["Sex", "s"]])
    changed = sliced.table.assign(Bucket=[0, 0, 1, 1], Age=[30, 20, 20, 40])
    changed = changed.assign(Sex=list("FFMM"), s=list("aabb"))
    release = dataclasses.replace(sliced, table=changed, facts={"groups": [["Age"], ["Sex", "s"]]})
    people = pd.DataFrame({"Age": [20, 40, 20, 50], "Sex": list("FMMF"), "s": list("abba")})
    scales = scales_of(table, FACTS)
    shown, facts = (exact_values(some, scales) for some in (changed, people))
    known = {name: (shown[name], facts[name]) for name in FACTS}
    # Nobody of age 50 is in a bucket: nothing is said of the fourth.
    chance, matched = sliced_chance(
        release, known, "s", pd.Index(["a", "b"]), np.array([0, 0, 1, 0])
    )
    assert matched.tolist() == [0, 1, 2]
    assert chance[matched].tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_a_small_control_group_raises_no_alarm_of_singling_out(full, share):
    fresh = synthetic(full, 0, np.random.default_rng(5))
    control = full.control.head(round(share * len(full.control)))
    rows = evaluation.evaluate(full.released, fresh, QUASI, control=control, kind="synthetic")
    assert rows.set_index("measure").loc["singling out", "low"] < 0.02


def test_attacks_find_copied_rows_and_nothing_in_fresh_ones(full):
    found = []
    for copied in (0, 0.1, 0.3, 1):
        made = synthetic(full, copied, np.random.default_rng(5))
        rows = evaluation.evaluate(
            full.released, made, QUASI, SENSITIVE, full.control, kind="synthetic"
        )
        found.append(rows.set_index("measure")["value"])
    areas = [one["membership AUC"] for one in found]
    assert areas[0] == pytest.approx(0.5, abs=0.05)
    assert areas == sorted(areas)
    assert areas[-1] == 1.0
    assert found[0]["inference leak"] < 0.05
    assert found[-1]["inference leak"] > 0.95
    assert found[0]["singling out"] < 0.05 < found[-1]["singling out"]
    assert found[0]["linkage"] == found[-1]["linkage"] == "n/a"
    assert found[0]["pMSE"] < 0.01


def test_population_uniqueness_is_near_the_truth_of_a_known_population():
    rng = np.random.default_rng(4)
    population = rng.zipf(1.6, 20_000) % 5_000
    sizes = np.unique(population, return_counts=True)[1]
    truth = (sizes == 1).sum() / len(population)
    sample = np.unique(rng.choice(population, 2_000, replace=False), return_counts=True)[1]
    assert population_uniqueness(sample, 20_000) == pytest.approx(truth, abs=0.05)


def test_a_sample_without_pairs_says_that_all_are_unique():
    assert population_uniqueness(np.ones(30, dtype=np.int64), 1_000) == 1.0
