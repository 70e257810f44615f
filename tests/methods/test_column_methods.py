"""What methods do to the columns of a table."""

import numpy as np
import pytest

from medlab import evaluation, samples
from medlab.evaluation import Point
from medlab.methods.catalogue import protect

QUASI = ["Age", "Sex", "Weight", "Height", "Postcode", "StudyDate", "Modality"]


SENSITIVE = "Diagnosis"


@pytest.fixture(scope="module")
def small():
    return evaluation.one_each(samples.cohort(300))


def test_names_and_numbers_were_hidden_indeed(small):
    asked = (small.released, QUASI, SENSITIVE, Point("pseudonymization"))
    table, _ = protect(*asked, np.random.default_rng(1))
    for name in ("PatientID", "PatientName"):
        assert not set(table[name]) & set(small.released[name])
