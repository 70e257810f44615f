"""Frames as pictures."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from medlab import widgets
from medlab.viz import frame_pictures

SIZE = 8


def image(values):
    """A DICOM image of these frames (frames, rows, columns)."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.NumberOfFrames, made.Rows, made.Columns = np.shape(values)
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 0
    made.PixelData = np.asarray(values, "<u2").tobytes()
    return made


@pytest.fixture
def ramp():
    """Three frames: 0 on top to 700 at the bottom, each frame 1000 more."""
    one = np.repeat(np.arange(0, 800, 100)[:, None], SIZE, axis=1)
    return image([one, one + 1000, one + 2000])


def test_a_color_image_has_no_window(ramp):
    color = image(np.zeros((1, SIZE, SIZE)))
    color.SamplesPerPixel, color.PhotometricInterpretation = 3, "RGB"
    color.PlanarConfiguration, color.BitsAllocated, color.BitsStored, color.HighBit = 0, 8, 8, 7
    color.PixelData = bytes(3 * SIZE * SIZE)
    assert frame_pictures.value_range(color) is None
    assert widgets.image_viewer(color).handles["center"].disabled
