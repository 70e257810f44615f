import os
import shutil

import pytest
from job_hospital import digest, plant, rows
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import pipeline
from medlab.errors import InputError
from medlab.pipeline import Settings


def test_the_output_of_a_file_that_is_gone_is_withdrawn_and_told(hospital, tmp_path):
    pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    before = digest(tmp_path / "clean")
    (hospital / "LINDQVIST" / "a.dcm").unlink()
    summary = pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    assert summary.statuses == {"done": 3, "gone": 1}
    assert "no longer in SRC, outputs withdrawn: 1" in summary.lines()
    assert digest(tmp_path / "clean").items() < before.items()
    assert [row["target"] for row in rows(summary.folder) if row["status"] == "gone"] == [""]
    assert "its output, if there was one, was withdrawn" in summary.report.read_text()
    assert summary.ok
    plant(hospital / "LINDQVIST" / "a.dcm", "MR_small.dcm", "Back^Again", "MRN-5")
    assert pipeline.deidentify(
        hospital, tmp_path / "clean", Settings(policy="research")
    ).statuses == {"done": 4}


def test_a_copy_takes_the_place_of_the_file_that_is_gone(hospital, tmp_path):
    first = hospital / "LINDQVIST" / "a.dcm"
    shutil.copy(first, hospital / "z.dcm")
    pipeline.deidentify(hospital, tmp_path / "clean")
    before = digest(tmp_path / "clean")
    first.unlink()
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert summary.statuses == {"done": 4, "gone": 1}
    assert digest(tmp_path / "clean") == before


def test_an_empty_source_withdraws_nothing(hospital, tmp_path):
    pipeline.deidentify(hospital, tmp_path / "clean")
    before = digest(tmp_path / "clean")
    hospital.rename(tmp_path / "elsewhere")
    hospital.mkdir()
    with pytest.raises(InputError, match="is it mounted"):
        pipeline.deidentify(hospital, tmp_path / "clean")
    assert digest(tmp_path / "clean") == before


def test_a_file_seen_twice_is_written_once_and_another_form_of_it_beside_it(hospital, tmp_path):
    original = hospital / "LINDQVIST" / "a.dcm"
    shutil.copy(original, hospital / "copy.dcm")
    dataset = dcmread(original)
    dataset.RepetitionTime = "77"
    dataset.save_as(hospital / "other.dcm")
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert summary.statuses == {"done": 5, "duplicate": 1}
    found = {row["source"]: row["target"] for row in rows(summary.folder)}
    assert found["copy.dcm"] == found["LINDQVIST/a.dcm"]
    assert found["other.dcm"] == found["LINDQVIST/a.dcm"].replace(".dcm", "-2.dcm")


@pytest.mark.skipif(os.name != "posix", reason="links, pipes and odd names of POSIX")
def test_hostile_folders_do_not_stop_a_job(hospital, tmp_path):
    (tmp_path / "secret.dcm").write_bytes((hospital / "LINDQVIST" / "a.dcm").read_bytes())
    (hospital / "out.dcm").symlink_to(tmp_path / "secret.dcm")
    os.mkfifo(hospital / "pipe.dcm")
    (hospital / "empty.dcm").write_bytes(b"")
    (hospital / "folder.dcm").mkdir()
    (hospital / "half.dcm").write_bytes((hospital / "LINDQVIST" / "a.dcm").read_bytes()[:2000])
    shutil.copy(get_testdata_file("DICOMDIR", download=False), hospital / "DICOMDIR")
    odd = os.fsencode(hospital) + b"/M\xfcller.dcm"
    shutil.copy(hospital / "LINDQVIST" / "a.dcm", os.fsdecode(odd))
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert summary.statuses["done"] == 4
    assert summary.statuses["link"] == summary.statuses["special"] == 1
    assert summary.statuses["dicomdir"] == summary.statuses["duplicate"] == 1
    assert summary.statuses["unreadable"] == 2
    assert not summary.ok
