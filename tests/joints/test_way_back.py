"""What comes back from a job is what stood in each file; read by pydicom alone."""

import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab.cli import commands

KEYWORDS = (
    "PatientID", "PatientName", "PatientAge", "PatientWeight", "PatientSize", "StudyDate",
    "StudyInstanceUID", "SOPInstanceUID", "SeriesDescription",
)  # fmt: skip


def facts(folder):
    headers = [dcmread(path) for path in folder.rglob("*.dcm")]
    return sorted([str(header.get(word, "")) for word in KEYWORDS] for header in headers)


def run(*words):
    return CliRunner().invoke(commands, [str(word) for word in words])


@pytest.fixture
def studies(tmp_path):
    """One patient: two studies with other name, age and weight, one study that disagrees."""
    (tmp_path / "in").mkdir()
    visits = [
        ("a", "Okafor^Ngozi", "061Y", "72.5"), ("b", "Lindqvist^Ngozi", "063Y", "70"),
        ("c", "Lindqvist^Ngozi", "064Y", "69"), ("c", "Lindquist^N", "064Y", "96"),
    ]  # fmt: skip
    uids = {name: generate_uid() for name in "abc"}
    for number, (study, name, age, weight) in enumerate(visits):
        header = dcmread(get_testdata_file("MR_small.dcm", download=False))
        header.PatientID, header.PatientName = "MRN-778811", name
        header.PatientAge, header.PatientWeight = age, weight
        header.StudyInstanceUID, header.StudyDate = uids[study], f"2024030{ord(study) - 96}"
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        header.save_as(tmp_path / "in" / f"{number}.dcm")
    return tmp_path / "in"


@pytest.mark.parametrize("policy", ["basic", "research"])
def test_each_file_gets_back_what_stood_in_it(studies, tmp_path, policy):
    assert run("deidentify", studies, tmp_path / "out", "--policy", policy).exit_code == 0
    done = run("reidentify", tmp_path / "out", tmp_path / "back", "--reason", "finding")
    assert done.exit_code == 0, done.output
    assert facts(tmp_path / "back") == facts(studies)


def test_an_image_made_from_a_clean_one_gets_the_facts_of_its_study(studies, tmp_path):
    run("deidentify", studies, tmp_path / "out")
    for number, path in enumerate(sorted((tmp_path / "out").rglob("*.dcm"))):
        header = dcmread(path)
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        header.SeriesInstanceUID = generate_uid()
        (tmp_path / "made").mkdir(exist_ok=True)
        header.save_as(tmp_path / "made" / f"{number}.dcm")
    vault = (
        "--vault",
        tmp_path / "out.job" / "vault.db",
        "--key-file",
        tmp_path / "out.job" / "key",
    )
    done = run("reidentify", tmp_path / "made", tmp_path / "back", "--reason", "finding", *vault)
    assert done.exit_code == 0, done.output
    found = {(one[5], one[1]) for one in facts(tmp_path / "back")}
    assert {("20240301", "Okafor^Ngozi"), ("20240302", "Lindqvist^Ngozi")} <= found
