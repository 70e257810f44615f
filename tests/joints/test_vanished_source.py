"""Sources that go while or after a job runs: what their outputs say. Looked at by files alone."""

import csv
import json
import shutil

import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab.cli import commands


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        header = dcmread(get_testdata_file("CT_small.dcm", download=False))
        header.PatientName, header.PatientID = f"Person{number}^Test", f"MRN-77{number:04d}"
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        (tmp_path / "in").mkdir(exist_ok=True)
        header.save_as(tmp_path / "in" / f"{number}.dcm")
    return tmp_path


def run(folder, *more):
    call = ["deidentify", folder / "in", folder / "out", *more]
    return CliRunner().invoke(commands, list(map(str, call)))


def outputs(folder):
    return {path: path.read_bytes() for path in sorted((folder / "out").rglob("*.dcm"))}


def statuses(folder):
    with (folder / "out.job" / "map.csv").open(newline="") as file:
        return {row["source"]: row["status"] for row in csv.DictReader(file)}


def test_the_output_of_a_source_that_went_is_withdrawn_and_the_others_stay(folder):
    assert run(folder).exit_code == 0
    before = outputs(folder)
    (folder / "in" / "1.dcm").unlink()
    again = run(folder)
    assert "outputs withdrawn: 1" in again.output
    after = outputs(folder)
    assert len(after) == 2
    assert after.items() <= before.items()
    assert statuses(folder)["1.dcm"] != "done"
    assert "Person1" not in json.dumps(again.output)


def test_a_source_folder_that_is_gone_ends_in_a_sentence_and_costs_no_output(folder):
    assert run(folder).exit_code == 0
    before = outputs(folder)
    shutil.rmtree(folder / "in")
    done = run(folder)
    assert done.exit_code in (1, 2)
    assert done.stderr.startswith("medlab: ")
    assert "Traceback" not in done.output
    assert outputs(folder) == before


def test_what_comes_back_is_written_as_it_was(folder):
    assert run(folder).exit_code == 0
    before = outputs(folder)
    kept = (folder / "in" / "1.dcm").read_bytes()
    (folder / "in" / "1.dcm").unlink()
    run(folder)
    (folder / "in" / "1.dcm").write_bytes(kept)
    assert run(folder).exit_code == 0
    assert outputs(folder) == before
