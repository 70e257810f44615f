"""Slices of a series that were passed over: no header says that they hold no text.

Written from outside: the slices are a sample head's, the outputs are read by pydicom.
"""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import samples
from medlab.cli import commands


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Eight neighboring slices of one head."""
    folder = tmp_path_factory.mktemp("series")
    head = np.asanyarray(samples.head(3, spacing_mm=2.0).img.dataobj)
    middle = head.shape[2] // 2
    for number in range(8):
        dataset = dcmread(get_testdata_file("MR_small.dcm"))
        values = np.clip(head[:, :, middle + number].T[::-1], 0, None)
        values = (values / head.max() * 1000).astype(np.uint16)
        dataset.Rows, dataset.Columns = values.shape
        dataset.PixelRepresentation, dataset.PixelData = 0, values.tobytes()
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.save_as(folder / f"{number}.dcm")
    return folder


@pytest.mark.parametrize(("how", "fewest"), [("read", 8), ("pass", 1)])
def test_a_slice_is_said_to_be_free_of_text_only_where_it_was_read(series, tmp_path, how, fewest):
    words = ("deidentify", series, tmp_path / "out", "--clean-pixels", "--similar-slices", how)
    done = CliRunner().invoke(commands, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out.job" / "report.json").read_text())["recognizer"]
    assert report["pictures"] == 8
    assert fewest <= report["read"] <= (8 if how == "read" else 7)
    said = [dcmread(path).get("BurnedInAnnotation") for path in (tmp_path / "out").rglob("*.dcm")]
    assert said.count("NO") == report["read"]
    assert said.count(None) == 8 - report["read"]
