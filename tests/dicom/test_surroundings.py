import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from medlab.dicom import surroundings

SAMPLES = bytes(range(1, 13))


def image(syntax, rows=3, columns=4, frames=1):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = rows, columns, 1
    dataset.BitsAllocated, dataset.PhotometricInterpretation = 8, "MONOCHROME2"
    dataset.NumberOfFrames = frames
    return dataset


def test_native_samples_end_where_rows_and_columns_say():
    dataset = image(ExplicitVRLittleEndian)
    assert surroundings.split(dataset, SAMPLES + b"OKAFOR") == (SAMPLES, b"OKAFOR")
    assert surroundings.split(dataset, SAMPLES) == (SAMPLES, b"")


def test_an_odd_number_of_samples_has_one_byte_of_padding():
    dataset = image(ExplicitVRLittleEndian, rows=1, columns=3)
    assert surroundings.split(dataset, b"abc\0") == (b"abc", b"")


def test_text_of_unknown_samples_is_told_beside_them():
    dataset = image("1.2.3.4", rows=100, columns=100)
    value = bytes(range(20)) + b"OKAFOR NGOZI 1962" + bytes(range(20))
    samples, rest = surroundings.split(dataset, value)
    assert samples == value
    assert b"OKAFOR NGOZI 1962" in rest


def test_a_comment_of_a_jpeg_stands_beside_its_scan():
    scan = b"\xff\xda\0\x08\1\1\0\0\x3f\0" + b"\x11\x22\xff\x00\x33"
    jpeg = b"\xff\xd8\xff\xfe\0\x08OKAFOR" + scan + b"\xff\xd9"
    samples, rest = surroundings.split(image(JPEGBaseline8Bit), encapsulate([jpeg]))
    assert b"OKAFOR" in rest
    assert b"OKAFOR" not in samples
    assert b"\x11\x22\xff\x00\x33" in samples


@pytest.mark.parametrize(("frames", "hidden"), [(1, True), (2, False)])
def test_a_frame_beyond_their_number_is_hidden(frames, hidden):
    value = np.arange(24, dtype=np.uint8).tobytes()
    dataset = image(ExplicitVRLittleEndian, frames=frames)
    assert surroundings.has_hidden_frames(dataset, value) is hidden
