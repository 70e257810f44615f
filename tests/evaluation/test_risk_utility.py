"""The map of risk and loss: its corners, its front, its bars and its words."""

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import QUASI, SENSITIVE
from hypothesis import given
from hypothesis import strategies as st

from medlab import evaluation
from medlab.evaluation import pareto
from medlab.evaluation.risk_utility import point_name


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=15))
def test_the_pareto_front_is_what_no_point_beats(points):
    risk, loss = np.array(points, dtype=float).T
    beaten = [
        any((a <= r and b <= x and (a < r or b < x)) for a, b in zip(risk, loss, strict=True))
        for r, x in zip(risk, loss, strict=True)
    ]
    assert pareto(risk, loss).tolist() == [not one for one in beaten]


def test_points_are_named_as_they_are_spoken_of():
    assert point_name("Mondrian l", 2) == "Mondrian l = 2"
    assert point_name("suppression", 2) == "suppression 2"
    assert point_name("identity", 0) == "identity"


def test_intervals_of_shares_stay_between_0_and_1():
    rows = pd.DataFrame(
        {"method": "m", "strength": 1.0, "seed": [1, 2], "measure": "linkage"}
        | {"value": [0.0, 0.9], "low": 0.0, "high": 1.0, "baseline": 0.0, "control": np.nan}
    )
    (found,) = evaluation.summarize(rows).itertuples()
    assert (found.low, found.high) == (0.0, 1.0)


def test_an_error_may_be_above_1_though_no_run_was():
    rows = pd.DataFrame(
        {"method": "m", "strength": 1.0, "seed": [1, 2], "measure": "coefficient bias"}
        | {"value": [0.5, 1.0], "low": np.nan, "high": np.nan, "baseline": 0.0, "control": np.nan}
    )
    (found,) = evaluation.summarize(rows).itertuples()
    assert found.low == 0.0
    assert found.high > 1.0


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
