"""Blocks of a picture that change places by a key: what comes back, and who needs no key."""

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import RLELossless

from medlab.errors import InputError, MissingError, RefusedError
from medlab.methods.image_slicing import restore_image, slice_image

KEY = bytes(range(32))


def read(name="CT_small.dcm"):
    return dcmread(get_testdata_file(name, download=False))


def frames(dataset, count, dtype):
    """Let a data set have some frames of another kind."""
    values = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (count, 70, 90), dtype)
    bits = values.dtype.itemsize * 8
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 70, 90, count
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, int(values.dtype.kind == "i")
    dataset.PixelData = values.tobytes()
    return dataset


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("block", [7, 16, 32])
def test_every_stored_value_comes_back_with_the_key(dtype, count, block):
    before = frames(read(), count, dtype)
    sliced = slice_image(before, KEY, block)
    assert sorted(sliced.PixelData) == sorted(before.PixelData)
    if block < 32:  # four blocks may be drawn into their own order
        assert sliced.PixelData != before.PixelData
    after = restore_image(sliced, KEY)
    assert after.PixelData == before.PixelData
    assert [e.tag for e in after if e.tag.group == 0x11] == [
        e.tag for e in before if e.tag.group == 0x11
    ]


def test_frames_and_images_get_orders_of_their_own():
    one = frames(read(), 2, np.uint16)
    half = len(one.PixelData) // 2
    one.PixelData = one.PixelData[:half] * 2
    first, again = (slice_image(one, KEY).PixelData for _ in range(2))
    assert first[:half] != first[half:]
    assert first != again


def test_what_is_compressed_without_loss_comes_back_too():
    before = frames(read(), 1, np.uint16)
    values = before.PixelData
    before.compress(RLELossless)
    assert restore_image(slice_image(before, KEY), KEY).pixel_array.tobytes() == values


def test_another_key_or_a_changed_pixel_is_told():
    sliced = slice_image(read(), KEY)
    with pytest.raises(RefusedError, match="key is another one"):
        restore_image(sliced, bytes(32))
    sliced.PixelData = bytes([sliced.PixelData[0] ^ 1]) + sliced.PixelData[1:]
    with pytest.raises(RefusedError, match="pixels were altered"):
        restore_image(sliced, KEY)


def test_what_cannot_come_back_is_refused():
    with pytest.raises(RefusedError, match="bit for bit"):
        slice_image(read("SC_rgb_jpeg_dcmtk.dcm"), KEY)
    with pytest.raises(RefusedError, match="sliced already"):
        slice_image(slice_image(read(), KEY), KEY)
    with pytest.raises(MissingError, match="not sliced"):
        restore_image(read(), KEY)
    with pytest.raises(InputError, match="two blocks"):
        slice_image(read(), KEY, 100)
    hidden = read()
    hidden.BitsStored, hidden.HighBit = 8, 7
    with pytest.raises(RefusedError, match="bits beside the values"):
        slice_image(hidden, KEY)
