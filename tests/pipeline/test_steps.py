import json

import nibabel as nib
import numpy as np
import pytest
from job_hospital import outputs, plant
from pydicom import dcmread
from pydicom.uid import generate_uid

from medlab import dicom, pipeline
from medlab.dicom.treatment import Log
from medlab.errors import InputError
from medlab.neuro import nifti_header
from medlab.pipeline import Settings


def test_a_file_that_does_not_stand_verification_is_withheld(hospital, tmp_path, monkeypatch):
    log = Log([])
    monkeypatch.setattr(dicom, "deidentify", lambda dataset, *_, **__: (dataset, log))
    summary = pipeline.deidentify(hospital, tmp_path / "clean")
    assert summary.statuses == {"unverified": 4}
    assert outputs(tmp_path / "clean") == []
    facts = json.loads((summary.folder / "report.json").read_text())
    assert facts["findings"][0]["severity"] == "fail"


def test_a_scan_that_does_not_stand_verification_bears_the_same_status(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), "i2"), np.eye(4)), tmp_path / "in/scan.nii")
    left = [nifti_header._HeaderFinding("descrip", "text", "Lindqvist")]
    monkeypatch.setattr(nifti_header, "inspect_file", lambda _: left)
    summary = pipeline.deidentify(tmp_path / "in", tmp_path / "out")
    assert summary.statuses == {"unverified": 1}
    assert not [*(tmp_path / "out").rglob("*.nii")]


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


@pytest.fixture
def bids(tmp_path):
    root = tmp_path / "bids"
    anat = root / "sub-okafor" / "anat"
    anat.mkdir(parents=True)
    img = nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    img.header["descrip"] = b"Okafor Ngozi 1962"
    nib.save(img, anat / "sub-okafor_T1w.nii.gz")
    (anat / "sub-okafor_T1w.json").write_text(
        json.dumps({"PatientName": "Okafor^Ngozi", "RepetitionTime": 2.3})
    )
    (root / "participants.tsv").write_text("participant_id\tage\nsub-okafor\t61\n")
    (root / "dataset_description.json").write_text('{"Name": "Okafor", "BIDSVersion": "1.9.0"}')
    (root / "README").write_text("Okafor")
    return root


def test_a_bids_tree_becomes_a_bids_tree_without_the_name(bids, tmp_path):
    summary = pipeline.deidentify(bids, tmp_path / "clean")
    assert summary.statuses == {"done": 4, "free-text": 1}
    found = outputs(tmp_path / "clean")
    for path in found:
        assert "okafor" not in str(path.relative_to(tmp_path)).lower()
        data = path.read_bytes()
        if path.suffix == ".gz":
            import gzip

            data = gzip.decompress(data)
        assert b"okafor" not in data.lower()
    image = next(path for path in found if path.name.endswith(".nii.gz"))
    sidecar = next(path for path in found if path.name.endswith("T1w.json"))
    assert image.parent == sidecar.parent
    assert image.name.removesuffix(".nii.gz") == sidecar.name.removesuffix(".json")
    label = image.name.split("_")[0]
    assert label in (tmp_path / "clean" / "participants.tsv").read_text()
    assert np.array_equal(nib.load(image).get_fdata().ravel(), np.arange(60))
    with pipeline.open_vault(tmp_path / "clean") as vault:
        assert vault.original("label", label.removeprefix("sub-"), reason="test") == "okafor"
    assert pipeline.deidentify(bids, tmp_path / "clean").new == 0


def test_a_nifti_file_with_a_free_name_gets_a_code(tmp_path):
    (tmp_path / "in").mkdir()
    img = nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4))
    nib.save(img, tmp_path / "in" / "OKAFOR_19620417.nii")
    (tmp_path / "in" / "broken.nii.gz").write_bytes(b"x")
    (tmp_path / "in" / "table.json").write_text("{}")
    summary = pipeline.deidentify(tmp_path / "in", tmp_path / "clean")
    assert summary.statuses == {"done": 1, "not-dicom": 1, "unreadable": 1}
    (path,) = outputs(tmp_path / "clean")
    assert path.suffix == ".nii"
    assert "OKAFOR" not in path.name
    assert pipeline.deidentify(tmp_path / "in" / "OKAFOR_19620417.nii", tmp_path / "one.nii").ok
    assert (tmp_path / "one.nii").is_file()
    source = tmp_path / "in" / "OKAFOR_19620417.nii"
    assert pipeline.verify(source, tmp_path / "one.nii") == []
    assert pipeline.verify(tmp_path / "in", tmp_path / "clean") == []
    left = pipeline.verify(tmp_path / "in", tmp_path / "in")
    assert {finding.severity for finding in left} == {"fail"}
    assert "OKAFOR" not in str(left)
