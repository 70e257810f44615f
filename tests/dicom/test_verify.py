"""Verification finds what other tools, or nobody, left behind."""

import os
from io import BytesIO

import pydicom
import pytest
from click.testing import CliRunner
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from medlab import dicom
from medlab.cli import commands

pytestmark = pytest.mark.filterwarnings("ignore")
KEY = b"k" * 32


@pytest.fixture
def source():
    dataset = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    dataset.PatientName, dataset.PatientID = "Okafor^Jane", "47118899"
    dataset.PatientBirthDate = "19600102"
    buffer = BytesIO()
    dataset.save_as(buffer)
    return dicom.parse(buffer.getvalue())


@pytest.fixture
def clean(source):
    out, _ = dicom.deidentify(source, "research", key=KEY)
    return dicom.parse(dicom.to_bytes(out))


def kinds(source, output, plan=None):
    plan = plan or dicom.plan("research")
    found = dicom.verify_dataset(source, output, plan)
    return {finding.kind for finding in found if finding.severity == "fail"}


def test_a_clean_output_passes(source, clean):
    assert kinds(source, clean) == set()


def test_a_name_in_any_element_is_found(source, clean):
    clean.ManufacturerModelName = "for OKAFOR"
    assert kinds(source, clean) == {"identity"}


def test_a_record_number_in_bytes_of_a_private_element_is_found(source, clean):
    clean.private_block(0x0009, "ACME", create=True).add_new(1, "UN", b"\1\2MRN47118899\3")
    assert kinds(source, clean) == {"identity", "private"}


def test_a_name_in_utf_16_is_found(source, clean):
    clean.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(
        0x0D, "UN", "Okafor".encode("utf-16-le")
    )
    assert kinds(source, clean) == {"identity"}


def test_a_birth_date_in_text_is_found(source, clean):
    clean.ImageComments = "dob 02.01.1960"
    assert "date" in kinds(source, clean)


def test_an_old_uid_is_found(source, clean):
    clean.ImageComments = str(source.SeriesInstanceUID)
    assert "uid" in kinds(source, clean)


def test_dates_that_moved_apart_are_found(source, clean):
    clean.InstanceCreationDate = dicom.shift_date(clean.InstanceCreationDate, 1)
    assert kinds(source, clean) == {"date"}


def test_dates_that_did_not_move_are_found(source, clean):
    clean.InstanceCreationDate = source.InstanceCreationDate
    clean.StudyDate = source.StudyDate
    assert "date" in kinds(source, clean)


def test_missing_markers_and_false_claims_are_found(source, clean):
    del clean.PatientIdentityRemoved
    clean.BurnedInAnnotation = "NO"
    assert kinds(source, clean) == {"marker"}


def test_private_leftovers_group_lengths_and_empty_blocks_are_found(source, clean):
    clean.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    assert kinds(source, clean) == {"private"}
    kept = dicom.plan("research", keep_private=["SIEMENS CSA HEADER"])
    clean.private_block(0x0029, "SIEMENS CSA HEADER").add_new(0x08, "CS", "IMAGE")
    assert kinds(source, clean, kept) == set()


def test_meta_of_the_sender_and_a_full_preamble_are_found(source, clean):
    clean.file_meta.SourceApplicationEntityTitle = "WARD7"
    clean.preamble = b"II*\0" + b"\0" * 124
    assert kinds(source, clean) == {"meta"}


def test_two_uids_that_became_one_are_found(source, clean):
    clean.SeriesInstanceUID = clean.StudyInstanceUID
    assert "uid" in kinds(source, clean)


def test_a_short_name_is_compared_element_by_element():
    source, output = Dataset(), Dataset()
    source.PatientName, source.PatientID = "Doe^Li", "47118899"
    output.ImageComments, output.PatientID = "Doe was here", "X"
    found = dicom.verify_dataset(source, output, dicom.plan())
    assert any("short part" in f.message and f.severity == "fail" for f in found)


def test_findings_hold_no_value(source):
    found = dicom.verify_dataset(source, source, dicom.plan())
    assert found
    told = " ".join(" ".join(finding) for finding in found)
    assert not any(word in told for word in ("Okafor", "47118899", "19600102"))


@pytest.fixture
def folders(tmp_path, source):
    """A source folder and its outputs under new names."""
    before, after = tmp_path / "in", tmp_path / "out"
    before.mkdir()
    after.mkdir()
    for number in range(3):
        source.InstanceNumber = number
        source.SOPInstanceUID = f"1.2.826.0.{number}"
        (before / f"{number}.dcm").write_bytes(dicom.to_bytes(source))
        out, _ = dicom.deidentify(source, "research", key=KEY)
        (after / f"IM{number}.dcm").write_bytes(dicom.to_bytes(out))
    return before, after


def test_folders_are_compared_however_the_second_was_made(folders):
    assert dicom.verify(*folders) == []


def test_a_file_name_that_tells_is_found(folders):
    (folders[1] / "IM0.dcm").rename(folders[1] / "okafor_0.dcm")
    assert [f.path for f in dicom.verify(*folders)] == ["file name"]


def test_a_patient_moved_by_two_offsets_is_found_across_files(folders):
    path = folders[1] / "IM1.dcm"
    other, _ = dicom.deidentify(dicom.read(folders[0] / "1.dcm"), "research", key=b"z" * 32)
    path.write_bytes(dicom.to_bytes(other))
    messages = {f.message for f in dicom.verify(*folders)}
    assert "dates of one patient moved differently" in messages
    assert any("one UID became several" in message for message in messages)


def test_what_has_no_source_is_not_verified(folders, tmp_path):
    (folders[0] / "2.dcm").unlink()
    found = dicom.verify(*folders)
    assert [(f.severity, f.message) for f in found] == [
        ("fail", "no source was found to compare it with")
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no DICOM file to verify"):
        dicom.verify(folders[0], tmp_path / "empty")


def test_a_map_with_names_in_no_encoding_is_read(folders, tmp_path):
    odd = os.fsdecode(os.fsencode(folders[0]) + b"/M\xfcller.dcm")
    (folders[0] / "0.dcm").rename(odd)
    job = tmp_path / "out.job"
    job.mkdir()
    rows = [b"source,target,status", b"M\xfcller.dcm,IM0.dcm,done", b"1.dcm,IM1.dcm,done",
            b"2.dcm,IM2.dcm,done"]  # fmt: skip
    (job / "map.csv").write_bytes(b"\n".join(rows))
    assert dicom.verify(*folders) == []


@pytest.mark.parametrize("charset", ["ISO_IR 100", ["", "ISO 2022 IR 87"], "ISO_IR 192"])
def test_a_name_is_found_in_the_encoding_of_the_file(source, charset):
    name = "Müller^Jürgen" if charset == "ISO_IR 100" else "Yamada^Tarou=山田^太郎"
    source.SpecificCharacterSet, source.PatientName = charset, name
    source = dicom.parse(dicom.to_bytes(source))
    out, _ = dicom.deidentify(source, "research", key=KEY)
    assert kinds(source, dicom.parse(dicom.to_bytes(out))) == set()
    out.ImageComments = "患者山田太郎の肺" if "山" in name else "bei Müller"
    assert kinds(source, dicom.parse(dicom.to_bytes(out))) == {"identity"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("नीता^देवी", "श्रीमती नीता, बुखार"), ("राम^लाल", "श्री राम को"), ("สมชาย^ใจดี", "คุณสมชายไอ"),
        ("O'Hara^Una", "OHARA knee"), ("de la Cruz^Ivo", "Delacruz"), ("Al-Masri^Noor", "ALMASRI"),
        ("Quillfeather^Ottoline", "OQUILLFEATHER"), ("Quillfeather^Ottoline", "Quillfeathers"),
        ("Тарковский^Андрей", "Тарковскому"), ("Müller^Jo", "Muller"),
        ("Müller^Jo", "Mu\u0308ller"),
        ("Okafor^Jane", "Ｏｋａｆｏｒ"), ("Okafor^Jane", "Oka\u00adfor"),
        ("Doe^Jane", "471 188 99"), ("Doe^Jane", "47-11-88-99"), ("Doe^Jane", "٤٧١١٨٨٩٩"),
    ],
)  # fmt: skip
def test_names_and_numbers_are_found_as_people_write_them(source, name, text):
    source.SpecificCharacterSet, source.PatientName = "ISO_IR 192", name
    source = dicom.parse(dicom.to_bytes(source))
    out, _ = dicom.deidentify(source, "research", key=KEY)
    out.SpecificCharacterSet = "ISO_IR 192"
    assert kinds(source, dicom.parse(dicom.to_bytes(out))) == set()
    out.ImageComments = text
    assert kinds(source, dicom.parse(dicom.to_bytes(out))) == {"identity"}


@pytest.mark.parametrize(
    ("name", "text"),
    [("Welling^Ann", "swelling"), ("राम^लाल", "आराम करो"), ("Doe^Jane", "471 188 990"),
     ("Æøåa^Bo", "a mass")],
)  # fmt: skip
def test_words_and_numbers_that_only_hold_them_are_no_finding(source, name, text):
    source.SpecificCharacterSet, source.PatientName = "ISO_IR 192", name
    source = dicom.parse(dicom.to_bytes(source))
    out, _ = dicom.deidentify(source, "research", key=KEY)
    out.SpecificCharacterSet, out.ImageComments = "ISO_IR 192", text
    assert kinds(source, dicom.parse(dicom.to_bytes(out))) == set()


def test_a_short_id_among_the_settings_of_the_scanner_is_chance_a_long_one_is_not(source):
    source.PatientID, source.RepetitionTime = "1000", "1000"
    source.AccessionNumber = "10008"  # stands in every UID of a SOP class
    clean, _ = dicom.deidentify(source, "research", key=KEY)
    assert kinds(source, clean) == set()
    source.PatientID = source.RepetitionTime = clean.RepetitionTime = "100000"
    assert "identity" in kinds(source, clean)


def test_an_id_without_its_leading_zeros_is_found(source, clean):
    source.PatientID = "00884422"
    clean.ImageComments = "see 884422"
    assert "identity" in kinds(source, clean)


def test_the_command_returns_one_where_something_is_left(folders):
    good = CliRunner().invoke(commands, ["verify", str(folders[0]), str(folders[1])])
    assert good.exit_code == 0
    assert "not proved" in good.output
    bad = CliRunner().invoke(commands, ["verify", str(folders[0]), str(folders[0])])
    assert bad.exit_code == 1
    assert "Okafor" not in bad.output


def test_one_uid_of_many_with_the_same_root_is_found(source):
    for number in range(30):
        item = Dataset()
        item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        item.ReferencedSOPInstanceUID = f"1.2.826.0.1.3680043.77.{number}"
        source.add_new(0x00081140, "SQ", [*source.get("ReferencedImageSequence", []), item])
    source = dicom.parse(dicom.to_bytes(source))
    out, _ = dicom.deidentify(source, "research", key=KEY)
    assert kinds(source, out) == set()
    out.ImageComments = "see 1.2.826.0.1.3680043.77.29"
    assert kinds(source, out) == {"uid"}
