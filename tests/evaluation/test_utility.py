"""What an analyst still reads: count queries of the Anatomy paper, and one by one."""

import numpy as np
import pandas as pd
import pytest
from hospital import HOSPITAL

from medlab.evaluation import utility
from medlab.evaluation.release_attacks import shares
from medlab.tabular.released_cells import exact_values, scales_of, see


def count(table, posterior):
    ages, zips = scales_of(HOSPITAL, ["Age", "Zip"])
    reading = utility.read(see(table, [ages, zips]), posterior)
    start = [(1 - ages.low) / ages.width, (10001 - zips.low) / zips.width]
    stop = [(30 - ages.low) / ages.width, (20000 - zips.low) / zips.width]
    nothing = np.array([-1])
    asked = utility._Queries(
        np.array([[0, 1]]), np.array([start]), np.array([stop]), nothing, [], np.array([0])
    )
    return utility._count(reading, asked)[0]


def test_a_count_query_has_the_answers_of_the_anatomy_paper():
    labels = pd.Index(["pneumonia", "dyspepsia", "flu", "gastritis", "bronchitis"])
    exact = shares(HOSPITAL, "Disease", labels)
    assert count(HOSPITAL, exact) == 1.0
    boxes = HOSPITAL.astype(object)
    boxes.loc[:3, "Age"] = pd.Interval(21, 60, closed="both")
    boxes.loc[:3, "Zip"] = pd.Interval(10001, 60000, closed="both")
    # The paper's 2 * (10/40) * (10000/50000) = 0.1 counts whole years of [21, 60]. An
    # analyst who knows the range of the table, 23 to 70 and 11000 to 59000, reads
    # 2 * (30-23)/(60-23) * (20000-11000)/(59000-11000).
    assert count(boxes, exact) == pytest.approx(2 * 7 / 37 * 9 / 48)
    groups = np.repeat([[0.5, 0.5, 0, 0, 0], [0, 0, 0.5, 0.25, 0.25]], 4, axis=0)
    from scipy import sparse

    assert count(HOSPITAL, sparse.csr_array(groups)) == 1.0


def test_queries_at_once_count_as_one_by_one():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"a": rng.normal(size=60), "c": rng.choice(list("xyz"), 60), "s": "yes"})
    table.loc[::3, "s"] = "no"
    scales = scales_of(table, ["a", "c"])
    exact = exact_values(table, scales)
    labels = pd.Index(["yes", "no"])
    reading = utility.read_exact(scales, exact, shares(table, "s", labels))
    asked = utility._draw_queries(reading, rng, 40)
    expected = [
        sum(
            asked.start[q, 0] <= a <= asked.stop[q, 0]
            and asked.chosen[0][q, c] == 1
            and s == labels[asked.value[q]]
            for a, c, s in zip(exact["a"], exact["c"], table["s"], strict=True)
        )
        for q in range(40)
    ]
    assert utility._count(reading, asked).tolist() == expected
    assert max(expected) > 5


def test_a_missing_number_may_be_anything():
    table = pd.DataFrame({"Age": [20.0, np.nan, 60.0]})
    scales = scales_of(table, ["Age"])
    values = shares(table.assign(s="a"), "s", pd.Index(["a"]))
    for reading in (
        utility.read(see(table, scales), values),
        utility.read_exact(scales, exact_values(table, scales), values),
    ):
        assert reading.low[:, 0].tolist() == [0.0, 0.0, 1.0]
        assert reading.high[:, 0].tolist() == [0.0, 1.0, 1.0]
