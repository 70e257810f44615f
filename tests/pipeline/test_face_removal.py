import types

import nibabel as nib
import numpy as np
from job_hospital import outputs
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import pipeline
from medlab.neuro import head_study
from medlab.pipeline import Settings

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
