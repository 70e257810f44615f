"""New patient IDs from a table: in the files, in their paths, and nobody else's."""

import pydicom
import pytest
from click.testing import CliRunner
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab import pipeline
from medlab.cli import commands


def call(*words):
    done = CliRunner().invoke(commands, [str(word) for word in words])
    return done.exit_code, done.output


def patient(folder, number, issuer="", accession=""):
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    dataset.PatientName, dataset.PatientID = f"Person{number}^Invented", f"MRN-77{number:04d}"
    dataset.AccessionNumber = accession
    if issuer:
        dataset.IssuerOfPatientID = issuer
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.save_as(folder / f"{number}{issuer}.dcm")
    return dataset


@pytest.fixture
def ward(tmp_path):
    root = tmp_path / "ward"
    root.mkdir()
    for number in range(4):
        patient(root, number, accession=f"ACC{number}")
    return root


def table(tmp_path, text):
    path = tmp_path / "ids.csv"
    path.write_text(text)
    return path


def written(folder):
    return {
        path.relative_to(folder).parts[0]: pydicom.dcmread(path) for path in folder.rglob("*.dcm")
    }


def test_listed_patients_get_their_ids_and_others_are_withheld(ward, tmp_path):
    lines = "old,new,old_accession,new_accession\n"
    lines += "MRN-770000,TRIAL-001,ACC0,A-1\nmrn 770001,TRIAL-002,,\n"
    ids = table(tmp_path, lines)
    code, said = call("deidentify", ward, tmp_path / "out", "--ids", ids)
    assert code == 1  # two are withheld
    found = written(tmp_path / "out")
    assert set(found) == {"TRIAL-001", "TRIAL-002"}
    first = found["TRIAL-001"]
    assert (first.PatientID, str(first.PatientName)) == ("TRIAL-001", "TRIAL-001")
    assert first.AccessionNumber == "A-1"
    assert len(found["TRIAL-002"].AccessionNumber) == 16
    assert "MRN" not in said
    assert "77000" not in said
    report = (tmp_path / "out.job" / "report.json").read_text()
    assert "does not name the patient" in report
    assert call("verify", ward, tmp_path / "out")[0] == 0


def test_on_request_others_get_codes(ward, tmp_path):
    ids = table(tmp_path, "old,new\nMRN-770000,TRIAL-001\n")
    done = call("deidentify", ward, tmp_path / "out", "--ids", ids, "--unknown", "code")
    assert done[0] == 0
    assert len(written(tmp_path / "out")) == 4
    assert "TRIAL-001" in written(tmp_path / "out")


def test_the_vault_leads_back_and_a_second_run_keeps_the_ids(ward, tmp_path):
    rows = "".join(f"MRN-77{n:04d},T{n}\n" for n in range(4))
    ids = table(tmp_path, "old,new\n" + rows)
    assert call("deidentify", ward, tmp_path / "out", "--ids", ids, "--jobs", 2)[0] == 0
    ids.unlink()
    next((tmp_path / "out").rglob("*.dcm")).unlink()
    assert pipeline.rerun(tmp_path / "out").new == 1
    assert set(written(tmp_path / "out")) == {"T0", "T1", "T2", "T3"}
    words = ("reidentify", tmp_path / "out", tmp_path / "back", "--reason", "a test")
    assert call(*words)[0] == 0
    back = {
        d.PatientID: str(d.PatientName)
        for d in map(pydicom.dcmread, (tmp_path / "back").rglob("*.dcm"))
    }
    assert back == {f"MRN-77{n:04d}": f"Person{n}^Invented" for n in range(4)}


def test_two_people_with_one_number_are_told_apart_by_their_issuer(tmp_path):
    root = tmp_path / "ward"
    root.mkdir()
    for issuer in ("North", "South"):
        patient(root, 1, issuer)
    lines = "old,issuer,new\nMRN-770001,North,N1\nMRN-770001,South,S1\n"
    assert call("deidentify", root, tmp_path / "out", "--ids", table(tmp_path, lines))[0] == 0
    assert set(written(tmp_path / "out")) == {"N1", "S1"}
    alone = table(tmp_path, "old,new\nMRN-770001,X1\n")
    assert call("deidentify", root, tmp_path / "no", "--ids", alone)[0] == 1
    assert not written(tmp_path / "no")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("old,new\nMRN-770000,A\nMRN-770001,A\n", "line 3 of the new IDs gives one to two"),
        ("old,new\nMRN-770000,A\nMRN-770000,B\n", "line 3 of the new IDs gives one to two"),
        ("old,new\nMRN-770000,\n", "line 2 of the new IDs leaves an ID empty"),
        ("old,new\n,A\n", "line 2 of the new IDs leaves an ID empty"),
        ("old,new\nMRN-770000,../up\n", "line 2 of the new IDs: an ID is made of letters"),
        ("old,new\nMRN-770000,MRN770001\nMRN-770001,B\n", "the new one is an old one"),
        ("old,fresh\nMRN-770000,A\n", "needs the columns old and new"),
        ("old,new\nMRN-770000,A,B\n", "line 2 has 3 fields, the header 2"),
        (
            "old,new,old_accession,new_accession\nMRN-770000,A,,\nMRN-770001,B,1,\n",
            "line 3 of the new IDs leaves an accession number empty",
        ),
        ("old,new,old_accession\nMRN-770000,A,1\n", "need both old_accession and new_accession"),
    ],
)
def test_a_table_that_cannot_be_is_refused_before_anything_is_written(
    ward, tmp_path, text, sentence
):
    code, said = call("deidentify", ward, tmp_path / "out", "--ids", table(tmp_path, text))
    assert code == 1
    assert sentence in said
    assert "77000" not in said
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.job").exists()
