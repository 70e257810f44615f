"""One person, one code; one study, one person. Outputs are read by pydicom alone."""

import json

import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab.cli import commands

STUDY = generate_uid()


def plant(folder, number, **values):
    header = dcmread(get_testdata_file("MR_small.dcm", download=False))
    header.StudyInstanceUID, header.StudyDate = STUDY, "20240301"
    header.SeriesInstanceUID = generate_uid()
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    header.PatientID, header.PatientName = "MRN-778811", "Okafor^Ngozi"
    for keyword, value in values.items():
        setattr(header, keyword, value)
    folder.mkdir(exist_ok=True)
    header.save_as(folder / f"{number}.dcm")


def run(source, target, *words):
    done = CliRunner().invoke(
        commands, ["deidentify", str(source), str(target), "--policy", "research", *words]
    )
    assert "Traceback" not in done.output
    headers = [dcmread(path) for path in sorted(target.rglob("*.dcm"))]
    report = json.loads((target.with_name(target.name + ".job") / "report.json").read_text())
    return headers, report


def people(headers):
    return {(str(one.PatientID or one.PatientName), one.StudyDate) for one in headers}


@pytest.mark.parametrize(
    "others",
    [
        {"IssuerOfPatientID": "ELM"},
        {"PatientID": "mrn 778811"},
        {"PatientID": "MRN778811", "IssuerOfPatientID": "elm"},
        {"PatientID": ""},
        {"PatientID": "", "PatientName": ""},
    ],
)
def test_spellings_within_a_study_are_one_person_with_one_shift(tmp_path, others):
    plant(tmp_path / "in", 1)
    plant(tmp_path / "in", 2, **others)
    headers, report = run(tmp_path / "in", tmp_path / "out")
    assert len(headers) == 2
    assert len({one.StudyDate for one in headers}) == 1
    assert len({str(one.PatientName) for one in headers} - {""}) == 1  # what is empty stays so
    assert report["owners"]["studies_of_several"] == 0


def test_what_was_joined_is_reported(tmp_path):
    for number in range(3):
        plant(tmp_path / "in", number, **({"IssuerOfPatientID": "ELM"} if number else {}))
    headers, report = run(tmp_path / "in", tmp_path / "out")
    assert report["owners"] == {"files_joined": 1, "studies_of_several": 0}
    assert len(people(headers)) == 1


def test_two_people_in_one_study_stay_two_and_are_reported(tmp_path):
    plant(tmp_path / "in", 1)
    plant(tmp_path / "in", 2, PatientID="MRN-990099", PatientName="Lindqvist^Ann")
    headers, report = run(tmp_path / "in", tmp_path / "out")
    assert len(people(headers)) == 2
    assert report["owners"]["studies_of_several"] == 1


def test_a_series_that_comes_later_with_the_issuer_takes_the_earlier_ones_along(tmp_path):
    plant(tmp_path / "in", 1)
    run(tmp_path / "in", tmp_path / "out")
    plant(tmp_path / "in", 2, IssuerOfPatientID="ELM")
    headers, report = run(tmp_path / "in", tmp_path / "out")
    assert len(headers) == 2
    assert len(people(headers)) == 1
    assert report["owners"]["files_joined"] == 1
    assert report["strangers"] == 0


def test_one_number_at_two_issuers_is_two_people_in_the_cohort_too(tmp_path):
    facts = [("ELM", "030Y"), ("ASH", "070Y"), ("OAK", "031Y"), ("FIR", "071Y")]
    for number, (issuer, age) in enumerate(facts):
        study = {"StudyInstanceUID": generate_uid(), "PatientName": f"Person^{issuer}"}
        plant(tmp_path / "in", number, IssuerOfPatientID=issuer, PatientAge=age, **study)
    headers, report = run(
        tmp_path / "in", tmp_path / "out", "--cohort-k", "2", "--qi", "PatientAge"
    )
    assert len({str(one.PatientID) for one in headers}) == 4
    assert report["cohort"]["patients"] == 4
    assert sorted(int(one.PatientAge[:3]) < 50 for one in headers) == [False, False, True, True]
