"""What an attacker infers of a sensitive value: bounds by l, and the paper of slicing."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import FACTS, measured

from medlab import tabular
from medlab.evaluation.groups import Tables
from medlab.evaluation.inference import sliced as sliced_chance
from medlab.tabular.released_cells import exact_values, scale


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
    scales = [scale(table[name]) for name in FACTS]
    shown, facts = (exact_values(some, scales) for some in (changed, people))
    known = {name: (shown[name], facts[name]) for name in FACTS}
    # Nobody of age 50 is in a bucket: nothing is said of the fourth.
    chance, matched = sliced_chance(
        release, known, "s", pd.Index(["a", "b"]), np.array([0, 0, 1, 0])
    )
    assert matched.tolist() == [0, 1, 2]
    assert chance[matched].tolist() == [1.0, 0.0, 1.0]
