"""Pixels of the samples: text where it is said to be, and many forms of storage."""

import numpy as np
import pydicom
import pytest

pytestmark = pytest.mark.slow


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
