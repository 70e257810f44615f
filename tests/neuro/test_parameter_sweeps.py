import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from medlab import neuro, samples
from medlab.errors import InputError
from medlab.neuro import parameter_sweeps


@pytest.fixture(scope="module")
def sample():
    return samples.head(1, 1, spacing_mm=3.0)


def test_heads_are_found_by_name_and_by_geometry():
    folder = samples.default_folder()
    heads = neuro.find_heads(folder, most=9)
    assert {path.name for path in heads} == {"t1.nii.gz"}
    (series,) = neuro.find_series(folder / "studies")
    assert min(neuro.read_head(series).shape) > 16
    with pytest.raises(InputError, match="no NIfTI"):
        neuro.find_heads(folder / "cohort")


def test_a_head_with_a_time_axis_is_read_as_its_mean(tmp_path):
    data = np.random.default_rng(0).integers(0, 99, (5, 6, 7, 2)).astype(np.int16)
    path = neuro.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "bold.nii.gz")
    assert np.allclose(np.asanyarray(neuro.read_head(path).dataobj), data.mean(axis=3))


def test_sample_heads_are_stripped_to_their_true_brain():
    head = samples.head(2, 1, spacing_mm=2.0)
    told = neuro.run_trials(
        head.img, {"as is": {}, "impossible": {"f": 2.0}}, head.brain_mask
    ).table
    assert told.loc["as is", "dice"] > 0.9
    assert told.loc["as is", "sensitivity"] > 0.99
    assert "f is 2.0" in told.loc["impossible", "refused"]


def test_protection_is_compared_on_the_same_measures(sample):
    data = np.asanyarray(sample.img.dataobj)
    cut = nib.Nifti1Image(
        np.where(np.asanyarray(sample.face_mask.dataobj) > 0, 0, data), sample.img.affine
    )
    table = parameter_sweeps.compare_protection(
        {"original": sample.img, "cut": cut}, sample.brain_mask, sample.face_mask
    )
    assert table.loc["original", "residual_face"] == 1
    assert table.loc["cut", "residual_face"] < 0.1
    assert table.loc["cut", "brain_changed"] == 0
    assert table.loc["original", "head_kept"] == 1


def test_header_changes_say_no_patient_value(tmp_path):
    folder = samples.default_folder() / "studies"
    (series,) = neuro.find_series(folder)
    read = neuro.series.read_series(series)
    keep = np.ones(read.stored.shape, bool)
    out = neuro.series.write_series(read, keep, tmp_path / "o", kind="defacing", description="x")
    table = parameter_sweeps.header_changes(series, out)
    assert isinstance(table, pd.DataFrame)
    assert table.loc["PatientName"].item() == "same"
    assert table.loc["PatientIdentityRemoved"].item() == "not set"
    assert str(read.datasets[0].PatientID) not in table.to_string()


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("sub-segal01_T1w.nii.gz", True), ("segal01.nii", True), ("sub-01_T2w.nii.gz", True),
        ("sub-01_dseg.nii.gz", False), ("aseg.nii", False), ("brainmask.nii", False),
        ("sub-01_label-GM_probseg.nii", False), ("sub-01_dwi.nii", False), ("head_seg.nii", False),
    ],
)  # fmt: skip
def test_a_head_is_told_by_words_of_its_name_and_not_by_a_patients_code(tmp_path, name, head):
    img = nib.Nifti1Image(np.ones((4, 4, 4), np.int16), np.eye(4))
    nib.save(img, tmp_path / name)
    if head:
        assert neuro.find_heads(tmp_path) == [tmp_path / name]
    else:
        with pytest.raises(InputError):
            neuro.find_heads(tmp_path)
