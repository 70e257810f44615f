import gzip

import nibabel as nib
import numpy as np
import pytest

from medlab import neuro
from medlab.errors import InputError


@pytest.mark.parametrize(("unit", "scale"), [("meter", 1e-3), ("mm", 1), ("micron", 1e3)])
def test_an_image_is_in_mm_whatever_unit_its_header_counts_in(unit, scale):
    affine = np.diag([scale, scale, scale, 1]) @ np.diag([2, 2, 3, 1.0])
    img = nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), affine)
    img.header.set_xyzt_units(unit)
    loaded = neuro.load(img)
    assert np.allclose(loaded.affine, np.diag([2, 2, 3, 1]))
    assert np.allclose(loaded.header.get_zooms(), [2, 2, 3])
    assert loaded.header.get_xyzt_units()[0] == "mm"


def test_a_voxel_of_no_scanner_is_refused_before_the_work():
    img = nib.Nifti1Image(np.zeros((9, 9, 9), np.uint8), np.diag([0.002, 0.002, 0.002, 1]))
    with pytest.raises(InputError, match="mm"):
        neuro.load(img)


def test_voxels_that_were_not_measured_are_as_dark_as_the_darkest():
    from medlab.neuro.volume import to_working

    data = np.full((4, 4, 4), -1.5, np.float32)
    data[0], data[1], data[2] = np.nan, np.inf, 2
    working = to_working(nib.Nifti1Image(data, np.eye(4))).data
    assert sorted(set(working.ravel().tolist())) == [-1.5, 2]


def _singular(data):
    header = nib.Nifti1Header()
    header["sform_code"], header["srow_x"], header["srow_y"] = 1, [1, 0, 0, 0], [0, 1, 0, 0]
    whole = nib.Nifti1Image(data, None, header).to_bytes()
    return nib.Nifti1Image.from_bytes(whole)


def _bad(kind):
    data = np.random.default_rng(0).integers(0, 99, (20, 20, 20)).astype(np.int16)
    return {
        "one slice": nib.Nifti1Image(data[:, :, :1], np.eye(4)),
        "all zero": nib.Nifti1Image(data * 0, np.eye(4)),
        "constant": nib.Nifti1Image(data * 0 + 7, np.eye(4)),
        "2-D": nib.Nifti1Image(data[:, :, 0], np.eye(4)),
        "singular": _singular(data),
        "complex": nib.Nifti1Image(data.astype(np.complex64), np.eye(4)),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["one slice", "all zero", "constant", "2-D", "singular", "complex"]
)
def test_what_is_no_head_is_refused_in_one_sentence(kind):
    with pytest.raises(InputError):
        neuro.extract_brain(_bad(kind), backend="builtin")
    with pytest.raises(InputError):
        neuro.surface.view(_bad(kind))


def test_damaged_files_are_refused_in_one_sentence(tmp_path):
    img = nib.Nifti1Image(np.random.default_rng(0).random((20, 20, 20)), np.eye(4))
    whole = gzip.compress(img.to_bytes())
    for name, content in (("a.nii.gz", whole[:3000]), ("b.nii", b"hello"), ("c.nii.gz", b"PK")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError):
            neuro.extract_brain(path)
    with pytest.raises(InputError):
        neuro.extract_brain(tmp_path / "absent.nii")
