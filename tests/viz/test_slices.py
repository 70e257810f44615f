"""Planes of a head."""

import nibabel as nib
import numpy as np
import pytest

from medlab import widgets
from medlab.errors import InputError
from medlab.viz.slices import Planes


@pytest.fixture
def head():
    rng = np.random.default_rng(0)
    return nib.Nifti1Image(
        rng.integers(0, 900, (9, 10, 11)).astype("int16"), np.diag([2, 2, 2, 1])
    )


def test_planes_drawn_again_are_the_same(head):
    planes = Planes(head, masks=[head], labels=["mask"])
    first = planes.show()
    planes.show((1, 2, 3), limits=(0, 10))
    assert planes.show() == first


def test_images_on_other_voxels_are_refused(head):
    small = nib.Nifti1Image(np.zeros((3, 3, 3), "int16"), head.affine)
    with pytest.raises(InputError, match="the same voxels"):
        widgets.image_viewer(head, small)
