"""A head in planes and as a face: hidden where it must be, and how far a surface went back."""

import nibabel as nib
import numpy as np
import pytest

from medlab import samples, widgets
from medlab.errors import InputError
from medlab.neuro import surface
from medlab.viz.heads import Planes, depth_change, faces


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


@pytest.fixture(scope="module")
def shaded_head():
    return samples.head(1, spacing_mm=4.0)


def test_a_hidden_original_is_not_drawn_and_says_how_to_see_it(shaded_head):
    drawn = faces({"before": shaded_head.img, "after": shaded_head.img}, [0], hide_original=True)
    first, second = drawn.axes[:2]
    assert not first.images
    assert "reveal" in first.texts[0].get_text()
    assert second.images


def test_the_change_of_depth_is_nothing_for_the_same_view(shaded_head):
    view = surface.view(shaded_head.img)
    shown = depth_change(view, view).axes[0].images[0].get_array()
    assert np.isfinite(shown).any()
    assert np.nanmax(np.abs(shown)) == 0
