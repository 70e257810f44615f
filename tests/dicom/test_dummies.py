import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.valuerep import validate_value

from medlab.dicom.dummies import dummy, dummy_text


def of(element, is_harmless=lambda text: False):
    dataset = Dataset()
    dataset.add(element)
    return dummy(dataset, element, lambda uid: "2.25.1", is_harmless)


@pytest.mark.parametrize(
    "vr", ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UR"]
)
def test_a_dummy_fits_its_vr(vr):
    validate_value(vr, dummy_text(vr), 2)  # 2: raise


@pytest.mark.parametrize(
    ("tag", "vr", "value", "expected"),
    [
        (0x00280010, "US", 512, 0),
        (0x00189087, "FD", 700.5, 0.0),
        (0x00189089, "FD", [0.1, 0.2, 0.3], [0.0, 0.0, 0.0]),  # as many as there were
        (0x00420011, "OB", b"report", b"\0\0"),
        (0x04000565, "CS", "CORRECT", "COERCE"),
    ],
)
def test_numbers_become_zero_in_their_number(tag, vr, value, expected):
    assert of(DataElement(tag, vr, value)) == expected


def test_a_sequence_becomes_one_item_of_the_same_shape_that_says_nothing():
    first, second = Dataset(), Dataset()
    first.PatientID, first.ReferencedSOPInstanceUID = "MRN-1", "1.2.3"
    first.TypeOfPatientID, first.ReferencedFrameNumber = "TEXT", 7
    second.PatientID = "MRN-2"
    element = DataElement(0x00101002, "SQ", Sequence([first, second]))
    (item,) = of(element, is_harmless=lambda text: text == "TEXT")
    assert item.PatientID == "ANONYMIZED"
    assert item.ReferencedSOPInstanceUID == "2.25.1"
    assert item.TypeOfPatientID == "TEXT"
    assert (first.PatientID, second.PatientID) == ("MRN-1", "MRN-2")


def test_a_report_keeps_one_item_that_is_a_comment():
    content = DataElement(0x0040A730, "SQ", Sequence([Dataset(), Dataset()]))
    (item,) = of(content)
    assert (item.ValueType, item.TextValue) == ("TEXT", "ANONYMIZED")
