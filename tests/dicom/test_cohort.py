import pytest

from medlab import dicom, samples

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_cohort_table_has_one_row_a_study():
    table = dicom.cohort_table(samples.default_folder() / "studies")
    assert len(table) == table["StudyInstanceUID"].nunique() >= 5
    assert str(table["Age"].dtype) == "Int64"
    assert str(table["StudyDate"].dtype).startswith("datetime64")
    patients = dicom.cohort_table(samples.default_folder() / "studies", by="patient")
    assert len(patients) == table["PatientID"].nunique()
