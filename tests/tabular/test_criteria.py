"""What is asked is checked, then kept: on random tables no class breaks it."""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest

from medlab import tabular
from medlab.errors import InputError, KindError, MissingError

SEEDS = range(70)


REFUSALS = ("largest feasible", "the largest is", "cannot make a class", "no level satisfies")


def random_table(rng):
    rows = int(rng.integers(20, 80))
    columns = {
        "Age": rng.integers(0, int(rng.integers(2, 90)), rows),
        "Weight": rng.normal(70, 12, rows).round(int(rng.integers(0, 3))),
        "Sex": rng.choice(["F", "M", "a, b", "{x}"][: int(rng.integers(1, 5))], rows),
        "Day": pd.Timestamp("2024-02-27") + pd.to_timedelta(rng.integers(0, 9, rows), unit="D"),
        "Ward": rng.choice([None, "A", "B", "C"], rows),
    }
    names = rng.permutation(list(columns))[: int(rng.integers(1, 5))].tolist()
    table = pd.DataFrame({name: columns[name] for name in names})
    for name in names:
        if rng.random() < 0.2 and table[name].dtype.kind in "fM":
            table.loc[rng.random(rows) < 0.1, name] = None
    return table.assign(D=rng.choice(list("abcde"), rows)), names


def classes(release):
    """The sensitive values of each class of equal cells, in the text of a CSV."""
    text = release.table.assign(**dict(tabular.range_text(release.table, list(release.quasi))))
    found = defaultdict(list)
    for row in text.to_dict("records"):
        found[tuple(str(row[name]) for name in release.quasi)].append(row["D"])
    return list(found.values())


@pytest.mark.parametrize("method", tabular.ALGORITHMS)
def test_no_class_is_smaller_or_less_diverse_than_asked(method):
    refusals = []
    for seed in SEEDS:
        rng = np.random.default_rng([seed, 700])
        table, quasi = random_table(rng)
        k, l = int(rng.integers(2, 7)), int(rng.integers(2, 4))
        k = max(k, l)
        try:
            release = tabular.anonymize(table, quasi, "D", k, l, method=method, rng=rng)
        except InputError as error:
            refusals.append(str(error))
            continue
        if method == "anatomy":
            groups = defaultdict(Counter)
            for row in release.extra["sensitive"].to_dict("records"):
                groups[row["Group"]][row["D"]] += row["Count"]
            assert all(max(c.values()) * l <= sum(c.values()) for c in groups.values()), seed
            assert sum(sum(c.values()) for c in groups.values()) == len(table)
            continue
        if method == "slicing":
            buckets = defaultdict(list)
            for row in release.table.to_dict("records"):
                buckets[row["Bucket"]].append(row["D"])
            found = list(buckets.values())
        else:
            found = classes(release)
        assert sum(map(len, found)) == len(table)
        assert min(map(len, found)) >= k, seed
        assert min(len(set(values)) for values in found) >= l, seed
    assert len(refusals) < 30
    assert all(any(words in refusal for words in REFUSALS) for refusal in refusals)


def bad(**changes):
    return {"quasi": ["Age"], "sensitive": "Diagnosis", "k": 5} | changes


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (bad(k=301), InputError, "300 rows cannot make a class"),
        (bad(k=0), InputError, "no class size"),
        (bad(k=2.5), KindError, "whole number"),
        (bad(l=7), InputError, "largest feasible l is 6"),
        (bad(l=0), InputError, "out of range"),
        (bad(t=1.5), InputError, "out of range"),
        (bad(t=float("nan")), InputError, "out of range"),
        (bad(alpha=0.1), InputError, "cannot be reached"),
        (bad(alpha=0), InputError, "out of range"),
        (bad(sensitive=None, l=2), InputError, "name a sensitive column"),
        (bad(quasi=["Age", "Nose"]), MissingError, "no column Nose"),
        (bad(quasi=[]), InputError, "no quasi-identifier"),
        (bad(quasi=["Age", "Diagnosis"]), InputError, "two roles"),
        (bad(quasi=["Age", "Age"]), InputError, "named once"),
        (bad(quasi=["Age", "PatientID"]), InputError, "identifies people directly"),
        (bad(keep=["PatientID"]), InputError, "identifies people directly"),
        (bad(keep=["Sex"], identifiers=["Sex"]), InputError, "identifies people directly"),
        (bad(subject="Age"), InputError, "identifies people directly"),
        (bad(l_kind="some", l=2), InputError, "distinct, entropy or recursive"),
        (bad(distance="far", t=0.1), InputError, "auto, equal or ordered"),
        (bad(quality="good"), InputError, "fast or best"),
        (bad(weights={"Sex": 1}), InputError, "weights"),
    ],
)
def test_bad_arguments_have_one_clear_answer(ward, arguments, error, words):
    with pytest.raises(error, match=words):
        tabular.mondrian(ward, **arguments)


def test_a_constant_sensitive_column_allows_no_l_of_two():
    table = pd.DataFrame({"a": range(6), "s": ["x"] * 6})
    with pytest.raises(InputError, match="largest feasible l is 1"):
        tabular.mondrian(table, "a", "s", k=2, l=2)


def test_fewer_persons_than_k_are_refused():
    table = pd.DataFrame({"id": ["one"] * 9, "age": range(9)})
    with pytest.raises(InputError, match="1 persons in id"):
        tabular.mondrian(table, "age", k=2, subject="id")


@pytest.mark.parametrize("method", ["mondrian", "k-member", "mdav", "full-domain", "fuzzy-cmeans"])
def test_options_as_one_object_are_the_options_by_name(ward, method):
    ward = ward.head(60)
    options = {"alpha": 0.9, "subject": "PatientID", "keep": ["Modality"]}
    by_name = tabular.anonymize(ward, ["Age", "Sex"], "Diagnosis", 4, method=method, **options)
    by_object = tabular.anonymize(
        ward, ["Age", "Sex"], "Diagnosis", 4, method=method, options=tabular.Options(**options)
    )
    pd.testing.assert_frame_equal(by_name.table, by_object.table)
    assert by_object.asked == by_name.asked
    figures = tabular.measures(by_object, options=tabular.Options(l_kind="entropy"))
    assert figures == tabular.measures(by_object, l_kind="entropy")


def test_an_option_of_another_name_is_refused(ward):
    with pytest.raises(TypeError, match="keeps"):
        tabular.mondrian(ward, ["Age"], k=5, keeps=["Modality"])
