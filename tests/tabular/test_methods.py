"""The other algorithms: what each promises, and the worked numbers of its paper."""

import numpy as np
import pandas as pd
import pytest

from medlab import tabular
from medlab.errors import InputError
from medlab.tabular.anatomy import _anatomize
from medlab.tabular.slicing import column_groups

GENERALIZING = [
    "mondrian",
    "mondrian-best",
    "mondrian-relaxed",
    "k-member",
    "fuzzy-cmeans",
    "mdav",
    "full-domain",
    "two-step",
]


@pytest.mark.parametrize("method", GENERALIZING)
@pytest.mark.parametrize(("k", "l"), [(3, 2), (7, 3)])
def test_k_and_l_hold_whatever_the_method(ward, quasi, method, k, l):
    release = tabular.anonymize(ward, quasi, "Diagnosis", k, l, method=method)
    found = tabular.measures(release, original=ward)
    assert found["k"] >= k
    assert found["l"] >= l
    assert tabular.k_anonymity(release.table, quasi) >= k
    assert release.table.index.equals(ward.index)
    assert len(release.partitions) == len(release.classes)
    assert [len(rows) for rows in release.partitions] == release.classes["size"].tolist()


@pytest.mark.parametrize("method", ["k-member", "fuzzy-cmeans", "mdav", "full-domain"])
def test_t_holds_whatever_the_method(ward, quasi, method):
    release = tabular.anonymize(ward, quasi, "Diagnosis", 4, t=0.3, method=method)
    assert tabular.t_closeness(release.table, quasi, "Diagnosis") <= 0.3 + 1e-9


@pytest.mark.parametrize("method", ["k-member", "mdav"])
def test_clusters_have_k_to_2k_minus_1_rows(ward, quasi, method):
    sizes = tabular.anonymize(ward, quasi, k=7, method=method).classes["size"]
    assert sizes.min() == 7
    assert sizes.max() <= 13


def test_clusters_count_persons_if_asked(ward, quasi):
    release = tabular.k_member(ward, quasi, "Diagnosis", 4, subject="PatientID")
    named = release.table.assign(PatientID=ward["PatientID"])
    assert tabular.k_anonymity(named, quasi, subject="PatientID") >= 4


def test_weighted_k_member_keeps_the_heavy_column_fine(ward, quasi):
    plain, heavy = (
        tabular.k_member(ward, quasi, k=5, weights={"Age": weight}) for weight in (1, 8)
    )
    losses = [tabular.ncp(r.table, quasi, ward)["Age"].mean() for r in (plain, heavy)]
    assert losses[1] < losses[0] / 2


def test_mdav_publishes_the_mean_of_each_group():
    table = pd.DataFrame({"age": [20, 22, 60, 61, 62], "sex": list("FFMMF")})
    release = tabular.mdav(table, ["age", "sex"], k=2)
    assert release.kind == "aggregate"
    assert release.table["age"].tolist() == [21, 21, 61, 61, 61]
    assert release.table["sex"].tolist() == ["F", "F", "M", "M", "M"]
    assert tabular.measures(release, original=table)["gcp"] == "n/a"


def test_mdav_takes_the_center_of_every_type_of_column():
    days = pd.to_datetime(["2024-01-01", "2024-01-03", "2024-05-01", "2024-05-01", "2024-05-01"])
    table = pd.DataFrame(
        {
            "far": [0, 2, 900, 900, 900],
            "day": days.date,
            "count": pd.Series([1, 4, None, None, None], dtype="Int64"),
            "dose": np.array([1.5, 2.5, 9, 9, 9], dtype=object),
            "smokes": pd.Series([True, True, None, None, None], dtype="boolean"),
        }
    )
    release = tabular.mdav(table, list(table), k=2)
    near, far = release.table.iloc[0], release.table.iloc[4]
    assert near.tolist() == [1, pd.Timestamp("2024-01-02"), 2, 2.0, "True"]
    assert far[["far", "dose"]].tolist() == [900, 9.0]
    assert far[["count", "smokes"]].isna().all()


def test_full_domain_shows_one_level_a_column(ward):
    tree = pd.DataFrame(
        {"kind": ["rays", "none", "none", "rays", "rays"], "all": ["*"] * 5},
        index=["CT", "MR", "US", "XA", "PT"],
    )
    release = tabular.full_domain(
        ward, ["Modality", "Sex", "Age"], k=20, suppress=0.0, hierarchies={"Modality": tree}
    )
    assert set(release.table["Modality"]) <= {"rays", "none"} or (
        set(release.table["Modality"]) in ({"*"}, set(ward["Modality"]))
    )
    assert (release.class_of >= 0).all()
    assert set(release.facts["levels"]) == {"Modality", "Sex", "Age"}


def test_suppressed_rows_are_a_class_that_keeps_k_or_there_are_none(ward, quasi):
    for k in (3, 5, 11):
        release = tabular.full_domain(ward, quasi, k=k, suppress=0.08)
        hidden = int((release.class_of < 0).sum())
        assert hidden == 0 or k <= hidden <= 0.08 * len(ward)
        assert tabular.k_anonymity(release.table, quasi) >= k
        assert tabular.measures(release)["suppressed"] == hidden


def test_t_is_the_distance_from_the_whole_table_with_its_suppressed_rows(ward, quasi):
    release = tabular.full_domain(ward, quasi, "Diagnosis", k=11, t=0.3, suppress=0.2)
    shown = release.class_of >= 0
    assert not shown.all()
    share = ward["Diagnosis"].value_counts(normalize=True)
    classes = ward["Diagnosis"][shown].groupby(release.class_of[shown])
    far = [(one.value_counts(normalize=True).sub(share, fill_value=0)).abs() for _, one in classes]
    expected = max(one.sum() / 2 for one in far)
    assert tabular.measures(release)["t"] == pytest.approx(expected)
    assert tabular.class_report(release)["t"].max() == pytest.approx(expected)


EIGHT = pd.DataFrame(
    {
        "age": [23, 27, 35, 59, 61, 65, 65, 70],
        "sex": list("MMMMFFFF"),
        "zip": [11000, 13000, 59000, 12000, 54000, 25000, 25000, 30000],
        "disease": [
            "pneumonia",
            "dyspepsia",
            "dyspepsia",
            "pneumonia",
            "flu",
            "gastritis",
            "flu",
            "bronchitis",
        ],
    }
)


def test_the_two_tables_of_the_anatomy_paper():
    grouped = tabular.mondrian(EIGHT, "sex", "disease", k=4)
    assert len(grouped.partitions) == 2
    release = _anatomize(EIGHT, grouped, "disease")
    counts = release.extra["sensitive"].sort_values(["Count", "disease"])
    men = 1 - release.class_of[7]
    found = {(g == men, d): c for g, d, c in counts.itertuples(index=False)}
    assert found == {
        (True, "dyspepsia"): 2,
        (True, "pneumonia"): 2,
        (False, "bronchitis"): 1,
        (False, "flu"): 2,
        (False, "gastritis"): 1,
    }
    assert release.facts["alpha"] == 0.5
    assert "disease" not in release.table


@pytest.mark.parametrize("l", [2, 3])
def test_anatomy_gives_no_value_more_than_one_lth_of_a_group(ward, quasi, l):
    rare = ward[(ward["Diagnosis"] != "a") | (np.arange(len(ward)) % 3 == 0)]
    rare = rare.reset_index(drop=True)
    release = tabular.anatomy(rare, quasi, "Diagnosis", l)
    groups = release.extra["sensitive"].groupby("Group")["Count"]
    assert (groups.max() / groups.sum()).max() <= 1 / l + 1e-9
    counts = release.extra["sensitive"].groupby("Diagnosis")["Count"].sum()
    assert counts.to_dict() == rare["Diagnosis"].value_counts().to_dict()
    pd.testing.assert_frame_equal(release.table[quasi], rare[quasi])
    assert tabular.measures(release, original=rare)["gcp"] == 0


def test_anatomy_refuses_a_value_too_frequent_and_names_the_largest_l(ward):
    with pytest.raises(InputError, match="largest feasible l is 2"):
        tabular.anatomy(ward, ["Age"], "Diagnosis", 4)


def test_slicing_keeps_columns_and_buckets_but_not_rows(ward, quasi):
    release = tabular.slicing(ward, quasi, "Diagnosis", k=6, l=2)
    for group in release.facts["groups"]:
        before = ward[group].assign(b=release.class_of).sort_values([*group, "b"])
        after = release.table[group].assign(b=release.table["Bucket"]).sort_values([*group, "b"])
        assert before.to_numpy().tolist() == after.to_numpy().tolist()
    assert (release.table["Diagnosis"] != ward["Diagnosis"]).any()
    assert tabular.measures(release)["k"] == "n/a"


@pytest.mark.parametrize(("method", "l"), [("slicing", 2), ("anatomy", 2), ("two-step", 5)])
def test_what_is_drawn_can_be_repeated_only_with_the_generator(ward, quasi, method, l):
    asked = {"sensitive": "Diagnosis", "k": 6, "l": l, "method": method}
    one, two, free, other = (
        tabular.anonymize(ward, quasi, **asked, rng=rng).table
        for rng in (np.random.default_rng(0), np.random.default_rng(0), None, None)
    )
    pd.testing.assert_frame_equal(one, two)
    assert not free.equals(other)
    assert not free.equals(one)


def test_slicing_groups_what_is_correlated():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 500), rng.integers(0, 4, 500)
    table = pd.DataFrame({"a": a, "b": b, "like_a": a * 10, "s": np.where(b > 1, "x", "y")})
    assert column_groups(table, ["a", "b", "like_a"], "s") == [["a", "like_a"], ["b", "s"]]


def test_two_steps_replace_only_what_is_needed_and_say_how_much(ward, quasi):
    plain = tabular.mondrian(ward, quasi, "Diagnosis", k=5)
    release = tabular.two_step(ward, quasi, "Diagnosis", k=5, l=4)
    assert (release.class_of == plain.class_of).all()
    changed = (release.table["Diagnosis"] != ward["Diagnosis"]).mean()
    assert 0 < changed < 0.5
    assert release.facts["replaced"] == {"Diagnosis": pytest.approx(changed)}
    assert set(release.table["Diagnosis"]) <= set(ward["Diagnosis"])
    with pytest.raises(InputError, match="take l up to k"):
        tabular.two_step(ward, quasi, "Diagnosis", k=2, l=3)


def test_every_k_same_picture_is_the_mean_of_at_least_k():
    rng = np.random.default_rng(1)
    faces = rng.random((11, 6, 5))
    averaged = tabular.k_same(faces, 3)
    assert np.bincount(averaged.class_of).tolist() == [3, 3, 5]
    for number in range(3):
        here = averaged.class_of == number
        assert np.allclose(averaged.pictures[here], faces[here].mean(axis=0))
    with pytest.raises(InputError, match="2 pictures cannot make a class"):
        tabular.k_same(faces[:2], 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "magic"}, "no method"),
        ({"method": "anatomy", "t": 0.2}, "does not go with t"),
        ({"method": "two-step", "t": 0.2}, "does not go with t"),
        ({"method": "slicing", "sensitive": None}, "name a sensitive column"),
        ({"method": "full-domain", "suppress": 2}, "out of range"),
        ({"method": "full-domain", "k": 299, "suppress": 0.0, "l": 7}, "largest feasible l"),
    ],
)
def test_what_a_method_cannot_do_is_refused(ward, quasi, arguments, words):
    arguments = {"sensitive": "Diagnosis"} | arguments
    with pytest.raises(InputError, match=words):
        tabular.anonymize(ward, quasi, **arguments)


def test_representatives_fit_the_column_and_keep_the_classes(ward, quasi):
    release = tabular.mondrian(ward, quasi, "Diagnosis", k=5)
    single = tabular.representative(release, ward)
    assert tabular.k_anonymity(single, quasi) >= 5
    for name in quasi:
        for cell, value in zip(release.table[name], single[name], strict=True):
            if isinstance(cell, pd.Interval):
                assert cell.left <= value <= cell.right
            elif isinstance(cell, frozenset):
                assert value in cell
            else:
                assert value == cell
    assert all(isinstance(age, int) for age in single["Age"])


def test_cells_survive_the_way_through_csv(ward, quasi, tmp_path):
    odd = ward.assign(Modality=ward["Modality"].replace("CT", "CT, {old}"))
    release = tabular.mondrian(odd, quasi, "Diagnosis", k=5)
    release.table.to_csv(tmp_path / "out.csv", index=False)
    back = pd.read_csv(tmp_path / "out.csv")
    assert tabular.k_anonymity(back, quasi) == tabular.k_anonymity(release.table, quasi)
    for name in ("Age", "Weight", "StudyDate"):
        for one, other in zip(
            tabular.bounds(release.table[name]), tabular.bounds(back[name]), strict=True
        ):
            assert np.allclose(one, other)
    assert tabular.label_sets(back["Modality"]) == tabular.label_sets(release.table["Modality"])
    assert tabular.gcp(back, quasi, odd) == pytest.approx(tabular.gcp(release.table, quasi, odd))


def test_full_domain_walks_a_lattice_that_nobody_could_build():
    rng = np.random.default_rng(1)
    wide = pd.DataFrame({f"c{i}": rng.integers(0, 3, 60) for i in range(30)})
    release = tabular.full_domain(wide.assign(D=list("ab") * 30), list(wide), "D", k=5)
    assert tabular.k_anonymity(release.table, list(wide)) >= 5


def test_one_fact_and_one_secret_are_parted_by_slicing(ward):
    assert len(column_groups(ward, ["Age"], "Diagnosis")) == 2
    sliced = tabular.slicing(ward, "Age", "Diagnosis", k=5, rng=np.random.default_rng(1)).table
    same = (sliced["Age"] == ward["Age"]) & (sliced["Diagnosis"] == ward["Diagnosis"])
    assert same.mean() < 0.6
