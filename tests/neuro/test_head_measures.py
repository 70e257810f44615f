import nibabel as nib
import numpy as np
import pytest
from matplotlib.figure import Figure

from medlab import neuro, samples, viz
from medlab.errors import InputError
from medlab.neuro import head_measures


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
    table = head_measures.compare_protection(
        {"original": sample.img, "cut": cut}, sample.brain_mask, sample.face_mask
    )
    assert table.loc["original", "residual_face"] == 1
    assert table.loc["cut", "residual_face"] < 0.1
    assert table.loc["cut", "brain_changed"] == 0
    assert table.loc["original", "head_kept"] == 1


def test_figures_are_drawn_from_images_of_any_orientation(sample):
    turned = sample.img.as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
    mask = sample.brain_mask.as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
    fig = viz.heads.planes(turned, sample.img, masks=[mask], labels=["brain"])
    assert isinstance(fig, Figure)
    shown = [ax.images[0].get_array() for ax in fig.axes]
    assert len(shown) == 6
    assert all(np.array_equal(shown[i], shown[i + 3]) for i in range(3))
    assert isinstance(viz.heads.faces({"original": sample.img}, hide_original=True), Figure)


def test_hidden_originals_are_not_drawn(sample):
    fig = viz.heads.planes(sample.img, sample.brain_mask, hide_original=True)
    assert [len(ax.images) for ax in fig.axes] == [0, 0, 0, 1, 1, 1]
    fig = viz.heads.faces({"original": sample.img, "brain": sample.brain_mask}, hide_original=True)
    assert [len(ax.images) for ax in fig.axes] == [0, 1, 0, 1]
