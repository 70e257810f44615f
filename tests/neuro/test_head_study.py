"""Several images of one head: cut alike where they lie alike, and told where they do not."""

import nibabel as nib
import numpy as np
import pytest
from neuro_phantoms import body
from scipy.spatial.transform import Rotation

from medlab import neuro, samples
from medlab.errors import RefusedError
from medlab.neuro import head_measures, head_study, surface


@pytest.fixture(scope="module")
def whole():
    return samples.head(1, 1, spacing_mm=3.0)


def _data(img):
    return np.asanyarray(img.dataobj)


def moved(img, shift=(0, 0, 0), turn=(0, 0, 0), change=None):
    """Return the image with its head elsewhere, in mm and degrees around its middle."""
    middle = nib.affines.apply_affine(img.affine, np.array(img.shape[:3]) / 2)
    there = nib.affines.from_matvec(
        Rotation.from_euler("xyz", turn, degrees=True).as_matrix(), middle + shift
    )
    data = _data(img) if change is None else change(_data(img))
    here = nib.affines.from_matvec(np.eye(3), -middle)
    return nib.Nifti1Image(data, there @ here @ img.affine)


def alike(one, other):
    gain = head_study._gain(head_study._grays(one), head_study._grays(other))
    return gain > head_study._LEAST_GAIN


def other_contrast(data):
    noise = np.random.default_rng(0).rayleigh(15, data.shape)
    return (np.where(data > 100, 1000 - data, data * 0.3) + noise).astype(np.int16)


@pytest.mark.parametrize("change", [None, other_contrast])
def test_heads_that_lie_alike_are_told_from_heads_that_moved(whole, change):
    img = whole.img
    assert alike(moved(img, change=change), img)
    assert alike(moved(img, (0, 1, 0), change=change), img)
    for shift in ((0, -4, 0), (0, 30, 0), (5, 3, 0), (0, -60, 0), (0, 0, 900)):
        assert not alike(moved(img, shift, change=change), img)
    for turn in ((4, 0, 0), (-15, 0, 0), (0, 0, 20)):
        assert not alike(moved(img, turn=turn, change=change), img)


def test_a_mirrored_head_and_mere_noise_do_not_lie_alike(whole):
    data, affine = _data(whole.img), whole.img.affine
    for mirrored in (data[:, ::-1], data[:, :, ::-1], data[:, ::-1, ::-1]):
        assert not alike(nib.Nifti1Image(mirrored.copy(), affine), whole.img)
    noise = np.random.default_rng(0).integers(0, 900, data.shape).astype(np.int16)
    assert not alike(nib.Nifti1Image(noise, affine), whole.img)


@pytest.fixture(scope="module")
def cut(whole):
    """The head, another contrast in other voxels, a moved one, and a slab over the face."""
    img = whole.img
    images = [
        img,
        moved(img.slicer[::1, ::2, ::1], change=other_contrast),
        moved(img, (0, -30, 8)),
        img.slicer[:, :, 63:],
    ]
    return images, *head_study.deface_all(images, backend="builtin")


def test_every_image_loses_its_own_face_and_keeps_its_own_brain(whole, cut):
    images, done, _ = cut
    for number in (0, 2):
        face, brain = (
            nib.Nifti1Image(_data(mask), images[number].affine)
            for mask in (whole.face_mask, whole.brain_mask)
        )
        assert surface.residual_face(images[number], done[number].img, face) <= 0.05
        assert (
            head_measures.brain_changed(
                _data(images[number]), _data(done[number].img), _data(brain) > 0
            )
            == 0
        )
    assert done[1].cut is done[0].cut
    assert done[2].cut is not done[0].cut


def test_an_image_without_a_face_in_it_shares_the_cut_and_loses_nothing(cut):
    images, done, _ = cut
    assert np.array_equal(_data(done[3].img), _data(images[3]))
    assert any("hardly any face" in warning for warning in done[3].report["warnings"])


def test_the_figures_are_the_worst_of_all_images(cut):
    _, done, report = cut
    assert report["residual_face"] == max(one.report["residual_face"] for one in done)
    assert report["head_kept"] == min(one.report["head_kept"] for one in done)
    assert report["head_kept"] < done[3].report["head_kept"]


def test_one_image_that_cannot_be_cut_keeps_all_back(whole):
    with pytest.raises(RefusedError, match="image 2 of 2: no head was found"):
        neuro.deface(whole.img, [body(4.0, (100, 75, 30), 170, 120, 600)], backend="builtin")


def test_a_head_that_moved_between_the_volumes_of_a_series_is_refused(whole):
    data = _data(whole.img)
    still = nib.Nifti1Image(np.stack([data, other_contrast(data)], axis=3), whole.img.affine)
    head_study._check_volumes(still)
    away = np.roll(other_contrast(data), 3, axis=1)
    with pytest.raises(RefusedError, match="volume 1 and volume 2"):
        head_study._check_volumes(
            nib.Nifti1Image(np.stack([data, away], axis=3), whole.img.affine)
        )


def test_what_is_wider_than_any_head_is_no_head():
    assert head_study._no_head(body(4.0, (100, 75, 30), 170, 120, 600))


def test_a_solid_part_that_the_header_names_is_no_head_and_the_header_alone_proves_nothing(whole):
    knee = body(2.0, (80, 80, 40), 65, 62, 600)
    assert head_study._no_head(knee, "KNEE")
    assert not head_study._no_head(knee)
    assert not head_study._no_head(knee, "HEADNECK")
    hollow = body(2.0, (80, 80, 40), 65, 62, 0)  # a throat, for all that is known
    assert not head_study._no_head(hollow, "KNEE")
    fine = samples.head(1, 1, spacing_mm=2.0).img
    for part in (fine, fine.slicer[:, :, :45], fine.slicer[:, :, 20:45], whole.img):
        assert not head_study._no_head(part, "KNEE")
