"""Broken and hostile files: refused in one sentence, or handled; never a crash."""

import struct
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom._uid_dict import UID_dictionary
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from medlab import dicom
from medlab.errors import InputError
from medlab.pixels import frames

pytestmark = pytest.mark.filterwarnings("ignore")
KEY = b"k" * 32


def bytes_of(name="CT_small.dcm"):
    return Path(get_testdata_file(name)).read_bytes()


def element(group, number, vr, value, length=None):
    """Return an element in explicit VR little endian, with a length that may lie."""
    stated = len(value) if length is None else length
    head = struct.pack("<HH2s", group, number, vr)
    if vr.decode() in EXPLICIT_VR_LENGTH_32:
        return head + struct.pack("<HI", 0, stated) + value
    return head + struct.pack("<H", stated) + value


def file_of(body, syntax=b"1.2.840.10008.1.2.1\0"):
    meta = element(2, 0x10, b"UI", syntax)
    length = element(2, 0, b"UL", struct.pack("<I", len(meta)))
    return b"\0" * 128 + b"DICM" + length + meta + body


@pytest.mark.parametrize("cut", [0, 60, 131, 140, 405, 1000, 5000, 39000, -1])
def test_a_truncated_file_is_refused(cut):
    with pytest.raises(InputError):
        dicom.parse(bytes_of()[:cut])


def test_a_length_beyond_the_end_is_refused():
    with pytest.raises(InputError, match="longer than the file"):
        dicom.parse(file_of(element(0x10, 0x10, b"PN", b"Doe^Jane", length=5000)))


def test_a_length_of_two_gigabytes_takes_no_memory_and_is_refused():
    with pytest.raises(InputError, match="longer than the file"):
        dicom.parse(file_of(element(0x7FE0, 0x10, b"OW", b"\0\0", length=2**31)))


def nested(levels, *, undefined):
    """Return a sequence in a sequence in a ..."""
    body = element(0x10, 0x10, b"PN", b"Doe^Jane")
    for _ in range(levels):
        if undefined:
            item = b"\xfe\xff\x00\xe0" + b"\xff" * 4 + body + b"\xfe\xff\x0d\xe0" + b"\0" * 4
            body = element(8, 0x1115, b"SQ", item + b"\xfe\xff\xdd\xe0" + b"\0" * 4, 0xFFFFFFFF)
        else:
            item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(body)) + body
            body = element(8, 0x1115, b"SQ", item)
    return file_of(body)


@pytest.mark.parametrize("undefined", [True, False])
def test_ten_thousand_levels_of_nesting_are_refused(undefined):
    data = nested(10_000, undefined=undefined)
    with pytest.raises(InputError, match=r"nest deeper|cannot be understood"):
        dicom.deidentify(dicom.parse(data), key=KEY)
    with pytest.raises(InputError, match=r"nest deeper|cannot be understood"):
        dicom.tag_table(dicom.parse(data))


@pytest.mark.parametrize("undefined", [True, False])
def test_fifty_levels_are_cleaned_to_the_bottom(undefined):
    out, _ = dicom.deidentify(dicom.parse(nested(50, undefined=undefined)), key=KEY)
    assert b"Doe" not in dicom.to_bytes(out)


def test_a_file_without_meta_header_is_read_and_cleaned():
    body = element(8, 0x60, b"CS", b"CT") + element(0x10, 0x10, b"PN", b"Doe^Jane")
    out, _ = dicom.deidentify(dicom.parse(body), key=KEY)
    data = dicom.to_bytes(out)
    assert data[128:132] == b"DICM"
    assert b"Doe" not in data


#: Each VR that PS3.5 has, but for sequences.
VRS = sorted(vr.value.encode() for vr in VR if len(vr.value) == 2 and vr != VR.SQ)


@pytest.mark.parametrize("vr", VRS)
def test_a_name_under_a_wrong_vr_goes_all_the_same(vr):
    body = element(8, 0x60, b"CS", b"CT") + element(0x10, 0x10, vr, b"Doe^Jane")
    out, _ = dicom.deidentify(dicom.parse(file_of(body)), key=KEY)
    assert b"Doe" not in dicom.to_bytes(out)


@pytest.mark.parametrize("vr", VRS)
def test_a_comment_under_a_wrong_vr_is_searched(vr):
    body = (
        element(8, 0x60, b"CS", b"CT")
        + element(0x10, 0x10, b"PN", b"Okafor^Jane ")
        + element(0x18, 0x9423, vr, b"for Okafor, head")
    )
    out, _ = dicom.deidentify(dicom.parse(file_of(body)), key=KEY)
    assert b"Okafor" not in dicom.to_bytes(out)


@pytest.mark.parametrize("padding", [b"", b" ", b"\0\0", b" \0"])
def test_a_number_of_the_patient_is_no_setting_however_it_is_padded(padding):
    value = b"47118899" + padding
    body = (
        element(8, 0x60, b"CS", b"CT")
        + element(0x10, 0x20, b"LO", b"47118899")
        + element(0x18, 0x81, b"DS", value + b" " * (len(value) % 2))
    )
    out, _ = dicom.deidentify(dicom.parse(file_of(body)), key=KEY)
    assert b"47118899" not in dicom.to_bytes(out)


def test_elements_of_a_command_do_not_pass():
    body = element(0, 0x600, b"AE", b"ARCHIVE1") + element(8, 0x60, b"CS", b"CT")
    out, _ = dicom.deidentify(dicom.parse(file_of(body)), key=KEY)
    assert b"ARCHIVE1" not in dicom.to_bytes(out)


def test_a_date_that_is_none_does_not_pass():
    body = element(8, 0x20, b"DA", b"Doe^Jane") + element(0x10, 0x20, b"LO", b"12345678")
    for policy in ("basic", "research"):
        out, _ = dicom.deidentify(dicom.parse(file_of(body)), policy, key=KEY)
        assert b"Doe" not in dicom.to_bytes(out)


def test_a_wrong_character_set_is_no_way_out():
    dataset = pydicom.dcmread(BytesIO(bytes_of()))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Müller^Jürgen"
    dataset.PatientComments = "Müller kam"
    dataset.FrameLabel = "Müller"
    buffer = BytesIO()
    dataset.save_as(buffer)
    for said in (b"ISO_IR 100", b"NOSUCHSET ", b"ISO_IR 13 "):
        data = buffer.getvalue().replace(b"ISO_IR 192", said)
        out, _ = dicom.deidentify(dicom.parse(data), "research", key=KEY)
        written = dicom.to_bytes(out)
        assert "Müller".encode() not in written
        assert b"ller" not in written


def test_a_data_set_made_by_hand_is_cleaned():
    dataset = Dataset()
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "12345678"
    out, _ = dicom.deidentify(dataset, key=KEY)
    assert b"Doe" not in dicom.to_bytes(out)
    assert str(dataset.PatientName) == "Doe^Jane"


def test_pixels_in_a_coding_that_is_not_known_are_said_to_be_so(monkeypatch):
    added = ("JPEG XL Lossless", "Transfer Syntax", "", "", "JPEGXLLossless")
    monkeypatch.setitem(UID_dictionary, "1.2.840.10008.1.2.4.110", added)  # as pynetdicom does
    dataset = dicom.read(get_testdata_file("CT_small.dcm", download=False))
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.110"  # JPEG XL lossless
    with pytest.raises(InputError, match="coded in a way that is not known here"):
        frames.layout(dataset)
