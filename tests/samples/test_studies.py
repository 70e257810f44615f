"""Series of the samples hang together: UIDs, and slices in space."""

import nibabel as nib
import numpy as np
import pydicom
import pytest

pytestmark = pytest.mark.slow


def test_every_instance_has_a_uid_of_its_own_and_a_series_one_modality(datasets):
    instances = [ds.SOPInstanceUID for ds in datasets.values()]
    assert len(set(instances)) == len(instances)
    series = {(ds.SeriesInstanceUID, ds.Modality) for ds in datasets.values()}
    assert len(series) == len({uid for uid, _ in series})


def test_series_lie_in_space_where_the_nifti_head_lies(folder, datasets):
    head = nib.load(folder / "heads/head-03/t1.nii.gz")
    series = [ds for name, ds in datasets.items() if "S01_T1_COR" in name]
    assert len(series) == head.shape[1]
    check_slices(series, head)
    for number, plane in ((1, "TRA"), (2, "SAG")):
        head = nib.load(folder / f"heads/head-{number:02d}/t1.nii.gz")
        check_slices([ds for name, ds in datasets.items() if f"S01_T1_{plane}" in name], head)


def check_slices(series, head):
    """Compare some voxels with the head through the geometry of PS3.3 C.7.6.2.1.1."""
    volume, back = np.asarray(head.dataobj), np.linalg.inv(head.affine)
    rng = np.random.default_rng(1)
    normals = set()
    for dataset in series[:: max(1, len(series) // 6)]:
        along, down = np.reshape(dataset.ImageOrientationPatient, (2, 3)).astype(float)
        row, column = rng.integers(0, dataset.Rows, 200), rng.integers(0, dataset.Columns, 200)
        lps = np.array(dataset.ImagePositionPatient, float) + np.outer(
            column * float(dataset.PixelSpacing[1]), along
        ) + np.outer(row * float(dataset.PixelSpacing[0]), down)  # fmt: skip
        index = nib.affines.apply_affine(back, lps * [-1, -1, 1])
        np.testing.assert_allclose(index, np.round(index), atol=1e-3)
        i, j, k = np.round(index).astype(int).T
        np.testing.assert_array_equal(dataset.pixel_array[row, column], volume[i, j, k])
        normals.add(tuple(np.round(np.cross(along, down))))
    steps = [float(np.dot(ds.ImagePositionPatient, next(iter(normals)))) for ds in series]
    np.testing.assert_allclose(np.diff(steps), float(series[0].SpacingBetweenSlices), atol=1e-3)


def test_burned_in_text_is_inside_its_box(datasets, truth):
    for entry in truth["planted"] + truth["keep"]:
        if "box" not in entry:
            continue
        x0, y0, x1, y1 = entry["box"]
        dataset = datasets[entry["file"]]
        pixels = pydicom.pixels.pixel_array(dataset, raw=True).astype(float)
        grey = pixels if dataset.SamplesPerPixel == 1 else pixels[..., 0]
        frame = grey if grey.ndim == 2 else grey[entry["frames"][0] - 1]
        inside = frame[y0:y1, x0:x1]
        assert inside.size
        assert np.ptp(inside) > 0.3 * np.ptp(frame)


def test_syntaxes_photometries_and_objects_are_many(datasets):
    syntaxes = {ds.file_meta.TransferSyntaxUID for ds in datasets.values()}
    assert len(syntaxes) == 7
    images = [ds for ds in datasets.values() if "PixelData" in ds]
    assert {ds.PhotometricInterpretation for ds in images} == {
        "MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL_422", "PALETTE COLOR",
    }  # fmt: skip
    modalities = {ds.Modality for ds in datasets.values()}
    assert modalities == {"MR", "CT", "US", "OT", "DX", "CR", "SR", "RTSTRUCT"}
