"""Pixels told again: the published scan found, and what a picture has lost."""

import math

import nibabel as nib
import numpy as np
import pytest
from evaluation_cases import HEADS, masked

from medlab import samples
from medlab.errors import InputError
from medlab.evaluation import images


def test_pixels_find_their_copy_whatever_was_done_to_the_header_or_the_brightness(heads):
    published = [heads[p, 1].img for p in range(1, HEADS + 1)]
    rng = np.random.default_rng(0)
    disguised = [images.disguises(img, rng) for img in published]
    for change in disguised[0]:
        found = images.pixel_linkage(published, [one[change] for one in disguised])
        exact = 1.0 if change == "header only" else pytest.approx(1 / HEADS)
        assert found["SHA-256"].rank1 == exact
        assert found["correlation inside the mask"].rank1 == 1.0, change
        assert found["perceptual hash"].rank1 >= 0.9, change


def test_stripping_does_not_hide_which_scan_it_was(heads):
    first = [heads[p, 1] for p in range(1, HEADS + 1)]
    published = [one.img for one in first]
    stripped = [masked(one.img, one.brain_mask, keep=True) for one in first]
    found = images.pixel_linkage(published, stripped)
    assert found["correlation inside the mask"].rank1 == 1.0
    assert found["SHA-256"].rank1 == found["SHA-256"].chance
    table = images.linkage_table({"stripped": found})
    assert table.loc["stripped", "correlation inside the mask"] == 1.0


def test_the_hash_is_of_voxels_and_not_of_headers(heads):
    img = heads[1, 1].img
    other = nib.Nifti1Image(np.asarray(img.dataobj), img.affine)
    other.header["descrip"] = b"something else"
    assert images._pixel_hash(other) == images._pixel_hash(img)
    changed = np.array(img.dataobj)
    changed[0, 0, 0] += 1
    assert images._pixel_hash(nib.Nifti1Image(changed, img.affine)) != images._pixel_hash(img)


def measures(*given):
    return images.image_utility(*given).set_index("measure")["value"]


def test_an_untouched_head_has_lost_nothing(heads):
    one = heads[1, 1]
    table = images.image_utility(one.img, one.img, one.brain_mask, one.brain_mask)
    assert (table["value"] == table["baseline"]).all()
    assert table.set_index("measure").loc["PSNR in the brain (dB)", "value"] == math.inf


def test_a_perfect_strip_keeps_the_brain_though_the_picture_changed(heads):
    one = heads[1, 1]
    found = measures(one.img, masked(one.img, one.brain_mask, keep=True), one.brain_mask)
    assert found["brain kept"] == 1.0
    assert found["SSIM in the eroded brain"] > 0.98
    assert found["change of mean"] == 0.0
    assert found["registration shift (mm)"] < 1


def test_half_a_brain_is_half_a_brain(heads):
    one = heads[1, 1]
    data = np.array(one.img.dataobj)
    middle = int(np.median(np.argwhere(np.asarray(one.brain_mask.dataobj) > 0)[:, 0]))
    data[:middle] = 0
    found = measures(one.img, nib.Nifti1Image(data, one.img.affine), one.brain_mask)
    assert found["brain kept"] == pytest.approx(0.5, abs=0.05)
    assert found["volume change"] == pytest.approx(found["brain kept"] - 1)
    assert found["SSIM in the eroded brain"] < 0.8


def test_noise_lowers_contrast_and_raises_texture(heads):
    one = heads[1, 1]
    rng = np.random.default_rng(2)
    data = np.asarray(one.img.dataobj) + rng.normal(0, 20, one.img.shape)
    noisy = nib.Nifti1Image(np.maximum(data, 1).astype(np.int16), one.img.affine)
    table = images.image_utility(one.img, noisy, one.brain_mask).set_index("measure")
    contrast = table.loc["gray-white contrast"]
    assert contrast["value"] < contrast["baseline"]
    assert table.loc["change of texture contrast", "value"] > 0.1
    assert table.loc["PSNR in the brain (dB)", "value"] < 40


def test_other_grids_are_refused(heads):
    one, other = heads[1, 1], samples.head(1, spacing_mm=6.0)
    with pytest.raises(InputError, match="grids"):
        images.image_utility(one.img, other.img, one.brain_mask)
