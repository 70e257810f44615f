"""Verification finds what other tools, or nobody, left behind."""

import os

import numpy as np
import pytest
from click.testing import CliRunner
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit
from small_headers import KEY, kinds

from medlab import dicom
from medlab.cli import commands
from medlab.dicom.compared_elements import hidden_frames, samples_of, without_samples

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_clean_output_passes(source, clean):
    assert kinds(source, clean) == set()


def test_a_name_in_any_element_is_found(source, clean):
    clean.ManufacturerModelName = "for OKAFOR"
    assert kinds(source, clean) == {"identity"}


def test_a_record_number_in_bytes_of_a_private_element_is_found(source, clean):
    clean.private_block(0x0009, "ACME", create=True).add_new(1, "UN", b"\1\2MRN47118899\3")
    assert kinds(source, clean) == {"identity", "private"}


def test_an_old_uid_is_found(source, clean):
    clean.ImageComments = str(source.SeriesInstanceUID)
    assert "uid" in kinds(source, clean)


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


def test_the_command_returns_one_where_something_is_left(folders):
    good = CliRunner().invoke(commands, ["verify", str(folders[0]), str(folders[1])])
    assert good.exit_code == 0
    assert "not proved" in good.output
    bad = CliRunner().invoke(commands, ["verify", str(folders[0]), str(folders[0])])
    assert bad.exit_code == 1
    assert "Okafor" not in bad.output


SAMPLES = bytes(range(1, 13))


def image(syntax, value, rows=3, columns=4, frames=1):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = rows, columns, 1
    dataset.BitsAllocated, dataset.PhotometricInterpretation = 8, "MONOCHROME2"
    dataset.NumberOfFrames = frames
    dataset.add_new("PixelData", "OB", value)
    return dataset


def test_native_samples_end_where_rows_and_columns_say():
    dataset = image(ExplicitVRLittleEndian, SAMPLES + b"OKAFOR")
    assert samples_of(dataset) == [SAMPLES]
    assert without_samples(b"a" + dataset.PixelData + b"z", dataset) == b"aOKAFORz"
    assert without_samples(SAMPLES, image(ExplicitVRLittleEndian, SAMPLES)) == b""


def test_an_odd_number_of_samples_has_one_byte_of_padding():
    dataset = image(ExplicitVRLittleEndian, b"abc\0", rows=1, columns=3)
    assert samples_of(dataset) == [b"abc"]
    assert without_samples(b"abc\0", dataset) == b""


def test_text_of_unknown_samples_is_told_beside_them():
    value = bytes(range(20)) + b"OKAFOR NGOZI 1962" + bytes(range(20))
    dataset = image("1.2.3.4", value, rows=100, columns=100)
    assert samples_of(dataset) == [value]
    assert b"OKAFOR NGOZI 1962" in without_samples(value, dataset)


def test_a_comment_of_a_jpeg_stands_beside_its_scan():
    scan = b"\xff\xda\0\x08\1\1\0\0\x3f\0" + b"\x11\x22\xff\x00\x33"
    jpeg = b"\xff\xd8\xff\xfe\0\x08OKAFOR" + scan + b"\xff\xd9"
    dataset = image(JPEGBaseline8Bit, encapsulate([jpeg]))
    (samples,) = samples_of(dataset)
    assert b"OKAFOR" in without_samples(dataset.PixelData, dataset)
    assert b"OKAFOR" not in samples
    assert b"\x11\x22\xff\x00\x33" in samples


@pytest.mark.parametrize(("frames", "hidden"), [(1, ["(7FE0,0010)"]), (2, [])])
def test_a_frame_beyond_their_number_is_hidden(frames, hidden):
    value = np.arange(24, dtype=np.uint8).tobytes()
    assert hidden_frames(image(ExplicitVRLittleEndian, value, frames=frames)) == hidden
