"""A control group is made of people, not of rows."""

import numpy as np

from medlab import evaluation, samples


def test_holding_back_splits_people_and_not_rows():
    table = samples.cohort(60).released
    kept = evaluation.hold_back(table, np.random.default_rng(0))
    assert not set(kept.released["PatientID"]) & set(kept.control["PatientID"])
    assert len(kept.released) + len(kept.control) == len(table)
    assert kept.released["PatientID"].nunique() == 30
