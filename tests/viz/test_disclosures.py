"""What a viewer shows is what pydicom's own decoders give, and colors where there are some."""

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from medlab.viz.disclosures import decoded, displayed


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm",
        "examples_ybr_color.dcm", "examples_rgb_color.dcm", "examples_jpeg2k.dcm",
    ],
)  # fmt: skip
def test_a_frame_is_that_of_pydicom(name):
    dataset = pydicom.dcmread(get_testdata_file(name, download=False))
    middle = (int(dataset.get("NumberOfFrames") or 1) - 1) // 2
    np.testing.assert_array_equal(decoded(dataset), pixel_array(dataset, index=middle))
    shown = displayed(dataset)
    assert shown.shape[:2] == (dataset.Rows, dataset.Columns)


def test_a_palette_is_shown_in_its_colors():
    dataset = pydicom.dcmread(get_testdata_file("examples_palette.dcm", download=False))
    colored = apply_color_lut(dataset.pixel_array, dataset)
    np.testing.assert_array_equal(decoded(dataset), colored)
    assert np.ptp(displayed(dataset), axis=2).max() > 0.1
