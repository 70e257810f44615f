"""700 random tables, ten methods: classes counted by plain Python, from the text of a CSV."""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest

from medlab import tabular
from medlab.errors import InputError

SEEDS = range(70)
REFUSALS = ("largest feasible", "the largest is", "cannot make a class", "no level keeps")


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
