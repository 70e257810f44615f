"""A person approves boxes: the header claims no more than a second look that ran found.

Written from outside: the image is drawn by PIL, the outputs are read by pydicom.
"""

import csv

import numpy as np
import pytest
from click.testing import CliRunner
from pydicom import dcmread
from saved_screens import NAME_BOX, saved_screen

from medlab.cli import commands


def run(*words):
    return CliRunner().invoke(commands, [str(word) for word in words])


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A job on one picture with a name, in a saved screen that waits for a person."""
    folder = tmp_path_factory.mktemp("approved")
    saved_screen(folder / "in" / "a.dcm")
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
    header, told = approve(job, "1:{},{},{},{}".format(*NAME_BOX))
    left, top, right, bottom = NAME_BOX
    assert len(np.unique(header.pixel_array[top:bottom, left:right])) == 1
    assert header.BurnedInAnnotation == "NO"
    codes = {item.CodeValue for item in header.DeidentificationMethodCodeSequence}
    assert "113101" in codes
    assert "not checked: text" not in told
    assert "text boxes approved by a person" in header.DeidentificationMethod
