"""Uploads: what is taken, and what is refused in one sentence that names nobody."""

import gzip
import io
import stat
import zipfile

import nibabel as nib
import numpy as np
import pytest
from app_study import NAME, study
from pydicom import config, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medlab.app import intake
from medlab.errors import InputError

DICOM = open(get_testdata_file("CT_small.dcm", download=False), "rb").read()  # noqa: SIM115, PTH123


def packed(*entries, kind=stat.S_IFREG):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def taken(session, name, content):
    (session / "inbox" / name).write_bytes(content)
    return intake.take_in(session / "inbox", session / "files")


def test_a_zip_is_unpacked_and_what_is_no_image_is_left_out(session):
    found = taken(session, "study.zip", packed(("A/IM1", DICOM), ("A/letter.txt", b"Dear Mrs")))
    assert found == (1, 1, ())
    assert [item.name for item in intake.inventory(session / "files")] == ["Series 1: CT, 1 file"]
    assert not list((session / "inbox").iterdir())


@pytest.mark.parametrize("name", ["../IM1", "A/../../IM1", "/etc/IM1", "C:IM1", "A\\..\\IM1"])
def test_a_zip_whose_names_lead_elsewhere_is_refused_as_a_whole(session, name):
    found = taken(session, "study.zip", packed(("good", DICOM), (name, DICOM)))
    assert found.files == 0
    assert "leads out of its folder" in found.refusals[0]
    assert not [path for path in session.parent.rglob("*") if path.is_file()]


def test_a_zip_with_a_link_is_refused(session):
    found = taken(session, "study.zip", packed(("IM1", b"/etc/passwd"), kind=stat.S_IFLNK))
    assert "link" in found.refusals[0]


def test_an_encrypted_zip_is_refused(session):
    content = bytearray(packed(("IM1", DICOM)))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in taken(session, "study.zip", bytes(content)).refusals[0]


def test_two_files_of_one_name_are_refused(session):
    with pytest.warns(UserWarning, match="Duplicate"):
        content = packed(("IM1", DICOM), ("IM1", DICOM))
    assert "two files of one name" in taken(session, "study.zip", content).refusals[0]


def test_a_damaged_zip_is_refused_and_leaves_nothing(session):
    content = bytearray(packed(("IM1", DICOM), ("IM2", DICOM)))
    content[len(content) // 2] ^= 0xFF
    assert "damaged" in taken(session, "study.zip", bytes(content)).refusals[0]
    assert not [path for path in (session / "files").rglob("*") if path.is_file()]


def test_a_zip_bomb_is_refused_before_it_is_unpacked(session, monkeypatch):
    monkeypatch.setattr(intake, "_UNPACKED", 3 * len(DICOM))
    bomb = packed(*((f"IM{n}", DICOM) for n in range(4)))
    assert "unpacks to more than" in taken(session, "bomb.zip", bomb).refusals[0]


def test_a_gzip_bomb_is_refused(session, monkeypatch):
    monkeypatch.setattr(intake, "_UNPACKED", 1 << 20)
    bomb = gzip.compress(bytes(2 << 20))
    assert "unpacks to more than" in taken(session, "head.nii.gz", bomb).refusals[0]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_deflated_dicom_bomb_is_refused(session, monkeypatch):
    monkeypatch.setattr(intake, "_UNPACKED", 1 << 20)
    dataset = dcmread(io.BytesIO(DICOM))
    dataset.ImageComments = "a" * (3 << 20)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    assert len(buffer.getvalue()) < 1 << 20
    assert "unpacks to more than" in taken(session, "IM1", buffer.getvalue()).refusals[0]


def test_a_session_is_full_at_some_time(session, monkeypatch):
    monkeypatch.setattr(intake, "_UNPACKED", 2 * len(DICOM))
    assert [taken(session, "IM1", DICOM).files for _ in range(3)] == [1, 1, 0]


@pytest.mark.parametrize("content", [b"%PDF-1.7 Okafor^Ngozi", b""])
def test_a_wrong_type_is_refused_without_its_name(session, content):
    (refusal,) = taken(session, "OKAFOR_NGOZI.pdf", content).refusals
    assert refusal.startswith("file 1 of 1: it is ")
    assert "OKAFOR" not in refusal.upper()


def test_a_nifti_is_known_by_its_content_and_a_text_of_that_name_refused(session):
    img = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    assert taken(session, "head.nii", img.to_bytes()).files == 1
    assert taken(session, "other.nii.gz", b"not gzip").files == 0


def test_the_names_of_what_there_is_hold_nothing_of_a_patient(tmp_path):
    study(tmp_path / NAME, Modality="OKAFOR NGOZI")
    assert [item.name for item in intake.inventory(tmp_path)] == ["Series 1: other kind, 3 files"]


@pytest.mark.parametrize("text", ["", "relative/folder", "/nowhere/at/all"])
def test_a_folder_that_cannot_be_used_is_refused_in_a_sentence(text):
    with pytest.raises(InputError, match="folder"):
        intake.named_folder(text)


def test_a_named_folder_is_used_in_place(tmp_path):
    assert intake.named_folder(str(study(tmp_path / "ward"))) == tmp_path / "ward"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="neither DICOM nor NIfTI"):
        intake.named_folder(str(tmp_path / "empty"))


@pytest.mark.parametrize(("name", "mask"), [("sub-segal01_T1w.nii", False), ("aseg.nii", True)])
def test_a_scan_is_called_a_mask_by_a_word_of_its_name_and_not_by_a_patients_code(
    tmp_path, name, mask
):
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.int16), np.eye(4)), tmp_path / name)
    (item,) = intake.inventory(tmp_path)
    assert item.name.endswith(" (a mask by its name)") is mask


@pytest.mark.parametrize(
    ("part", "head"), [("WHOLEBODY", True), ("", True), ("NECK", True), ("KNEE", False)]
)
def test_cutting_faces_is_proposed_where_a_job_looks_for_a_head(tmp_path, part, head):
    study(tmp_path, files=20, BodyPartExamined=part)
    (item,) = intake.inventory(tmp_path)
    assert intake.suggests_head(item) is head


def test_an_odd_count_of_frames_proposes_nothing_and_stops_nothing(tmp_path):
    study(tmp_path, files=1, BodyPartExamined="HEAD")
    (path,) = tmp_path.iterdir()
    dataset = dcmread(path)
    with config.disable_value_validation():
        dataset.add_new("NumberOfFrames", "LO", "many")
        dataset.save_as(path)
    (item,) = intake.inventory(tmp_path)
    assert not intake.suggests_head(item)
