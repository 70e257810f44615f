"""Every algorithm keeps what it was asked for, or refuses it."""

import numpy as np
import pandas as pd
import pytest

from medlab import tabular
from medlab.errors import InputError

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
