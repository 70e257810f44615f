"""Singling out raises no alarm where a small control group is as unique."""

import numpy as np
import pytest
from evaluation_cases import QUASI, synthetic

from medlab import evaluation


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_a_small_control_group_raises_no_alarm_of_singling_out(full, share):
    fresh = synthetic(full, 0, np.random.default_rng(5))
    control = full.control.head(round(share * len(full.control)))
    rows = evaluation.evaluate(full.released, fresh, QUASI, control=control, kind="synthetic")
    assert rows.set_index("measure").loc["singling out", "low"] < 0.02
