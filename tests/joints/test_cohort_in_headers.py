"""k and l of a cohort, counted from the files that were written, with pydicom alone."""

from collections import defaultdict

import pydicom
import pytest
from click.testing import CliRunner
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab.cli import commands

ASKED = ("--policy", "research", "--qi", "Age", "--cohort-k", "3")
PROMISED = (*ASKED, "--sensitive", "Diagnosis", "--cohort-l", "2")


@pytest.fixture
def ward(tmp_path):
    """Twelve patients; the young all have one diagnosis, the old another."""
    root = tmp_path / "ward"
    root.mkdir()
    for number in range(12):
        dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
        dataset.PatientName, dataset.PatientID = f"Person{number}^Test", f"MRN-77{number:04d}"
        dataset.PatientAge = f"{20 + 4 * number:03d}Y"
        dataset.AdmittingDiagnosesDescription = "Migraine" if number < 5 else "Epilepsy"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
        dataset.save_as(root / f"{number}.dcm")
    return root


def call(*words):
    done = CliRunner().invoke(commands, [str(word) for word in words])
    return done.exit_code, done.output


def written(folder):
    return [(path, pydicom.dcmread(path)) for path in sorted(folder.rglob("*.dcm"))]


def classes(folder):
    """Age as it stands in each header, and the diagnoses of the patients who have it."""
    found = defaultdict(dict)
    for _, header in written(folder):
        found[header.PatientAge][header.PatientID] = header.AdmittingDiagnosesDescription
    return [list(patients.values()) for patients in found.values()]


def test_k_alone_gives_diagnoses_away_and_l_does_not(ward, tmp_path):
    assert call("deidentify", ward, tmp_path / "k", *ASKED)[0] == 0
    alone = classes(tmp_path / "k")
    assert min(map(len, alone)) >= 3
    assert any(len(set(values)) == 1 for values in alone)
    code, said = call("deidentify", ward, tmp_path / "l", *PROMISED)
    assert code == 0
    assert "l = 2 of Diagnosis was asked, counted l = 2" in said
    diverse = classes(tmp_path / "l")
    assert sum(map(len, diverse)) == 12
    assert min(map(len, diverse)) >= 3
    assert all(len(set(values)) == 2 for values in diverse)


@pytest.mark.parametrize("method", ["k-member", "mdav", "full-domain"])
def test_other_methods_keep_it_too(ward, tmp_path, method):
    asked = (*PROMISED, "--cohort-method", method, "--cohort-t", "0.5")
    assert call("deidentify", ward, tmp_path / "out", *asked)[0] == 0
    found = classes(tmp_path / "out")
    assert min(map(len, found)) >= 3
    assert all(len(set(values)) == 2 for values in found)


def test_verify_counts_l_again_and_does_not_believe_the_statement(ward, tmp_path):
    call("deidentify", ward, tmp_path / "out", *PROMISED)
    assert call("verify", ward, tmp_path / "out")[0] == 0
    headers = written(tmp_path / "out")
    first = headers[0][1].PatientAge
    for path, header in headers:
        if header.PatientAge == first:
            header.AdmittingDiagnosesDescription = "Epilepsy"
            header.save_as(path)
    code, said = call("verify", ward, tmp_path / "out")
    assert code == 1
    assert "counted l = 1" in said


def test_a_diagnosis_that_all_of_a_class_have_is_no_second_value(ward, tmp_path):
    call("deidentify", ward, tmp_path / "out", *PROMISED)
    headers = written(tmp_path / "out")
    ages = [header.PatientAge for _, header in headers]
    same = [(path, header) for path, header in headers if header.PatientAge == ages[0]]
    for number, (path, header) in enumerate(same):
        header.AdmittingDiagnosesDescription = "Epilepsy"
        header.save_as(path)
        if not number:  # a second study of this patient tells another diagnosis beside it
            header.AdmittingDiagnosesDescription = "Migraine"
            header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            header.save_as(path.with_name("second.dcm"))
    code, said = call("verify", ward, tmp_path / "out")
    assert code == 1
    assert "counted l = 1" in said


def test_files_that_do_not_have_the_element_are_no_value_of_their_own(ward, tmp_path):
    for path, header in written(ward):  # a report beside the images, without a diagnosis
        del header.AdmittingDiagnosesDescription
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        header.save_as(path.with_name(f"beside-{path.name}"))
    code, said = call("deidentify", ward, tmp_path / "out", *PROMISED)
    assert code == 0
    assert "l = 2 of Diagnosis was asked, counted l = 2" in said


def test_where_the_policy_takes_the_element_out_the_files_are_said_to_show_nothing(ward, tmp_path):
    asked = ("--policy", "basic", *PROMISED[2:])
    code, said = call("deidentify", ward, tmp_path / "out", *asked)
    assert "the files show no Diagnosis any more" in said
    assert code == 0


def test_what_the_policy_empties_is_not_written_again(ward, tmp_path):
    asked = ("--policy", "basic", "--qi", "Age,Sex", "--cohort-k", "2")
    code, said = call("deidentify", ward, tmp_path / "out", *asked)
    outputs = [header for _, header in written(tmp_path / "out")]
    assert code == 0, said
    assert outputs
    assert not any(output.get("PatientSex") or output.get("PatientAge") for output in outputs)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((*ASKED, "--sensitive", "Diagnosis"), 2, "a sensitive column alone protects nothing"),
        ((*ASKED, "--cohort-l", "2"), 2, "need cohort_k and the sensitive column"),
        ((*PROMISED[:-1], "3"), 1, "the largest feasible l is 2"),
        ((*PROMISED, "--cohort-method", "slicing"), 2, "cohort_method is mondrian"),
        ((*ASKED[:-1], "13"), 1, "cannot make a class"),
        ((*ASKED, "--sensitive", "Nose", "--cohort-l", "2"), 1, "no column Nose"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(
    ward, tmp_path, words, code, sentence
):
    done = call("deidentify", ward, tmp_path / "out", *words)
    assert done[0] == code
    assert sentence in done[1]
    assert not list((tmp_path / "out").rglob("*.dcm"))
