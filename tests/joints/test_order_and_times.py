"""File times: an output must not tell when, or in which order, its source was made."""

import os

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import pipeline

ONE_TIME = 946_684_800  # 2000-01-01 00:00 UTC


@pytest.fixture
def source(tmp_path):
    """Twelve patients, whose files were made one minute after the other."""
    for number in range(12):
        ds = dcmread(get_testdata_file("MR_small.dcm"))
        ds.PatientID, ds.PatientName = f"P{number:03}", f"Quill^{number:03}"
        for word in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            ds[word].value = f"1.2.826.0.1.3680043.8.498.{number + 1}{len(word)}"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        path = tmp_path / "source" / f"ward{number % 3}" / f"{number:03}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path)
        os.utime(path, (1.7e9 + 60 * number,) * 2)
    return tmp_path / "source"


def times(folder):
    return {path.stat().st_mtime for path in [folder, *folder.rglob("*")]}


def test_outputs_and_their_folders_bear_one_time_also_after_a_second_run(source, tmp_path):
    target = tmp_path / "clean"
    assert pipeline.deidentify(source, target).ok
    assert times(target) == {ONE_TIME}
    next(target.rglob("*.dcm")).unlink()
    assert pipeline.deidentify(source, target).ok
    assert len([*target.rglob("*.dcm")]) == 12
    assert times(target) == {ONE_TIME}
    assert len(times(source)) > 12


def test_a_single_output_bears_it_too_and_what_is_not_of_the_job_keeps_its_own(source, tmp_path):
    single = tmp_path / "one.dcm"
    pipeline.deidentify(next(source.rglob("*.dcm")), single)
    assert single.stat().st_mtime == ONE_TIME
    target = tmp_path / "clean"
    pipeline.deidentify(source, target)
    (target / "letter.txt").write_text("by hand")
    assert pipeline.deidentify(source, target).strangers == 1
    assert (target / "letter.txt").stat().st_mtime != ONE_TIME


def test_a_source_of_that_time_that_changes_within_its_size_is_cleaned_again(source, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    pipeline.deidentify(source, first)
    pipeline.deidentify(first, second)
    path = next(first.rglob("*.dcm"))
    ds = dcmread(path)
    ds.PixelData = bytes(len(ds.PixelData))
    size = path.stat().st_size
    ds.save_as(path)
    assert path.stat().st_size == size
    os.utime(path, (ONE_TIME, ONE_TIME))
    pipeline.deidentify(first, second)
    blank = [not np.any(dcmread(output).pixel_array) for output in second.rglob("*.dcm")]
    assert sum(blank) == 1
