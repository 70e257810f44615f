"""Attacks on releases: laws of partitions, answers by hand, brute force, known controls."""

import dataclasses
import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from evaluation_cases import BOXES, FACTS, QUASI, SENSITIVE, WARD, measured, synthetic
from hypothesis import given
from hypothesis import strategies as st

from medlab import evaluation, tabular
from medlab.cli import commands
from medlab.errors import InputError
from medlab.evaluation.experiments import Tables
from medlab.evaluation.release_attacks import (
    attack,
    composition,
    linkability,
    nearest,
    population_uniqueness,
    shares,
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
    owners, exact = np.arange(n), exact_values(table, seen.scales)
    posterior = shares(table.assign(s="x"), "s", pd.Index(["x"]))
    tracemalloc.start()
    hits = attack(seen, exact, owners, owners, posterior, np.zeros(n, dtype=int)).linked.sum()
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


THREE_FACTS = ["Age", "Weight", "Sex"]


def some_people(seed, rows=40):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "Age": rng.integers(20, 80, rows),
            "Weight": rng.integers(50, 99, rows),
            "Sex": rng.choice(["F", "M"], rows),
            "Diagnosis": rng.choice(list("abcd"), rows),
        }
    )


def fits(value, cell):
    if isinstance(cell, pd.Interval):
        return value in cell
    return cell == "*" or value == cell or (isinstance(cell, frozenset) and value in cell)


def brute(original, releases):
    """For each person and release: the rows that the person fits, one by one."""
    found = []
    for release in releases:
        names = [name for name in THREE_FACTS if name in release]
        found.append(
            [
                frozenset(
                    i
                    for i, row in enumerate(release.to_dict("records"))
                    if all(fits(person[name], row[name]) for name in names)
                )
                for person in original.to_dict("records")
            ]
        )
    values = [
        [{release["Diagnosis"].iloc[i] for i in rows} for rows in some]
        for release, some in zip(releases, found, strict=True)
    ]
    both = [a & b for a, b in zip(*values, strict=True)]
    truth = original["Diagnosis"]
    k = [min(map(some.count, some)) for some in (*found, list(zip(*found, strict=True)))]
    certain = [sum(len(v) == 1 for v in some) for some in (*values, both)]
    right = sum(len(v) == 1 and t in v for v, t in zip(both, truth, strict=True))
    return (len(original), *k, *certain, right)


@given(st.integers(0, 10_000), st.sampled_from([1, 2]))
def test_an_intersection_agrees_with_brute_force(seed, l):
    table = some_people(seed)
    first = tabular.mondrian(table, ["Age", "Sex"], "Diagnosis", k=3, l=l).table
    second = tabular.full_domain(table, ["Weight", "Sex"], "Diagnosis", k=3, l=l).table
    rng = np.random.default_rng(seed)
    mixed = second.iloc[rng.permutation(len(second))]
    assert tuple(composition(table, first, mixed, THREE_FACTS, "Diagnosis")) == brute(
        table, (first, second)
    )


def test_two_classes_that_share_one_value_give_it_away():
    table = pd.DataFrame({"Age": [30, 30, 40, 40], "Sex": list("FMFM"), "Diagnosis": list("abac")})
    by_age, by_sex = table[["Age", "Diagnosis"]], table[["Sex", "Diagnosis"]]
    found = composition(table, by_age, by_sex, ["Age", "Sex"], "Diagnosis")
    assert found == (4, 2, 2, 1, 0, 2, 4, 4)  # women have a; men b or c, which the age decides


def test_persons_are_counted_where_an_identifier_repeats():
    table = some_people(1).assign(PatientID=np.arange(40) // 2)
    release = tabular.mondrian(table, THREE_FACTS, "Diagnosis", k=4, subject="PatientID").table
    found = composition(table, release, release, THREE_FACTS, "Diagnosis")
    assert found.people == 20
    assert found.k_both == found.k_first >= 4


def test_a_release_of_other_people_is_refused():
    table = some_people(2)
    with pytest.raises(InputError, match="not made of these people"):
        composition(table, table, some_people(3), THREE_FACTS)


def test_the_command_line_tells_the_figures_of_two_releases(tmp_path):
    table = some_people(4, 200)
    table.to_csv(tmp_path / "in.csv", index=False)
    runner = CliRunner()

    def call(*words):
        done = runner.invoke(commands, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    paths = {name: tmp_path / f"{name}.csv" for name in ("Age,Sex", "Weight,Sex")}
    for qi, path in paths.items():
        words = ("--sensitive", "Diagnosis", "--k", 3, "--l", 2)
        call("anonymize", tmp_path / "in.csv", path, "--qi", qi, *words)
    first, second = paths.values()
    words = ("--qi", "Sex,Age,Weight", "--sensitive", "Diagnosis")
    report = call("risk", first, *words, "--original", tmp_path / "in.csv", "--with", second)
    assert report["k"] >= 3
    assert report["quasi"] == ["Sex", "Age"]
    assert report["with"]["certain_first"] == report["with"]["certain_second"] == 0
    assert report["with"]["certain_both"] == report["with"]["right_both"] > 5
    asked = ["risk", str(first), "--qi", "Sex", "--with", str(second)]
    refused = runner.invoke(commands, asked)
    assert refused.exit_code == 2
    assert "--original" in refused.output


def test_nodes_of_a_hierarchy_stand_for_the_labels_below_them():
    table = some_people(5).assign(City=["Ulm", "Bonn", "Jena", "Trier"] * 10)
    levels = pd.DataFrame(
        {"land": ["south", "west", "east", "west"]}, index=["Ulm", "Bonn", "Jena", "Trier"]
    )
    trees = {"City": levels}
    coarse = table[["City", "Diagnosis"]].assign(City=table["City"].map(levels["land"]))
    found = composition(table, coarse, coarse, ["City"], "Diagnosis", hierarchies=trees)
    assert found.k_both == found.k_first == 10
