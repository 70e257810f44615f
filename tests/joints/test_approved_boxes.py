"""A person approves boxes: the header claims no more than a second look that ran found.

Written from outside: the image is drawn by PIL, the outputs are read by pydicom.
"""

import csv

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab.cli import commands

NAME = (20, 20, 330, 60)  # left, top, right, bottom of the name that is drawn


def run(*words):
    return CliRunner().invoke(commands, [str(word) for word in words])


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A job on one picture with a name, in a saved screen that waits for a person."""
    folder = tmp_path_factory.mktemp("approved")
    picture = Image.new("L", (400, 200), 30)
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 32)
    ImageDraw.Draw(picture).text((30, 22), "OKAFOR NGOZI", fill=240, font=font)
    dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
    dataset.PatientName, dataset.ImageType = (
        "Okafor^Ngozi",
        ["DERIVED", "SECONDARY", "SCREEN SAVE"],
    )
    pixels = np.asarray(picture)
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = pixels.tobytes()
    for keyword in ("PixelPaddingValue", "DataSetTrailingPadding"):
        if keyword in dataset:
            del dataset[keyword]
    (folder / "in").mkdir()
    dataset.save_as(folder / "in" / "a.dcm")
    first = run("deidentify", folder / "in", folder / "out", "--clean-pixels")
    assert first.exit_code == 1
    assert "1 quarantined" in first.output
    return folder


def approve(job, box):
    """Approve one box instead of the proposal; return the header of the output."""
    with (job / "out.job" / "pixels.csv").open(newline="") as file:
        lines = range(2, 2 + len(list(csv.DictReader(file))))
    drops = [word for line in lines for word in ("--drop", line)]
    done = run("pixels", "review", job / "out", "--accept", "all", "--add", box, *drops)
    assert "1 files approved" in done.output, done.output
    (path,) = (job / "out").rglob("*.dcm")
    return dcmread(path), done.output


def test_an_approval_that_leaves_the_name_claims_nothing(job):
    header, told = approve(job, "1:0,150,400,200")
    assert header.get("BurnedInAnnotation") != "NO"
    codes = {item.CodeValue for item in header.DeidentificationMethodCodeSequence}
    assert "113101" not in codes
    assert "not checked: text in pixels in 1 images" in told
    assert "text boxes approved by a person" in header.DeidentificationMethod


def test_an_approval_that_covers_the_name_is_claimed_and_recorded(job):
    header, told = approve(job, "1:{},{},{},{}".format(*NAME))
    left, top, right, bottom = NAME
    assert len(np.unique(header.pixel_array[top:bottom, left:right])) == 1
    assert header.BurnedInAnnotation == "NO"
    codes = {item.CodeValue for item in header.DeidentificationMethodCodeSequence}
    assert "113101" in codes
    assert "not checked: text" not in told
    assert "text boxes approved by a person" in header.DeidentificationMethod
