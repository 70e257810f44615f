"""Decoys: what they are made of, that they are found again, and what is refused."""

import json
import zlib

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from pydicom.data import get_testdata_file

from medlab.cli import commands
from medlab.pipeline import deidentify, rerun, settings, verify
from medlab.pipeline.decoys import Register, add, check

OUTPUT_TIME = 946_684_800  # 2000-01-01 00:00 UTC


def write_series(folder, number, slices=3, size=48):
    """Write a series of one fictitious patient: a bright disk in noise, another in each."""
    rng = np.random.default_rng(number)
    folder.mkdir(parents=True)
    y, x = np.indices((size, size)) - size / 2
    for n in range(1, slices + 1):
        dataset = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
        disk = 600.0 * ((x - number) ** 2 + (1 + number / 9) * y**2 < (12 + n) ** 2)
        pixels = 4 * ((disk + rng.normal(100, 12, (size, size))) // 4).astype("<u2")
        dataset.set_pixel_data(pixels, "MONOCHROME2", 12)
        root = f"1.2.826.0.1.3680043.8.498.{1000000 + number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = root, f"{root}.1"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{root}.1.{n}"
        dataset.PatientID, dataset.PatientName = f"10{number}77", f"Ferrand{number}^Odile"
        dataset.AccessionNumber, dataset.InstanceNumber = f"AC{number}4711", n
        dataset.StudyDate = dataset.SeriesDate = f"2023051{number}"
        dataset.StudyTime, dataset.PatientWeight, dataset.PatientSize = "101500", 60 + number, 1.7
        dataset.save_as(folder / f"{n}.dcm")


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Give SRC of four patients, and CLEAN with two decoys for a recipient."""
    root = tmp_path_factory.mktemp("decoys")
    for number in range(4):
        write_series(root / "src" / f"p{number}", number)
    deidentify(root / "src", root / "clean", settings.Settings(policy="research"))
    files, sentence = add(root / "src", root / "clean", 2, recipient="Lab A")
    assert files == 6
    assert "2 of 6 studies" in sentence
    assert "5 %" in sentence
    return root


@pytest.fixture
def vault(released):
    return released / "clean.job" / "vault.db"


def outputs_of(root):
    decoys, others = [], []
    register = Register(root / "clean.job" / "vault.db")
    for path in sorted((root / "clean").rglob("*.dcm")):
        (others if register(path) is None else decoys).append(pydicom.dcmread(path))
    return decoys, others


def test_all_decoys_are_found_and_nothing_else(released, vault):
    found = check(released / "clean", vault)
    assert found == {"files": 18, "decoys": 6, "recipients": {"Lab A": 6}}
    assert check(released / "src", vault)["decoys"] == 0


def test_decoys_have_the_elements_forms_and_times_of_the_others(released):
    decoys, others = outputs_of(released)
    assert {frozenset(d.keys()) for d in decoys} == {frozenset(d.keys()) for d in others}
    assert {len(d.PatientID) for d in decoys} == {len(d.PatientID) for d in others}
    assert {d.file_meta.TransferSyntaxUID for d in decoys + others} == {"1.2.840.10008.1.2.1"}
    assert {len(d.PixelData) for d in decoys + others} == {48 * 48 * 2}
    clean = [released / "clean", *(released / "clean").rglob("*")]
    assert {path.stat().st_mtime for path in clean} == {OUTPUT_TIME}


def test_pictures_of_decoys_compress_and_are_graded_as_the_others(released):
    decoys, others = outputs_of(released)
    sizes = [[len(zlib.compress(d.PixelData)) for d in part] for part in (decoys, others)]
    assert np.mean(sizes[0]) == pytest.approx(np.mean(sizes[1]), rel=0.03)
    assert min(sizes[0]) > 0.95 * min(sizes[1])
    assert max(sizes[0]) < 1.05 * max(sizes[1])
    assert not any((d.pixel_array % 4).any() for d in decoys + others)  # this scanner's levels


def test_where_all_studies_have_one_time_decoys_have_it_too(released):
    decoys, others = outputs_of(released)
    assert {d.StudyTime for d in decoys} == {d.StudyTime for d in others} == {"101500"}


def test_decoys_are_of_other_people_with_consistent_uids_and_dates(released):
    decoys, others = outputs_of(released)
    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "AccessionNumber"):
        mine, theirs = ({d[keyword].value for d in part} for part in (decoys, others))
        assert len(mine) == 2
        assert not mine & theirs
    for study in {d.StudyInstanceUID for d in decoys}:
        files = [d for d in decoys if d.StudyInstanceUID == study]
        assert len({d.SOPInstanceUID for d in files}) == 3
        assert sorted(d.InstanceNumber for d in files) == [1, 2, 3]
        assert len({d.StudyDate for d in files} | {d.SeriesDate for d in files}) == 1


def test_no_frame_is_anyones_unchanged(released):
    decoys, others = outputs_of(released)
    sources = [pydicom.dcmread(path) for path in (released / "src").rglob("*.dcm")]
    frames = [d.pixel_array.astype(float) for d in others + sources]
    for decoy in decoys:
        pixels = decoy.pixel_array
        same = max((pixels == frame).mean() for frame in frames)
        assert same < 0.5


def to_8_bit(dataset):
    values = dataset.pixel_array.astype(float)
    gray = (values - values.min()) * (255 / np.ptp(values))
    dataset.set_pixel_data(np.rint(gray).astype("u1"), "MONOCHROME2", 8)


def rename(dataset):
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", "Ångström^Åsa"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.17"
    del dataset.StudyInstanceUID, dataset.SeriesInstanceUID


@pytest.mark.parametrize(
    "change", [to_8_bit, rename, lambda d: d.compress(pydicom.uid.RLELossless)]
)
def test_the_picture_tells_whatever_became_of_the_file(released, vault, tmp_path, change):
    for number, path in enumerate((released / "clean").rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(tmp_path / f"{number}.dcm")
    assert check(tmp_path, vault)["decoys"] == 6


def test_verify_passes_over_decoys_only_with_the_vault(released, vault):
    findings = verify(released / "src", released / "clean")
    assert len([f for f in findings if "no source" in f.message]) == 6
    assert verify(released / "src", released / "clean", decoys=Register(vault)) == []


def test_a_second_run_keeps_decoys_and_makes_again_what_was_taken_away(released, vault):
    summary = rerun(released / "clean")
    assert summary.ok
    assert summary.new == 0
    assert summary.statuses == {"done": 18}
    register = Register(vault)
    path = next(p for p in (released / "clean").rglob("*.dcm") if register(p) is not None)
    content = path.read_bytes()
    path.unlink()
    assert rerun(released / "clean").new == 1
    assert path.read_bytes() == content


def test_the_report_counts_decoys_and_names_none(released):
    facts = json.loads((released / "clean.job" / "report.json").read_text())
    assert facts["decoys"] == [2, 6]
    assert "statistics will suffer" in facts["words"][-1]


def run(*words):
    return CliRunner().invoke(commands, [*map(str, words)])


def test_another_key_opens_nothing(released, vault, tmp_path):
    (tmp_path / "other").write_text("ab" * 32)
    key = "--key-file", tmp_path / "other"
    before = sorted((released / "clean").rglob("*.dcm"))
    for words in (
        ("decoys", "check", released / "clean", "--vault", vault),
        ("decoys", "add", released / "src", released / "clean", "--count", 1),
        ("verify", released / "src", released / "clean", "--vault", vault),
    ):
        done = run(*words, *key)
        assert done.exit_code == 1
        assert "another key" in done.stderr
    assert sorted((released / "clean").rglob("*.dcm")) == before


def test_a_folder_without_job_or_vault_is_refused(released, tmp_path):
    (tmp_path / "clean").mkdir()
    done = run("decoys", "add", released / "src", tmp_path / "clean", "--count", 1)
    assert done.exit_code == 1
    assert "no job" in done.stderr
    deidentify(released / "src", tmp_path / "bare", settings.Settings(vault=False))
    done = run("decoys", "add", released / "src", tmp_path / "bare", "--count", 1)
    assert done.exit_code == 1
    assert "no vault" in done.stderr
    assert not (tmp_path / "bare.job" / "decoys").exists()


def test_one_patient_alone_gives_no_decoy(tmp_path):
    write_series(tmp_path / "src" / "p", 1)
    deidentify(tmp_path / "src", tmp_path / "clean")
    done = run("decoys", "add", tmp_path / "src", tmp_path / "clean", "--count", 1)
    assert done.exit_code == 1
    assert "another patient" in done.stderr
    assert check(tmp_path / "clean", tmp_path / "clean.job" / "vault.db")["decoys"] == 0
