import json

import pytest
from job_hospital import outputs, plant
from pydicom import dcmread
from pydicom.uid import generate_uid

from medlab import dicom, pipeline
from medlab.dicom.treatment import Log
from medlab.errors import InputError
from medlab.pipeline import Settings


def test_a_file_that_does_not_stand_verification_is_withheld(hospital, tmp_path, monkeypatch):
    log = Log([])
    monkeypatch.setattr(dicom, "deidentify", lambda dataset, *_, **__: (dataset, log))
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert summary.statuses == {"unverified": 4}
    assert outputs(tmp_path / "clean") == []
    facts = json.loads((summary.folder / "report.json").read_text())
    assert facts["findings"][0]["severity"] == "fail"


def test_some_headers_passes_over_what_cannot_be_read(hospital, tmp_path):
    (hospital / "half.dcm").write_bytes((hospital / "LINDQVIST" / "a.dcm").read_bytes()[:2000])
    assert len(pipeline.some_headers(hospital)) == 4
    assert len(pipeline.some_headers(hospital, most=2)) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no DICOM"):
        pipeline.some_headers(tmp_path / "empty")


def test_a_misspelt_name_is_removed_and_counted_unless_other_patients_texts_say_the_word(tmp_path):
    root = tmp_path / "in"
    said = {"a": ("Gartner^Una", "4711801", "Gartnar: Gartne seen"),
            "b": ("Winter^Bo", "4711802", "gartnar sign positive"),
            "c": ("Summer^Di", "4711803", "no comment")}  # fmt: skip
    for name, (person, number, text) in said.items():
        plant(
            root / f"{name}.dcm", "MR_small.dcm", person, number, SOPInstanceUID=generate_uid(),
            StudyInstanceUID=generate_uid(), StudyDescription=text,
        )  # fmt: skip
    summary = pipeline.deidentify(root, tmp_path / "out", Settings(policy="research"))
    texts = {dcmread(path).StudyDescription for path in outputs(tmp_path / "out")}
    assert texts == {"Gartnar: [removed] seen", "gartnar sign positive", "no comment"}
    assert summary.ok
    told = json.loads((tmp_path / "out.job" / "report.json").read_text())
    (found,) = [one for one in told["findings"] if "one letter from" in one["message"]]
    assert found["files"] == 1
    assert list(told["rows"]) == ["1"]
    assert "artn" not in told
