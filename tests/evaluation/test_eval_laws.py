"""Laws that hold for every release, checked on the invented cohort."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import parallel_config

from medlab import evaluation, samples, tabular
from medlab.errors import InputError, MissingError
from medlab.evaluation import Point
from medlab.evaluation.attacker import nearest
from medlab.evaluation.groups import Tables
from medlab.evaluation.linkage import linked, true_pairs
from medlab.methods.catalogue import protect
from medlab.tabular.released_cells import exact_values, scale, see

QUASI = ["Age", "Sex", "Weight", "Height", "Postcode", "StudyDate", "Modality"]
SENSITIVE = "Diagnosis"


@pytest.fixture(scope="module")
def small():
    return evaluation.one_each(samples.cohort(300))


@pytest.fixture(scope="module")
def full():
    return evaluation.one_each(samples.cohort(1500))


def measured(tables, method, strength=0, seed=1, quasi=QUASI, sensitive=SENSITIVE):
    rows = evaluation.measure(tables, Point(method, strength), quasi, sensitive, seed)
    return rows.set_index("measure")["value"]


@pytest.fixture(scope="module")
def by_k(full):
    return {k: measured(full, "Mondrian k", k) for k in (2, 5, 10, 25, 50, 100)}


@pytest.mark.parametrize("method", ["pseudonymization", "encryption"])
def test_hiding_names_and_numbers_changes_no_figure_at_all(small, method):
    before, after = measured(small, "identity"), measured(small, method)
    pd.testing.assert_series_equal(before, after)
    assert before["linkage"] == 1.0


def test_names_and_numbers_were_hidden_indeed(small):
    asked = (small.released, QUASI, SENSITIVE, Point("pseudonymization"))
    table, _ = protect(*asked, np.random.default_rng(1))
    for name in ("PatientID", "PatientName"):
        assert not set(table[name]) & set(small.released[name])


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


def test_a_growing_k_lowers_risk_and_raises_loss_strictly(by_k):
    table = pd.DataFrame(by_k).T
    for name in ("prosecutor mean", "linkage"):
        assert (np.diff(table[name].astype(float)) < 0).all()
    assert (np.diff(table["GCP"].astype(float)) > 0).all()
    assert (np.diff(table["membership AUC"].astype(float)) < 0.005).all()
    assert table["query error"].iloc[-1] > table["query error"].iloc[0]


def test_journalist_is_never_above_prosecutor(by_k, small):
    others = [measured(small, "bucketization", 5), measured(small, "suppression", 2)]
    for found in [*by_k.values(), *others]:
        assert found["journalist max"] <= found["prosecutor max"]
        assert found["journalist mean"] <= found["prosecutor mean"] + 1e-12
        assert found["marketer"] <= found["journalist mean"] + 1e-12


def test_a_larger_register_never_raises_the_journalists_risk(small):
    register = small.register
    release = tabular.mondrian(small.released, QUASI, k=3)
    found = [
        evaluation.evaluate(small.released, release, QUASI, register=some).set_index("measure")
        for some in (register.iloc[::2], register)
    ]
    for name in ("journalist max", "journalist mean", "marketer"):
        assert found[1].loc[name, "value"] <= found[0].loc[name, "value"]


@pytest.mark.parametrize("l", [2, 3, 4])
def test_anatomy_leaves_linkage_and_bounds_inference_by_one_in_l(small, l):
    table = small.released.assign(Ward=np.arange(len(small.released)) % 5)
    table["Ward"] = "ward " + table["Ward"].astype(str)
    found = measured(Tables(table), "Anatomy l", l, sensitive="Ward")
    assert found["linkage"] == 1.0
    assert found["GCP"] == 0.0
    assert found["inference"] <= 1 / l + 1e-12


def test_a_method_that_cannot_release_is_reported_and_stops_nothing(small):
    rows = evaluation.measure(small, Point("Anatomy l", 5), QUASI, SENSITIVE, 1)
    assert rows["group"].tolist() == ["refused"]


def test_one_more_known_fact_never_lowers_the_number_of_classes(small):
    table = small.released
    counts = [len(set(tabular.class_numbers(table, QUASI[:n]))) for n in range(1, len(QUASI) + 1)]
    assert counts == sorted(counts)
    risks = [measured(small, "identity", quasi=QUASI[:n])["prosecutor mean"] for n in (1, 2, 4)]
    assert risks == sorted(risks)


def test_l_and_t_hold_in_the_output_and_cost_detail(small):
    plain = measured(small, "Mondrian k", 5)
    for method, strength in (("Mondrian l", 3), ("Mondrian t", 0.3)):
        assert measured(small, method, strength)["GCP"] >= plain["GCP"] - 1e-12
    release = tabular.mondrian(small.released, QUASI, SENSITIVE, k=5, l=3)
    assert tabular.l_diversity(release.table, QUASI, SENSITIVE) >= 3


def test_more_noise_hides_more_and_costs_more(small):
    little, much = measured(small, "randomization", 0.05), measured(small, "randomization", 0.3)
    assert little["k"] == much["k"] == "n/a"
    assert much["linkage"] < little["linkage"] < 1
    assert much["query error"] > little["query error"]


def synthetic(tables, copied, rng):
    """Return other people's rows, a share of them replaced by rows of the training data."""
    others = samples.cohort(1500, 77).released.drop_duplicates("PatientID")
    drawn = others.sample(len(tables.released), random_state=3).reset_index(drop=True)
    rows = rng.permutation(len(drawn))[: round(copied * len(drawn))]
    drawn.iloc[rows] = tables.released.iloc[rows].to_numpy()
    return drawn.astype(tables.released.dtypes.to_dict())


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


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_a_small_control_group_raises_no_alarm_of_singling_out(full, share):
    fresh = synthetic(full, 0, np.random.default_rng(5))
    control = full.control.head(round(share * len(full.control)))
    rows = evaluation.evaluate(full.released, fresh, QUASI, control=control, kind="synthetic")
    assert rows.set_index("measure").loc["singling out", "low"] < 0.02


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


def test_seeds_reproduce_to_the_last_digit(small):
    for point in (("randomization", 0.1), ("slicing k", 5), ("Mondrian k", 5)):
        first, second = (
            evaluation.measure(small, Point(*point), QUASI, SENSITIVE, 7) for _ in range(2)
        )
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    other = evaluation.measure(small, Point("randomization", 0.1), QUASI, SENSITIVE, 8)
    assert not first["value"].equals(other["value"])


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


def test_the_grid_gives_every_point_and_seed_and_reads_its_cache(small, tmp_path, monkeypatch):
    tables = {1: small, 2: evaluation.one_each(samples.cohort(200, 2))}
    points = [("identity", 0), ("Mondrian k", 5)]
    first = evaluation.grid(
        tables, points, QUASI, SENSITIVE, jobs=1, cache=tmp_path, progress=False
    )
    assert first.groupby(["method", "seed"]).ngroups == 4
    monkeypatch.setattr("medlab.evaluation.experiments.measure", None)
    again = evaluation.grid(
        tables, points, QUASI, SENSITIVE, jobs=1, cache=tmp_path, progress=False
    )
    pd.testing.assert_frame_equal(first, again)
    assert evaluation.risk_and_loss(again)["front"].all()


def test_the_cache_holds_figures_and_no_value_of_a_patient(small, tmp_path):
    evaluation.grid(
        {1: small}, [("identity", 0)], QUASI, SENSITIVE, jobs=1, cache=tmp_path, progress=False
    )
    text = "".join(path.read_text() for path in tmp_path.iterdir())
    assert json.loads(text)
    for name in ("PatientID", "PatientName", "Postcode", "Diagnosis"):
        assert not any(str(value) in text for value in small.released[name].head(50))


def test_points_side_by_side_give_the_same_figures_as_one_by_one(small):
    points = [("randomization", 0.1), ("Mondrian k", 5), ("identity", 0)]
    with parallel_config(backend="threading"):  # notebook 05 runs with processes
        found = evaluation.grid({1: small}, points, QUASI, SENSITIVE, jobs=3, progress=False)
    one_by_one = [evaluation.measure(small, Point(*p), QUASI, SENSITIVE, 1) for p in points]
    pd.testing.assert_frame_equal(found, pd.concat(one_by_one, ignore_index=True))


def test_identity_and_full_suppression_are_the_corners_of_the_map(small):
    points = [("identity", 0), ("suppression", len(QUASI)), ("Mondrian k", 5)]
    rows = evaluation.grid({1: small}, points, QUASI, SENSITIVE, jobs=1, progress=False)
    found = evaluation.risk_and_loss(rows).set_index("method")
    assert found.loc["identity", ["risk", "loss"]].tolist() == [1.0, 0.0]
    assert found.loc["suppression", ["risk", "loss"]].tolist() == [pytest.approx(1 / 300), 1.0]
    points, measured = found.reset_index(), evaluation.summarize(rows)
    assert evaluation.acceptable(points, measured, {"linkage": 0.25})["method"].tolist() == [
        "Mondrian k",
        "suppression",
    ]


def test_bars_are_those_of_student(small):
    rows = pd.DataFrame(
        {"method": "m", "strength": 1.0, "seed": [1, 2, 3], "measure": "linkage"}
        | {"value": [0.1, 0.2, 0.3], "low": np.nan, "high": np.nan}
        | {"baseline": 0.0, "control": np.nan}
    )
    (found,) = evaluation.summarize(rows).itertuples()
    assert found.value == pytest.approx(0.2)
    assert found.high - found.value == pytest.approx(4.302653 * 0.1 / np.sqrt(3), rel=1e-5)


def test_unknown_names_are_refused(small):
    with pytest.raises(InputError, match="choose of"):
        evaluation.measure(small, Point("magic"), QUASI, SENSITIVE, 1)
    rows = evaluation.measure(small, Point("identity"), QUASI, SENSITIVE, 1)
    with pytest.raises(MissingError, match="magic"):
        evaluation.risk_and_loss(rows, risk="magic")


def test_holding_back_splits_people_and_not_rows():
    table = samples.cohort(60).released
    kept = evaluation.hold_back(table, np.random.default_rng(0))
    assert not set(kept.released["PatientID"]) & set(kept.control["PatientID"])
    assert len(kept.released) + len(kept.control) == len(table)
    assert kept.released["PatientID"].nunique() == 30
