import nibabel as nib
import numpy as np
import pytest

from medlab import samples
from medlab.neuro import surface


@pytest.fixture(scope="module")
def sample():
    return samples.head(1, 1, spacing_mm=3.0)


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
