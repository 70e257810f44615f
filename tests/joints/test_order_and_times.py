"""Order: neither rows nor file times of a release may tell where a person stood in the source."""

import os

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import crypto, pipeline
from medlab.cli import commands

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


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A table of 400 people with their places, and a key."""
    folder = tmp_path_factory.mktemp("order")
    rng = np.random.default_rng(8)
    table = pd.DataFrame({"Place": np.arange(400), "Age": rng.integers(20, 90, 400)})
    table["Sex"] = rng.choice(["F", "M"], 400)
    table.to_csv(folder / "people.csv", index=False)
    crypto.write_key(folder / "key")
    return folder


@pytest.mark.parametrize(
    ("words", "is_told"), [(["--keep-order"], True), ([], False), (["--key-file", "key"], False)]
)
def test_linkage_by_position_names_everyone_before_and_hardly_anyone_after(people, words, is_told):
    words = [str(people / word) if word == "key" else word for word in words]
    names = [str(people / "people.csv"), str(people / "out.csv")]
    done = CliRunner().invoke(
        commands,
        ["anonymize", *names, "--qi", "Age,Sex", "--keep", "Place", "--overwrite", *words],
    )
    assert done.exit_code == 0, done.output
    place = pd.read_csv(people / "out.csv")["Place"]
    assert sorted(place) == list(range(400))
    # Spearman's by hand: places are ranks. A permutation drawn at random has a deviation of .05.
    correlation = np.corrcoef(place, np.arange(400))[0, 1]
    assert bool(correlation == pytest.approx(1)) is is_told
    assert is_told or abs(correlation) < 0.2
    named = int((place == np.arange(400)).sum())
    assert named == 400 if is_told else named < 10  # one is expected by chance


def test_linkage_by_file_time_orders_everyone_before_and_nobody_after(source, tmp_path):
    before = sorted(source.rglob("*.dcm"), key=lambda path: path.stat().st_mtime)
    assert [path.stem for path in before] == [f"{number:03}" for number in range(12)]
    pipeline.deidentify(source, tmp_path / "clean")
    after = [path.stat().st_mtime_ns for path in (tmp_path / "clean").rglob("*.dcm")]
    assert len(after) == 12
    assert len(set(after)) == 1  # all tied: sorting them is guessing
