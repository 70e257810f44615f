import json
import types

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from job_hospital import outputs
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import cli, pipeline, pixels
from medlab.errors import RefusedError, UnavailableError
from medlab.neuro import head_study
from medlab.pipeline import Settings


class ReviewError(RefusedError):
    decisions = ()


def cleaner(how):
    def clean(dataset, words, **_):
        assert any("Person" in str(word) for word in words)
        if isinstance(how, Exception):
            raise how
        return types.SimpleNamespace(
            dataset=dataset,
            checked=True,
            complete=how,
            findings=[],
            decisions=[],
            pictures=3,
            passed=2,
        )

    return clean


@pytest.mark.parametrize(("complete", "burned"), [(True, "NO"), (False, None)])
def test_pixels_are_claimed_clean_only_after_a_complete_check(
    ward, tmp_path, monkeypatch, complete, burned
):
    monkeypatch.setattr(pixels, "available", lambda: True)
    monkeypatch.setattr(pixels, "clean", cleaner(complete), raising=False)
    monkeypatch.setattr(pixels, "identity_words", lambda d: [str(d.PatientName)], raising=False)
    summary = pipeline.deidentify(ward, tmp_path / "clean", Settings(clean_pixels=True))
    assert summary.ok
    assert summary.unchecked == {"face": 12}
    header = dcmread(outputs(tmp_path / "clean")[0])
    assert header.get("BurnedInAnnotation") == burned
    codes = [item.CodeValue for item in header.DeidentificationMethodCodeSequence]
    assert "113101" in codes
    report = json.loads((tmp_path / "clean.job" / "report.json").read_text())
    assert report["options"] == ["clean-pixel-data"]
    assert report["recognizer"] == {
        "read": 12,
        "pictures": 36,
        "says": "12 of 36 pictures were read for text. The others show no more strokes, at any "
        "place, than slices of their series that were read and hold no text.",
    }
    assert "12 of 36 pictures" in (tmp_path / "clean.job" / "report.html").read_text()


@pytest.mark.parametrize(
    ("error", "status"),
    [(ReviewError("a dose report"), "quarantined"), (RefusedError("no"), "refused")],
)
def test_what_pixel_cleaning_refuses_is_withheld(ward, tmp_path, monkeypatch, error, status):
    monkeypatch.setattr(pixels, "available", lambda: True)
    monkeypatch.setattr(pixels, "clean", cleaner(error), raising=False)
    monkeypatch.setattr(pixels, "identity_words", lambda d: [str(d.PatientName)], raising=False)
    summary = pipeline.deidentify(ward, tmp_path / "clean", Settings(clean_pixels=True))
    assert summary.statuses == {status: 12}
    assert not outputs(tmp_path / "clean")
    waiting = (tmp_path / "clean.job" / "pixels.csv").read_text().splitlines()[1:]
    assert len(waiting) == (12 if status == "quarantined" else 0)  # named, though without text


def test_rules_for_devices_reach_the_pixels_in_every_run(ward, tmp_path, monkeypatch):
    given = []

    def clean(dataset, words, *, rules, **_):
        given.append(rules)
        return cleaner(True)(dataset, words)

    monkeypatch.setattr(pixels, "available", lambda: True)
    monkeypatch.setattr(pixels, "clean", clean, raising=False)
    monkeypatch.setattr(pixels, "identity_words", lambda d: [str(d.PatientName)], raising=False)
    recipe, target = tmp_path / "recipe.yaml", tmp_path / "clean"
    recipe.write_text("- {when: {Modality: CT, Rows: 128}, blank: [[0, 0, 9, 5]]}")
    asked = ["deidentify", str(ward), str(target), "--clean-pixels", "--recipe", str(recipe)]
    assert CliRunner().invoke(cli.commands, asked).exit_code == 0
    recipe.unlink()
    outputs(target)[0].unlink()
    assert pipeline.rerun(target).new == 1
    assert len(given) == 13
    rule = {"when": {"Modality": "CT", "Rows": "128"}, "blank": [[0, 0, 9, 5]]}
    assert all(list(rules) == [rule] for rules in given)


def test_cleaning_that_is_not_there_ends_the_job_before_it_begins(ward, tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "available", lambda: False)
    with pytest.raises(UnavailableError, match="text recognizer is not installed"):
        pipeline.deidentify(ward, tmp_path / "clean", Settings(clean_pixels=True))
    assert not (tmp_path / "clean.job").exists()


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
