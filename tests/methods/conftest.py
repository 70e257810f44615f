"""Fixtures that several tests of this room share."""

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file


@pytest.fixture
def datasets():
    study = []
    for age in ("023Y", "047Y", "091Y"):
        dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
        dataset.PatientAge = age
        study.append(dataset)
    return study
