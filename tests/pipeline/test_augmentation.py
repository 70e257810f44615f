"""Copies of a file are what the functions make of its voxels, with the seed of each copy."""

import nibabel as nib
import numpy as np
import pytest

from medlab.errors import RefusedError
from medlab.pipeline.augmentation import augment_file
from medlab.synthetic import augment


@pytest.fixture
def scan(tmp_path):
    data = np.random.default_rng(0).integers(0, 900, (9, 10, 11)).astype(np.int16)
    nib.save(nib.Nifti1Image(data, np.diag([1.0, 2.0, 3.0, 1.0])), tmp_path / "scan.nii")
    return tmp_path / "scan.nii"


def test_a_copy_is_what_the_functions_make_in_their_order(scan):
    augment_file(scan, scan.with_name("out"), 2, 11, only=["motion", "affine"])
    values, rng = np.asanyarray(nib.load(scan).dataobj).T, np.random.default_rng([11, 2])
    for step in (augment.affine, augment.motion):  # the order of ALL, not of the words
        values, _ = step(values, rng, voxel_mm=(3, 2, 1))
    copy = nib.load(scan.with_name("out") / "copy-002.nii.gz")
    assert np.array_equal(np.asanyarray(copy.dataobj).T, values)


def test_a_link_in_the_place_of_the_output_is_refused(scan):
    scan.with_name("out").symlink_to(scan.with_name("nowhere"))
    with pytest.raises(RefusedError, match="exists"):
        augment_file(scan, scan.with_name("out"), 1, 1)


def test_the_source_is_as_it_was(scan):
    before = scan.read_bytes()
    augment_file(scan, scan.with_name("out"), 1, 1)
    assert scan.read_bytes() == before
