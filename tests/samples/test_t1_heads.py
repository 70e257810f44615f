"""Heads of the samples: grid, contrast, skull and masks."""

import nibabel as nib
import numpy as np
import pytest

from medlab import samples
from medlab.errors import InputError

pytestmark = pytest.mark.slow


def test_a_head_is_the_same_twice_and_differs_between_patients_and_sessions(head):
    data = head.img.get_fdata()
    np.testing.assert_array_equal(data, samples.head(1, spacing_mm=3).img.get_fdata())
    for other in (samples.head(2, spacing_mm=3), samples.head(1, 2, spacing_mm=3)):
        assert (other.img.get_fdata() != data).mean() > 0.5


def test_images_share_one_grid_in_right_anterior_superior_mm(head):
    assert all(part.shape == head.img.shape for part in head)
    assert nib.aff2axcodes(head.img.affine) == ("R", "A", "S")
    np.testing.assert_allclose(head.img.header.get_zooms(), 3)
    assert head.img.get_data_dtype() == np.int16


def test_contrast_is_that_of_a_t1_image(head):
    data = head.img.get_fdata()
    brain, face = head.brain_mask.get_fdata() > 0, head.face_mask.get_fdata() > 0
    fluid, gray, white = np.percentile(data[brain], [2, 40, 90])
    fat = np.percentile(data[face], 98)
    air = np.median(data[:, :, -1])
    assert air < 8 < fluid < gray < white < fat


def test_a_dark_skull_surrounds_the_brain(head):
    data, brain = head.img.get_fdata(), head.brain_mask.get_fdata() > 0
    i, j, k = (round(float(center)) for center in np.argwhere(brain).mean(axis=0))
    outward = data[i, j, k:]
    top = k + np.flatnonzero(brain[i, j, k:]).max()
    above = outward[top - k : top - k + 7]  # 21 mm: fluid, bone, scalp
    assert above.min() < 50
    assert above[int(above.argmin()) :].max() > 100


def test_masks_have_human_size_and_the_face_lies_before_and_below_the_brain(head):
    brain, face = head.brain_mask.get_fdata() > 0, head.face_mask.get_fdata() > 0
    liters = brain.sum() * 27e-6
    assert 1.3 < liters < 1.9
    assert not (brain & face).any()
    brain_center, face_center = np.argwhere(brain).mean(axis=0), np.argwhere(face).mean(axis=0)
    assert face_center[1] > brain_center[1]
    assert face_center[2] < brain_center[2]


@pytest.mark.parametrize(
    "wrong", [{"patient": 0}, {"session": 0}, {"spacing_mm": 0.1}, {"seed": -1}]
)
def test_head_refuses_numbers_out_of_range(wrong):
    with pytest.raises(InputError):
        samples.head(**{"patient": 1} | wrong)
