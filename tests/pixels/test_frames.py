"""Decoders: what reads a transfer syntax when the usual one is not there."""

import subprocess
import sys

import numpy as np
import pixel_images as made
import pydicom
import pytest
from needs import missing
from pydicom.data import get_testdata_file
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRLittleEndian

WITHOUT_PYJPEGLS = """
import pathlib, sys
sys.modules["jpeg_ls"] = None
import numpy, pydicom
from medlab.errors import InputError
from medlab.pixels import effects, frames
from medlab.pixels.effects import Box

for source in sorted(pathlib.Path(sys.argv[1]).glob("*.dcm")):
    dataset = pydicom.dcmread(source)
    try:
        read = list(frames.stored_frames(dataset, frames.layout(dataset)))
    except InputError:
        print("refused", source.stem)
        continue
    numpy.save(source.with_suffix(".npy"), read[0])
    effects.fill(dataset, [Box(0, 0, 8, 8)]).save_as(source.with_suffix(".filled"))
"""


def small_mr(name="MR_small_jpeg_ls_lossless.dcm"):
    return pydicom.dcmread(get_testdata_file(name, download=False))


def cut_mr():
    dataset = small_mr()
    dataset.PixelData = dataset.PixelData[:1200] + b"\0" * 40
    return dataset


@pytest.fixture(scope="module")
def read_by_gdcm(tmp_path_factory):
    """Return a folder of JPEG-LS files, what was read of each, and what was said."""
    folder = tmp_path_factory.mktemp("gdcm")
    files = {"small": small_mr(), "cut": cut_mr()}
    if not missing(["pyjpegls"]):  # what writes these two
        files |= {name: made.cases()[name]() for name in ("jls-rgb", "jls-near")}
    for name, dataset in files.items():
        dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    command = [sys.executable, "-c", WITHOUT_PYJPEGLS, str(folder)]
    return folder, subprocess.run(command, capture_output=True, text=True, check=False)


def test_jpeg_ls_is_read_by_gdcm_alone_and_stored_uncompressed(read_by_gdcm):
    folder, _ = read_by_gdcm
    truth = small_mr("MR_small.dcm").pixel_array  # the same slice, never compressed
    assert np.array_equal(np.load(folder / "small.npy")[..., 0], truth)
    filled = pydicom.dcmread(folder / "small.filled")
    assert filled.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert np.array_equal(filled.pixel_array[8:], truth[8:])
    assert not np.array_equal(filled.pixel_array[:8, :8], truth[:8, :8])


@pytest.mark.parametrize("name", ["jls-rgb", "jls-near"])
@pytest.mark.needs("pyjpegls")
def test_gdcm_reads_color_and_near_lossless_as_pyjpegls_does(name, read_by_gdcm):
    truth = pixel_array(read_by_gdcm[0] / f"{name}.dcm", decoding_plugin="pyjpegls")
    assert np.array_equal(np.load(read_by_gdcm[0] / f"{name}.npy").squeeze(), truth)


def test_a_cut_jpeg_ls_stream_is_refused_by_gdcm_too(read_by_gdcm):
    _, done = read_by_gdcm
    assert (done.returncode, done.stdout, done.stderr) == (0, "refused cut\n", "")
