"""Membership: copied rows are found, fresh ones are not."""

import numpy as np
import pytest
from evaluation_cases import QUASI, SENSITIVE, synthetic

from medlab import evaluation


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
