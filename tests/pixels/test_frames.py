"""Decoders: what reads a transfer syntax when the usual one is not there."""

import subprocess
import sys

import numpy as np
import pixel_images as made
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRLittleEndian

WITHOUT_PYJPEGLS = """
import sys
sys.modules["jpeg_ls"] = None
import numpy, pydicom
from medlab.errors import InputError
from medlab.pixels import frames, mask
from medlab.pixels.mask import Box

source, values, filled = sys.argv[1:]
dataset = pydicom.dcmread(source)
try:
    read = list(frames.stored_frames(dataset, frames.layout(dataset)))
except InputError:
    sys.exit("refused")
numpy.save(values, read[0])
mask.fill(dataset, [Box(0, 0, 8, 8)]).save_as(filled)
"""


def run_without_pyjpegls(dataset, folder):
    dataset.save_as(folder / "source.dcm", enforce_file_format=True)
    names = [str(folder / name) for name in ("source.dcm", "values.npy", "filled.dcm")]
    command = [sys.executable, "-c", WITHOUT_PYJPEGLS, *names]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def small_mr(name="MR_small_jpeg_ls_lossless.dcm"):
    return pydicom.dcmread(get_testdata_file(name, download=False))


def test_jpeg_ls_is_read_by_gdcm_alone_and_stored_uncompressed(tmp_path):
    assert run_without_pyjpegls(small_mr(), tmp_path).returncode == 0
    truth = small_mr("MR_small.dcm").pixel_array  # the same slice, never compressed
    assert np.array_equal(np.load(tmp_path / "values.npy")[..., 0], truth)
    filled = pydicom.dcmread(tmp_path / "filled.dcm")
    assert filled.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert np.array_equal(filled.pixel_array[8:], truth[8:])
    assert not np.array_equal(filled.pixel_array[:8, :8], truth[:8, :8])


@pytest.mark.parametrize("name", ["jls-rgb", "jls-near"])
@pytest.mark.needs("pyjpegls")
def test_gdcm_reads_color_and_near_lossless_as_pyjpegls_does(name, tmp_path):
    dataset = made.cases()[name]()
    assert run_without_pyjpegls(dataset, tmp_path).returncode == 0
    truth = pixel_array(made.reread(dataset), decoding_plugin="pyjpegls")
    assert np.array_equal(np.load(tmp_path / "values.npy").squeeze(), truth)


def test_a_cut_jpeg_ls_stream_is_refused_by_gdcm_too(tmp_path):
    dataset = small_mr()
    dataset.PixelData = dataset.PixelData[:1200] + b"\0" * 40
    done = run_without_pyjpegls(dataset, tmp_path)
    assert done.stderr.splitlines() == ["refused"]
