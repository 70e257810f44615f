import pytest
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from medlab.dicom.element_texts import (
    frame_count,
    label,
    proper_vr,
    raw_element,
    sequence_at,
    text_at,
    texts_of,
    vr_of,
    with_value,
)
from medlab.errors import InputError

NAME, COMMENTS, WEIGHT = 0x00100010, 0x00104000, 0x00101030
FRAMES = 0x00280008


def raw(tag, vr, value):
    return raw_element(tag, vr, value, implicit=False, little=True)


@pytest.mark.parametrize(
    ("tag", "vr", "value", "texts"),
    [
        (NAME, "PN", b"Okafor^Ngozi ", ["Okafor^Ngozi"]),
        (0x00080008, "CS", b"ORIGINAL\\PRIMARY ", ["ORIGINAL", "PRIMARY"]),
        (COMMENTS, "LT", b"a\\b ", ["a\\b"]),  # one value: there a backslash is a character
        (0x7FE00010, "OW", b"Okafor", []),
        (NAME, "PN", b"", []),
    ],
)
def test_texts_are_the_same_decoded_or_not(tag, vr, value, texts):
    dataset = Dataset()
    dataset._dict[BaseTag(tag)] = element = raw(tag, vr, value)
    assert texts_of(dataset, element) == texts
    decoded = dataset[tag]
    assert isinstance(decoded, DataElement)
    assert texts_of(dataset, decoded) == texts


def test_a_vr_that_the_file_does_not_say_comes_from_the_dictionary():
    unsaid = RawDataElement(BaseTag(NAME), None, 2, b"A ", 0, True, True)
    assert vr_of(unsaid) == "PN"
    wrong = raw(NAME, "US", b"\1\0")
    assert (vr_of(wrong), proper_vr(wrong)) == ("US", "PN")
    private = RawDataElement(BaseTag(0x00091001), None, 2, b"A ", 0, True, True)
    assert vr_of(private) == "UN"


def test_a_new_value_is_encoded_in_place_or_emptied_where_it_does_not_fit():
    shorter = with_value(raw(NAME, "PN", b"Okafor^Ngozi"), "A-1")
    assert (shorter.value, shorter.length) == (b"A-1 ", 4)
    other = with_value(raw(NAME, "PN", b"Okafor^Ngozi"), "Zoë")
    assert isinstance(other, DataElement)  # only ASCII is written undecoded
    rows = DataElement(0x00280010, "US", 4)
    assert with_value(rows, "four").value is None


def test_a_tag_is_written_as_the_standard_writes_it():
    assert label(NAME) == ("(0010,0010)", "PatientName")
    assert label(0x00091001) == ("(0009,1001)", "")


def test_what_is_not_there_has_no_text_and_no_items():
    dataset = Dataset()
    dataset.OtherPatientIDsSequence = []
    assert text_at(dataset, NAME) == ""
    assert sequence_at(dataset, "OtherPatientIDsSequence") == []
    dataset.PatientComments = "none"
    assert sequence_at(dataset, "PatientComments") == []


@pytest.mark.parametrize(
    ("value", "count"),
    [(b"12", 12), (b"+12 ", 12), (b"12.0", 12), (b"0 ", 1), (b"", 1), (None, 1)]
    + [(odd, None) for odd in (b"1\\2 ", b"abc ", b"2.5 ", b"-3", b"inf ")],
)
def test_a_count_of_frames_is_a_whole_number_or_an_error(value, count):
    dataset = Dataset() if value is None else Dataset({BaseTag(FRAMES): raw(FRAMES, "IS", value)})
    if count is None:
        with pytest.raises(InputError, match="Number of Frames"):
            frame_count(dataset)
    else:
        assert frame_count(dataset) == count
