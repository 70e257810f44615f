"""Decoys in two copies of one release: each tells its recipient, none says a name of a patient."""

import json
import shutil

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from pydicom.data import get_testdata_file

from medlab.cli import commands

NAMES = ("Ferrandine", "Quillanova", "Ostrebruck")


def run(*words, code=0):
    done = CliRunner().invoke(commands, [*map(str, words)])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def release(tmp_path):
    """Give a folder with a release of three patients, whose texts say their names."""
    (tmp_path / "src").mkdir()
    for number, name in enumerate(NAMES):
        rng = np.random.default_rng(number)
        dataset = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
        noise = rng.normal(0, 30, (64, 64))
        pixels = np.clip(np.roll(dataset.pixel_array, 7 * number, axis=1) + noise, 0, 4095)
        dataset.set_pixel_data(pixels.astype("<u2"), "MONOCHROME2", 12)
        root = f"1.2.826.0.1.3680043.8.498.{5000000 + number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = root, f"{root}.1"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{root}.1.1"
        dataset.PatientID, dataset.PatientName = f"77{number}4120", f"{name}^Odile"
        dataset.StudyDescription = f"follow-up of Mrs {name}"
        dataset.save_as(tmp_path / "src" / f"{number}.dcm")
    run("deidentify", tmp_path / "src", tmp_path / "a", "--policy", "research")
    for folder in ("a", "a.job"):
        shutil.copytree(tmp_path / folder, tmp_path / folder.replace("a", "b", 1))
    for copy in "ab":
        run("decoys", "add", tmp_path / "src", tmp_path / copy, "--count", 2, "--recipient", copy)
    return tmp_path


def test_each_copy_tells_its_recipient_and_not_the_other(release):
    for copy, other in ("ab", "ba"):
        vault = release / f"{copy}.job" / "vault.db"
        found = json.loads(run("decoys", "check", release / copy, "--vault", vault))
        assert found == {"files": 5, "decoys": 2, "recipients": {copy: 2}}
        assert json.loads(run("decoys", "check", release / other, "--vault", vault))["decoys"] == 0


def test_neither_decoys_nor_what_they_are_made_of_say_a_patients_name(release):
    paths = [*(release / "a").rglob("*.dcm"), *(release / "a.job" / "decoys").rglob("*.dcm")]
    assert len(paths) == 7
    for path in paths:
        assert not any(name.encode() in path.read_bytes() for name in NAMES)


def test_an_empty_source_withdraws_nothing_though_there_are_decoys(release):
    before = sorted((release / "a").rglob("*.dcm"))
    for path in (release / "src").iterdir():
        path.unlink()
    run("deidentify", release / "src", release / "a", "--policy", "research", code=1)
    assert sorted((release / "a").rglob("*.dcm")) == before


def test_verify_still_reports_a_stranger_beside_decoys(release):
    vault = release / "a.job" / "vault.db"
    words = "verify", release / "src", release / "a", "--vault", vault
    run(*words)
    stranger = pydicom.dcmread(next((release / "src").iterdir()))
    stranger.save_as(release / "a" / "stranger.dcm")
    assert "no source" in run(*words, code=1)
