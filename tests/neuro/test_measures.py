import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from medlab import neuro, samples, viz
from medlab.errors import InputError
from medlab.neuro import head_measures, parameter_sweeps, surface


@pytest.fixture(scope="module")
def sample():
    return samples.head(1, 1, spacing_mm=3.0)


def box(*sides, shape=(12, 12, 12)):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in sides)] = True
    return mask


def test_scores_of_two_boxes_are_those_worked_out_by_hand():
    a, b = box((2, 6), (2, 6), (2, 6)), box((3, 7), (2, 6), (2, 6))
    found = neuro.mask_scores(a, b, [2.0, 1.0, 1.0])
    assert found["dice"] == 2 * 48 / 128
    assert found["jaccard"] == 48 / 80
    assert found["sensitivity"] == 48 / 64
    assert found["volume_error"] == 0
    assert found["hd95_mm"] == 2.0  # moved by one voxel of 2 mm
    assert 0 < found["assd_mm"] < 2


def test_equal_masks_score_perfectly_and_empty_ones_are_refused():
    a = box((2, 6), (2, 6), (2, 6))
    assert neuro.mask_scores(a, a, [1, 1, 1]) == {
        "dice": 1, "jaccard": 1, "volume_error": 0, "sensitivity": 1, "hd95_mm": 0, "assd_mm": 0,
    }  # fmt: skip
    with pytest.raises(InputError, match="empty"):
        neuro.mask_scores(a, a & False, [1, 1, 1])


def test_changed_brain_and_kept_head_are_counted():
    before = np.array([10.0, 20, 30, np.nan])
    after = np.array([10.0, 0, 30, np.nan])
    assert head_measures.brain_changed(before, after, np.array([True, True, True, True])) == 1
    assert head_measures.head_kept(before, after, 5) == pytest.approx(2 / 3)


def test_warnings_name_a_mask_that_ran_down_the_neck():
    data = np.random.default_rng(0).random((40, 40, 60)).astype(np.float32)
    mask = box((5, 35), (5, 35), (0, 60), shape=data.shape)
    told = " ".join(head_measures.extraction_warnings(data, mask, np.array([4.0, 4, 4]), {}))
    assert "ml" in told
    assert "neck" in told
    assert "bottom" in told


@pytest.mark.parametrize(
    ("crown_mm", "told"), [(20, []), (80, ["the mask ends 80 mm below the crown"])]
)
def test_warnings_name_a_mask_in_the_face(crown_mm, told):
    data = np.zeros((60, 60, 60), np.float32)
    data[5:55, 5:55] = 50
    top = 60 - crown_mm // 4
    mask = box((15, 45), (15, 45), (top - 30, top), shape=data.shape)
    data[mask] = 100
    seen = head_measures.extraction_warnings(data, mask, np.array([4.0, 4, 4]), {})
    assert [line.split(":")[0] for line in seen] == told


def test_a_wedge_is_seen_at_its_true_depth_and_from_its_own_side():
    data = np.zeros((40, 40, 40), np.float32)
    data[10:30, 5:25, 10:30] = 100
    data[20:30, 25:30, 10:30] = 100  # the right half (RAS) comes 5 mm closer
    seen = surface.view(nib.Nifti1Image(data, np.eye(4)))
    row = seen.depth_mm[seen.depth_mm.shape[0] // 2]
    row = row[np.isfinite(row)]
    assert row[:6].mean() - row[-6:].mean() == pytest.approx(5, abs=0.3)  # patient's right is left
    assert np.nanmax(row) == pytest.approx(29.5, abs=0.7)


def test_the_face_of_an_untouched_head_stays_and_of_an_erased_one_is_gone(sample):
    nothing = nib.Nifti1Image(np.asanyarray(sample.img.dataobj) * 0, sample.img.affine)
    assert surface.residual_face(sample.img, sample.img, sample.face_mask) == 1
    assert surface.residual_face(sample.img, nothing, sample.face_mask) == 0


def test_the_mesh_of_a_head_lies_on_the_head(sample):
    mesh = surface.mesh(sample.img, spacing_mm=6)
    size = np.ptp(mesh.vertices, axis=0)
    assert (size > [140, 180, 200]).all()
    assert mesh.faces.max() < len(mesh.vertices)


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


def test_figures_are_drawn_from_images_of_any_orientation(sample):
    turned = sample.img.as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
    mask = sample.brain_mask.as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
    fig = viz.slices.planes(turned, sample.img, masks=[mask], labels=["brain"])
    assert isinstance(fig, Figure)
    shown = [ax.images[0].get_array() for ax in fig.axes]
    assert len(shown) == 6
    assert all(np.array_equal(shown[i], shown[i + 3]) for i in range(3))
    assert isinstance(viz.faces.faces({"original": sample.img}, hide_original=True), Figure)


def test_hidden_originals_are_not_drawn(sample):
    fig = viz.slices.planes(sample.img, sample.brain_mask, hide_original=True)
    assert [len(ax.images) for ax in fig.axes] == [0, 0, 0, 1, 1, 1]
    fig = viz.faces.faces({"original": sample.img, "brain": sample.brain_mask}, hide_original=True)
    assert [len(ax.images) for ax in fig.axes] == [0, 1, 0, 1]


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
