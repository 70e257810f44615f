"""A folder with whatever lies on a disk of a hospital: what comes out, looked at from outside."""

import csv

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab.cli import commands

NAMES = ("OKAFOR", "NGOZI", "778811")


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("everything")
    ward = folder / "in" / "OKAFOR_NGOZI"
    ward.mkdir(parents=True)
    for name in ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "reportsi.dcm"):
        header = dcmread(get_testdata_file(name, download=False))
        header.PatientName, header.PatientID = "OKAFOR^NGOZI", "MRN-778811"
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        header.save_as(ward / f"OKAFOR-{name}")
    good = (ward / "OKAFOR-CT_small.dcm").read_bytes()
    (ward / "copy of OKAFOR.dcm").write_bytes(good)
    (ward / "cut.dcm").write_bytes(good[: len(good) // 2])
    (ward / "empty.dcm").touch()
    (ward / "noise.dcm").write_bytes(np.random.default_rng(0).bytes(4000))
    (ward / "letter.txt").write_text("Dear Dr Roe, OKAFOR NGOZI was seen")
    (ward / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0OKAFOR")
    (ward / "Thumbs.db").write_bytes(b"OKAFOR" * 10)
    img = nib.Nifti1Image(np.zeros((5, 5, 5), np.int16), np.eye(4))
    img.header["descrip"] = b"OKAFOR NGOZI"
    nib.save(img, ward / "OKAFOR.nii.gz")
    (ward / "deeper" / "and" / "deeper").mkdir(parents=True)
    (ward / "link").symlink_to("/etc")
    sources = {p: p.read_bytes() for p in (folder / "in").rglob("*") if p.is_file()}
    call = ["deidentify", str(folder / "in"), str(folder / "out")]
    return folder, sources, CliRunner().invoke(commands, call)


def test_the_job_ends_by_itself_and_says_that_something_was_withheld(job):
    _, _, done = job
    assert done.exit_code == 1
    assert "Traceback" not in done.output


def test_nothing_of_the_patient_is_in_a_name_a_byte_or_the_terminal(job):
    folder, _, done = job
    for path in (folder / "out").rglob("*"):
        told = str(path.relative_to(folder)).upper().encode()
        told += path.read_bytes().upper() if path.is_file() else b""
        assert not [name for name in NAMES if name.encode() in told], path.suffix
    assert not [name for name in NAMES if name in done.output.upper()]


def test_only_images_come_out_and_each_opens(job):
    folder, _, _ = job
    files = [path for path in (folder / "out").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".dcm", ".gz"}
    assert len(files) >= 4
    for path in files:
        if path.suffix == ".dcm":
            assert dcmread(path).PatientIdentityRemoved == "YES"
        else:
            assert nib.load(path).shape == (5, 5, 5)


def test_each_file_has_a_row_and_no_source_was_touched(job):
    folder, sources, _ = job
    assert {path: path.read_bytes() for path in sources} == sources
    with (folder / "out.job" / "map.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    done = [row for row in rows if row["status"] == "done"]
    assert {row["target"] for row in done} == {
        path.relative_to(folder / "out").as_posix()
        for path in (folder / "out").rglob("*")
        if path.is_file()
    }
    listed = {row["source"] for row in rows}
    assert any("cut.dcm" in source for source in listed)
    assert not any("passwd" in source for source in listed)
