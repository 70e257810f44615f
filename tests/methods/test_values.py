"""A value that does not fit its element is refused."""

import pytest
from pydicom import Dataset

from medlab import methods
from medlab.errors import InputError
from medlab.methods import bucketization, suppression


def test_a_label_that_does_not_fit_the_header_is_refused(datasets):
    with pytest.raises(InputError, match="VR AS"):
        methods.apply(datasets, "PatientAge", bucketization.age, label=True)


def test_several_values_are_refused():
    dataset = Dataset()
    dataset.OtherPatientNames = ["A", "B"]
    with pytest.raises(InputError, match="several"):
        methods.apply([dataset], "OtherPatientNames", suppression.blank)
