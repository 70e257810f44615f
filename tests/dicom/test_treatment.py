"""Whose a data set is, its codes, and the log of what was done."""

from collections import Counter

import pytest
from pydicom.dataset import Dataset
from small_headers import KEY, run

from medlab.dicom.codes import is_own
from medlab.dicom.dates import offset_days, shift_date

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_probable_name_is_removed_and_said(study):
    study.PatientName, study.StudyDescription = "Okaforth^Jane", "Okafort: stroke"
    out, log = run(study, "research")
    assert out.StudyDescription == "[removed]: stroke"
    assert ("(0008,1030)", "probable") in {(action.path, action.note) for action in log}


def test_without_patient_id_and_name_the_study_counts_and_the_log_says_so(study):
    study.PatientID = study.PatientName = ""
    out, log = run(study, "research")
    assert out.StudyDate == shift_date("20200312", offset_days(KEY, "study\x1f1.2.826.2"))
    assert any(action.note == "study" for action in log)
    assert out.PatientID == ""


def test_codes_may_come_from_outside(study):
    study.IssuerOfPatientID = "ELM"
    asked = []

    def draw(kind, original):
        asked.append((kind, original))
        return {"patient": "P1", "accession": None}[kind]

    out, _ = run(study, code_of=draw)
    assert out.PatientID == out.PatientName == "P1"
    assert is_own(KEY, out.AccessionNumber)
    assert asked == [("patient", "elm\x1f471188"), ("accession", "A123456")]


def test_a_log_of_long_sequences_says_the_same_counted_and_written_down(study):
    frames = [Dataset() for _ in range(20)]
    for number, frame in enumerate(frames):
        content = Dataset()
        content.FrameAcquisitionDateTime = f"202003121011{number:02}"
        frame.FrameContentSequence = [content]
    study.PerFrameFunctionalGroupsSequence = frames
    study.StudyDescription = "Okafor: stroke"
    _, log = run(study, "research")
    assert [one.path for one in log if one.keyword == "FrameAcquisitionDateTime"] == [
        f"(5200,9230)[{number}].(0020,9111)[0].(0018,9074)" for number in range(20)
    ]
    assert log.counts() == Counter((one.code, one.option) for one in log)
    for notes in ({"date"}, {"text", "probable"}, {"frames"}):
        assert log.noted(notes) == [one for one in log if one.note in notes]
    assert log == list(log)
    assert log != list(log)[1:]
    assert log[-1] == list(log)[-1]
