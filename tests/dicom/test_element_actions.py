"""What is left of one element, or stands in its place."""

import struct

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.valuerep import STR_VR, VR, validate_value
from small_headers import KEY, coded, content_item, read_back, run, stored_with

from medlab import dicom
from medlab.dicom.element_actions import _dummy, _dummy_text
from medlab.dicom.profile import tag_of, word_list

pytestmark = pytest.mark.filterwarnings("ignore")


def test_text_too_long_for_its_vr_is_replaced_whole(study):
    study.ProtocolName = "Okafor 1 Jane 2 Okafor 3 Jane 4 Okafor 5 Jane 6 Okafor 7 Jane 8"
    out, _ = run(study, "research")
    assert len(out.ProtocolName) <= 64


def test_a_name_in_a_coded_value_becomes_a_dummy(study):
    study.BodyPartExamined = "OKAFOR"
    out, _ = run(study)
    assert out.BodyPartExamined == "ANON"


@pytest.mark.parametrize("wrong", ["Okafor ", "47118899"])
def test_what_is_no_number_or_the_patients_own_does_not_pass_as_one(study, wrong):
    study.PatientID = "0047118899"
    for keyword in ("RepetitionTime", "EchoTrainLength", "PatientWeight"):
        study[keyword] = DataElement(keyword, "LO", wrong)
    data = dicom.to_bytes(read_back(study))
    for keyword, vr in (
        ("RepetitionTime", b"DS"),
        ("EchoTrainLength", b"IS"),
        ("PatientWeight", b"DS"),
    ):
        place = struct.pack("<HH", tag_of(keyword) >> 16, tag_of(keyword) & 0xFFFF)
        data = data.replace(place + b"LO", place + vr)
    source = dicom.parse(data)
    out, _ = dicom.deidentify(source, "research", key=KEY)
    assert (out.RepetitionTime, out.EchoTrainLength, out.PatientWeight) == (None, None, None)


def test_a_birth_date_does_not_pass_as_a_time_of_day_and_a_name_not_as_a_class(study):
    study.SeriesTime, study.AcquisitionTime = "19600102", "101112.25\\091011"
    study.CodingSchemeUID = "1.2.Okafor"
    out, _ = run(study, "research")
    assert not out.SeriesTime
    assert out.AcquisitionTime == ["101112.25", "091011"]
    assert out.CodingSchemeUID.startswith("2.25.")


@pytest.mark.parametrize(("written", "kept"), [
    (b"42", "042Y"), (b"042", "042Y"), (b"42Y ", "042Y"), (b"8y", "008Y"), (b"94Y ", "090Y"),
    (b"94 Years", "090Y"), (b"8 mo", "008M"), (b"3 weeks ", "003W"), (b"030Y", "030Y"),
    (b"42M ", ""), (b"42F ", ""), (b"adult ", ""), (b"8Y3M", ""),
])  # fmt: skip
def test_an_age_is_read_as_people_write_it_and_never_becomes_a_newborn(study, written, kept):
    read = stored_with(study, 0x00101010, "AS", written)
    out, log = run(read, "basic", options=["retain-patient-characteristics"])
    assert str(out.PatientAge or "") == kept
    notes = {action.note for action in log if action.keyword == "PatientAge"}
    assert notes == ({"unreadable"} if not kept else {"mended"} if written != b"030Y" else set())


@pytest.mark.parametrize(("tag", "vr", "written", "kept"), [
    (0x00280030, "DS", b"0,703125\\0,703125 ", "0.703125\\0.703125"),
    (0x00180050, "DS", b"2,5 ", "2.5"),
    (0x00180050, "DS", b"12,125", ""),  # twelve thousand?
    (0x00180060, "DS", b"120 kV", ""),
    (0x00180060, "DS", b"1.2.3,4 ", ""),
    (0x00200013, "IS", b"N/A ", ""),
    (0x00200013, "IS", b"1,5 ", ""),
    (0x00180060, "DS", b"471188,25 ", "471188.25"),
])  # fmt: skip
def test_what_is_no_number_is_mended_or_empty_and_never_another_number(
    study, tag, vr, written, kept
):
    out, log = run(stored_with(study, tag, vr, written), "research")
    element = out.get_item(tag)
    assert (element.value or b"").decode().strip() == kept
    path = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    notes = [action.note for action in log if action.path == path]
    assert notes == ["mended" if kept else "unreadable"]


def test_a_time_that_is_none_is_empty_and_not_midnight(study):
    out, _ = run(stored_with(study, 0x00080031, "TM", b"noon"), "research")
    assert not out.SeriesTime


@pytest.mark.parametrize(
    ("tag", "written"), [(0x00189345, "LO"), (0x00280010, "UT"), (0x00189345, "DS")]
)
def test_text_in_an_element_that_should_hold_numbers_is_searched(study, tag, written):
    """CTDIvol (FD) and Rows (US), written as text."""
    data = dicom.to_bytes(run(stored_with(study, tag, written, b"Okafor, Jane"), "research")[0])
    assert b"Okafor" not in data


@pytest.mark.parametrize(
    ("scheme", "code"), [("DCM", "121033"), ("SCT", "424144002"), ("LN", "30525-0")]
)
@pytest.mark.parametrize(
    ("said", "unit", "kept"),
    [("94", "a", "90"), ("9.4e1", "a", "90"), ("1128", "mo", "1080"), ("67", "a", "67"),
     ("94", "mo", "94")],
)  # fmt: skip
def test_an_age_over_89_in_a_report_becomes_the_class_90(study, scheme, code, said, unit, kept):
    item, measured = content_item(scheme, code, "NUM"), Dataset()
    measured.NumericValue, measured.FloatingPointValue = said, float(said)
    measured.MeasurementUnitsCodeSequence = [coded("UCUM", unit)]
    item.MeasuredValueSequence = [measured]
    text = content_item(scheme, code, "TEXT")
    text.TextValue = "94"
    study.ContentSequence = [item, text]
    out, _ = run(study, "research", options=["clean-structured-content"])
    found = out.ContentSequence[0].MeasuredValueSequence[0]
    assert str(found.NumericValue) == kept
    assert ("FloatingPointValue" in found) == (said == kept)
    assert "94" not in out.ContentSequence[1].TextValue


def test_a_number_that_is_no_age_stays_in_a_report(study):
    item, measured = content_item("SCT", "81827009", "NUM"), Dataset()  # diameter
    measured.NumericValue = "94"
    item.MeasuredValueSequence = [measured]
    study.ContentSequence = [item]
    out, _ = run(study, "research", options=["clean-structured-content"])
    assert str(out.ContentSequence[0].MeasuredValueSequence[0].NumericValue) == "94"


def test_a_content_item_about_a_person_stays_blank_though_names_stand_in_it(study):
    item = content_item("DCM", "121036", "TEXT")  # mother of fetus
    item.TextValue = "Mary Winter, sister of Okafor"
    study.ContentSequence = [item]
    out, _ = run(study, "research", options=["clean-structured-content"])
    assert "Mary" not in out.ContentSequence[0].TextValue


@pytest.mark.parametrize(
    ("keyword", "vr", "text"),
    [
        ("StudyDescription", b"LO", "Quillfeather seen"),
        ("ImageComments", b"LT", "Quillfeather seen"),
        ("SeriesDate", b"DA", "20240101"),
    ],
)
def test_text_that_a_file_calls_numbers_is_replaced_where_it_would_be_cleaned(
    study, keyword, vr, text
):
    study.PatientName = "Quillfeather^Ann"
    setattr(study, keyword, text)
    place = struct.pack("<HH", *divmod(tag_of(keyword), 1 << 16))
    data = dicom.to_bytes(study)
    assert place + vr in data
    data = data.replace(place + vr, place + b"US")
    out, _ = dicom.deidentify(dicom.parse(data), "research", key=KEY)
    written = dicom.to_bytes(out)
    assert text.encode() not in written
    found = dicom.verify_dataset(
        dicom.parse(data), dicom.parse(written), dicom.plan("research"), output_bytes=written
    )
    assert not [finding for finding in found if finding.severity == "fail"]


def of(element, is_harmless=lambda text: False):
    dataset = Dataset()
    dataset.add(element)
    return _dummy(dataset, element, lambda uid: "2.25.1", is_harmless)


@pytest.mark.parametrize(
    "vr", ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UR"]
)
def test_a_dummy_fits_its_vr(vr):
    validate_value(vr, _dummy_text(vr), 2)  # 2: raise


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


def test_each_dummy_stands_in_the_list_that_the_verifiers_read():
    assert {_dummy_text(vr.value) for vr in STR_VR - {VR.UI}} == word_list("dummies")
