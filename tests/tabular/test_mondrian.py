"""What Mondrian promises, on any table."""

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabular_cases import losses, table

from medlab import tabular
from medlab.errors import InputError, KindError


def test_mondrian_keeps_k_on_the_patient_table():
    patients = table(
        age=[25, 25, 26, 27, 27, 28],
        sex=list("MFMMFM"),
        zip=[53711, 53712, 53711, 53710, 53712, 53711],
    )
    release = tabular.mondrian(patients, ["age", "sex", "zip"], k=2)
    assert tabular.k_anonymity(release.table, release.quasi) >= 2
    assert tabular.measures(release, k=2)["c_avg"] <= 1.5


def any_table(seed, rows, doses):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 41, rows),
            "dose": rng.choice([np.nan, 0.0, 0.5, 1.25, 7.0][:doses], rows),
            "sex": rng.choice(np.array(["F", "M", None], dtype=object), rows),
            "illness": rng.choice(list("abc"), rows),
        }
    )


ANY_TABLE = st.builds(any_table, st.integers(0, 10**6), st.integers(2, 60), st.integers(1, 5))


THREE = ["age", "dose", "sex"]


def boxes_hold_their_rows(release, table):
    for name in release.quasi:
        values = table[name]
        hidden = values.isna().groupby(release.class_of).transform("any")
        low, high = (ends[name][release.class_of] for ends in (release.lower, release.upper))
        known = values[~hidden].to_numpy()
        assert (known >= low[~hidden.to_numpy()].to_numpy()).all()
        assert (known <= high[~hidden.to_numpy()].to_numpy()).all()
        assert (values.isna() | (release.table[name] == "*"))[hidden].all()


@given(table=ANY_TABLE, k=st.integers(1, 6), strict=st.booleans())
def test_k_holds_and_boxes_hold_their_rows_for_any_table(table, k, strict):
    if len(table) < k:
        with pytest.raises(InputError, match="cannot make a class"):
            tabular.mondrian(table, THREE, "illness", k=k, strict=strict)
        return
    release = tabular.mondrian(table, THREE, "illness", k=k, strict=strict)
    assert tabular.k_anonymity(release.table, THREE) >= k
    assert release.table.index.equals(table.index)
    pd.testing.assert_series_equal(release.table["illness"], table["illness"])
    boxes_hold_their_rows(release, table)


@given(table=ANY_TABLE, k=st.integers(1, 4), kind=st.sampled_from(["distinct", "entropy"]))
def test_l_holds_for_any_table_or_is_refused_with_the_largest_feasible_l(table, k, kind):
    feasible = tabular.l_diversity(table.assign(all=0), "all", "illness", kind)
    k = min(k, len(table))
    for l in (2, 3):
        if feasible < l - 1e-9:
            with pytest.raises(InputError, match="largest feasible l"):
                tabular.mondrian(table, THREE, "illness", k=k, l=l, l_kind=kind)
        else:
            release = tabular.mondrian(table, THREE, "illness", k=k, l=l, l_kind=kind)
            found = tabular.l_diversity(release.table, THREE, "illness", kind)
            assert found >= l - 1e-6
            assert tabular.k_anonymity(release.table, THREE) >= k


@given(st.integers(0, 10_000), st.integers(2, 9))
def test_relaxed_classes_have_k_to_2k_minus_1_rows(seed, k):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"a": rng.integers(0, 3, 80), "b": rng.integers(0, 2, 80)})
    release = tabular.mondrian(table, ["a", "b"], k=k, strict=False)
    sizes = release.classes["size"]
    assert sizes.min() >= k
    assert sizes.max() <= 2 * k - 1


@pytest.mark.parametrize("quality", ["fast", "best"])
def test_strict_boxes_do_not_overlap(ward, quality):
    quasi = ["Age", "Weight", "StudyDate"]
    release = tabular.mondrian(ward, quasi, k=4, quality=quality)
    low, high = release.lower, release.upper
    apart = np.zeros((len(low), len(low)), dtype=bool)
    for name in quasi:
        a, b = low[name].to_numpy(), high[name].to_numpy()
        apart |= (b[:, None] < a[None]) | (a[:, None] > b[None])
    assert apart[~np.eye(len(low), dtype=bool)].all()


def test_identical_rows_are_never_split_in_strict_mode():
    table = pd.DataFrame({"a": [1] * 10 + [2] * 10, "b": ["x"] * 20})
    release = tabular.mondrian(table, ["a", "b"], k=2)
    assert release.classes["size"].tolist() == [10, 10]


def test_classes_keep_to_the_upper_bound_of_lefevre():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"a": rng.integers(0, 9, 500), "b": rng.integers(0, 9, 500)})
    most = table.groupby(["a", "b"]).size().max()
    release = tabular.mondrian(table, ["a", "b"], k=5)
    assert release.classes["size"].max() <= 2 * 2 * (5 - 1) + most


@pytest.mark.parametrize(
    "promise",
    [
        {"l": 3},
        {"l": 2.5, "l_kind": "entropy"},
        {"l": 2, "l_kind": "recursive", "c": 1.5},
        {"t": 0.25},
        {"alpha": 0.6},
        {"l": 3, "t": 0.3, "alpha": 0.7},
    ],
)
@pytest.mark.parametrize("quality", ["fast", "best"])
def test_every_promise_is_kept_and_costs_something(ward, quasi, promise, quality):
    release = tabular.mondrian(ward, quasi, "Diagnosis", k=4, quality=quality, **promise)
    table = release.table
    kind, c = promise.get("l_kind", "distinct"), promise.get("c", 3.0)
    assert tabular.k_anonymity(table, quasi) >= 4
    l = tabular.l_diversity(table, quasi, "Diagnosis", kind, c=c)
    assert l >= promise.get("l", 1) - 1e-9
    assert tabular.t_closeness(table, quasi, "Diagnosis") <= promise.get("t", 1) + 1e-9
    assert tabular.alpha(table, quasi, "Diagnosis") <= promise.get("alpha", 1) + 1e-9
    plain = tabular.mondrian(ward, quasi, "Diagnosis", k=4, quality=quality)
    assert len(plain.classes) >= len(release.classes)


def test_each_of_several_sensitive_columns_is_diverse(ward):
    quasi = ["Age", "Weight"]
    release = tabular.mondrian(ward, quasi, ["Diagnosis", "Modality"], k=3, l=3)
    for name in ("Diagnosis", "Modality"):
        assert tabular.l_diversity(release.table, quasi, name) >= 3


def test_an_ordered_sensitive_column_is_kept_close_by_the_ordered_distance(ward):
    release = tabular.mondrian(ward, ["Age", "Sex"], "Weight", k=5, t=0.15)
    assert tabular.t_closeness(release.table, ["Age", "Sex"], "Weight") <= 0.15 + 1e-9
    assert len(release.classes) > 1


def test_five_studies_of_one_patient_never_fill_a_class_alone():
    table = pd.DataFrame(
        {
            "id": ["one"] * 5 + list("abcdefgh"),
            "age": [30] * 5 + [50, 50, 50, 50, 51, 51, 52, 53],
            "illness": list("abcab") + list("abababab"),
        }
    )
    by_row = tabular.mondrian(table, "age", "illness", k=4)
    alone = by_row.table.assign(id=table["id"])
    assert tabular.k_anonymity(alone, "age", subject="id") == 1
    by_person = tabular.mondrian(table, "age", "illness", k=4, subject="id")
    together = by_person.table.assign(id=table["id"])
    assert tabular.k_anonymity(together, "age", subject="id") >= 4
    assert "id" not in by_person.table


def test_l_by_persons_does_not_count_one_person_twice_for_a_value():
    table = pd.DataFrame({"id": list("aab"), "age": [1, 1, 1], "illness": ["x", "x", "y"]})
    by_row = tabular.l_diversity(table, "age", "illness", "entropy")
    by_person = tabular.l_diversity(table, "age", "illness", "entropy", subject="id")
    assert by_row < by_person == pytest.approx(2)


def test_weights_choose_the_column_that_stays_fine(ward):
    quasi = ["Age", "Weight"]
    fine = [
        tabular.gcp(tabular.mondrian(ward, quasi, k=5, weights={"Age": weight}).table, "Age", ward)
        for weight in (0.2, 5.0)
    ]
    assert fine[1] < fine[0] / 2


PLACES = pd.DataFrame(
    {"region": ["north"] * 3 + ["south"] * 3, "all": ["*"] * 6},
    index=["n1", "n2", "n3", "s1", "s2", "s3"],
)


def test_a_hierarchy_releases_its_nodes():
    table = pd.DataFrame({"place": ["n1", "n2", "n3", "s1", "s1", "s1"]})
    release = tabular.mondrian(table, "place", k=3, hierarchies={"place": PLACES})
    assert release.table["place"].tolist() == ["north"] * 3 + ["s1"] * 3
    loss = losses(release.table, "place", table, {"place": PLACES})
    # Four of the labels occur, three of them below "north": (3 - 1) / (4 - 1).
    assert loss == pytest.approx([2 / 3] * 3 + [0] * 3)


def test_cuts_with_a_hierarchy_do_not_separate_what_shows_the_same_node():
    table = pd.DataFrame({"place": ["n1"] * 3 + ["n2"] * 3 + ["s1"] * 2 + ["s2"] * 2})
    release = tabular.mondrian(table, "place", k=4, hierarchies={"place": PLACES})
    assert sorted(release.classes["place"]) == ["north", "south"]


def test_missing_cells_are_a_value_of_their_own():
    table = pd.DataFrame({"age": [1.0, 2, 3, 4, np.nan, np.nan, np.nan]})
    release = tabular.mondrian(table, "age", k=3)
    assert release.table["age"].isna().tolist() == [False] * 4 + [True] * 3
    mixed = tabular.mondrian(table.iloc[:6], "age", k=4)
    assert (mixed.table["age"] == "*").all()


def test_missing_sensitive_values_do_not_count_for_l():
    table = pd.DataFrame({"age": [1, 1, 2, 2], "illness": ["a", None, "b", None]})
    assert tabular.l_diversity(table, "age", "illness") == 1
    with pytest.raises(InputError, match="largest feasible l is 2"):
        tabular.mondrian(table, "age", "illness", k=2, l=3)


def test_the_order_of_rows_changes_no_class(ward, quasi):
    order = np.random.default_rng(1).permutation(len(ward))
    shuffled = ward.iloc[order].reset_index(drop=True)
    a = tabular.mondrian(ward, quasi, "Diagnosis", k=5, l=2)
    b = tabular.mondrian(shuffled, quasi, "Diagnosis", k=5, l=2)
    assert (b.class_of == a.class_of[order]).all()


def test_the_input_is_not_changed(ward, quasi):
    before = ward.copy(deep=True)
    tabular.mondrian(ward, quasi, "Diagnosis", k=5, l=2, t=0.4)
    pd.testing.assert_frame_equal(ward, before)


def test_errors_do_not_repeat_cells():
    table = pd.DataFrame({"a": pd.Series([1, "Doe^Jane"], dtype=object)})
    with pytest.raises(KindError) as caught:
        tabular.mondrian(table, "a", k=1)
    assert "Doe" not in str(caught.value)


def test_k_between_n_and_half_of_n_gives_one_class():
    table = pd.DataFrame({"a": range(7)})
    assert len(tabular.mondrian(table, "a", k=4).classes) == 1


def test_many_batches_give_the_same_classes_as_one(monkeypatch):
    module = sys.modules["medlab.tabular.mondrian"]
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
