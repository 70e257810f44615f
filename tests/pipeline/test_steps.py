import json
import types

import nibabel as nib
import numpy as np
import pytest
from job_hospital import outputs, plant
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab import dicom, pipeline
from medlab.dicom.treatment import Log
from medlab.errors import InputError
from medlab.neuro import head_study
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


FACES = Settings(options=("clean-recognizable-visual-features",))


def test_a_head_whose_face_cannot_be_found_is_withheld(ward, tmp_path):
    summary = pipeline.deidentify(ward, tmp_path / "clean", FACES)
    assert summary.statuses == {"refused": 12}
    assert not outputs(tmp_path / "clean")


def test_a_face_is_cut_out_of_every_file_of_its_series(tmp_path, monkeypatch):
    root, values = tmp_path / "head", {}
    root.mkdir()
    source = dcmread(get_testdata_file("MR_small.dcm", download=False))
    for number in range(6):
        source.ImagePositionPatient = [0, 0, 5.0 * number]
        source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        source.save_as(root / f"{5 - number}.dcm")  # not in the order of the slices
        values[number] = source.pixel_array

    def deface(img):
        removed = np.zeros(img.shape, np.uint8)
        removed[:8, :, 2] = 1  # columns, rows, slices
        return types.SimpleNamespace(
            cut="cut",
            img=img,
            removed=nib.Nifti1Image(removed, img.affine),
            report={"residual_face": 0.01, "brain_changed": 0, "head_kept": 0.9, "warnings": []},
        )

    monkeypatch.setattr(head_study, "deface_image", deface)
    summary = pipeline.deidentify(root, tmp_path / "clean", FACES)
    assert summary.statuses == {"done": 6}
    assert summary.unchecked == {"text in pixels": 6}
    assert not (summary.folder / "faces").exists()
    assert "heads defaced: 1; at worst 0.010 of a face left" in "".join(summary.lines())
    found = {
        round(float(d.ImagePositionPatient[2] / 5)): d
        for d in map(dcmread, outputs(tmp_path / "clean"))
    }
    for number, dataset in found.items():
        expected = values[number].copy()
        if number == 2:
            expected[:, :8] = expected.min()
        assert np.array_equal(dataset.pixel_array, expected)
        assert dataset.RecognizableVisualFeatures == "NO"
