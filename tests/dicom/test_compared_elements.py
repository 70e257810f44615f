"""What dates and UIDs became is seen in pairs of elements."""

import pytest
from pydicom.dataset import Dataset
from small_headers import kinds

from medlab import dicom

pytestmark = pytest.mark.filterwarnings("ignore")


def test_dates_that_moved_apart_are_found(source, clean):
    clean.InstanceCreationDate = dicom.shift_date(clean.InstanceCreationDate, 1)
    assert kinds(source, clean) == {"date"}


def test_dates_that_did_not_move_are_found(source, clean):
    clean.InstanceCreationDate = source.InstanceCreationDate
    clean.StudyDate = source.StudyDate
    assert "date" in kinds(source, clean)


def test_two_uids_that_became_one_are_found(source, clean):
    clean.SeriesInstanceUID = clean.StudyInstanceUID
    assert "uid" in kinds(source, clean)


@pytest.mark.parametrize(
    ("after", "wrong"),
    [
        ("20191201", ""), ("20240229", "did not"), ("19000101", ""), ("20240228", "out of range"),
    ],
)  # fmt: skip
def test_days_between_source_and_output_are_within_the_range_of_a_shift(after, wrong):
    before, moved = Dataset(), Dataset()
    before.StudyDate, moved.StudyDate = "20240229", after
    findings = dicom.verify_dataset(before, moved, dicom.plan("research"), output_bytes=b"")
    messages = [finding.message for finding in findings if finding.kind == "date"]
    assert wrong in "".join(messages)
    assert bool(messages) == bool(wrong)
