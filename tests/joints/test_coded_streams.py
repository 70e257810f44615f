"""A job from outside: what its files hold beside the pixels, and what its report says of it."""

import json
from io import BytesIO

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_fragments
from pydicom.uid import MPEG4HP41, JPEGBaseline8Bit

from medlab.cli import commands

pytestmark = pytest.mark.filterwarnings("ignore")


def coded(path, frames, syntax, number):
    dataset = dcmread(get_testdata_file("MR_small.dcm", download=False))
    dataset.PatientName, dataset.PatientID = "Okafor^Ngozi", "MRN-778811"
    dataset.Rows, dataset.Columns, dataset.BitsAllocated, dataset.BitsStored = 16, 16, 8, 8
    dataset.HighBit, dataset.NumberOfFrames, dataset.PixelRepresentation = 7, number, 0
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    path.parent.mkdir(exist_ok=True)
    dataset.save_as(path)


def jpeg(**how):
    buffer = BytesIO()
    Image.fromarray(np.full((16, 16), 90, np.uint8)).save(buffer, "JPEG", **how)
    return buffer.getvalue()


def report_of(tmp_path):
    called = ["deidentify", str(tmp_path / "src"), str(tmp_path / "dst"), "--policy", "basic"]
    result = CliRunner().invoke(commands, called)
    report = json.loads((tmp_path / "dst.job" / "report.json").read_text())
    (out,) = (tmp_path / "dst").rglob("*.dcm")
    return result, report, out


def test_a_comment_in_a_stream_goes_and_needs_no_review(tmp_path):
    coded(tmp_path / "src" / "a", [jpeg(comment=b"Ngozi Okafor")], JPEGBaseline8Bit, 1)
    result, report, out = report_of(tmp_path)
    assert result.exit_code == 0, result.output
    assert b"Okafor" not in out.read_bytes()
    assert report["findings"] == []


def test_a_frame_that_was_cut_off_is_told_in_the_report(tmp_path):
    coded(tmp_path / "src" / "a", [jpeg(), jpeg(quality=30)], JPEGBaseline8Bit, 1)
    result, report, out = report_of(tmp_path)
    assert result.exit_code == 0, result.output
    assert len(list(generate_fragments(dcmread(out).PixelData))) == 2  # the table and a frame
    (finding,) = report["findings"]
    assert "frames beyond" in finding["message"]
    assert finding["rows"] == [1]


def test_a_stream_that_is_not_known_is_counted_as_not_checked(tmp_path):
    coded(tmp_path / "src" / "a", [b"\0\0\1\xb3" + bytes(range(256))], MPEG4HP41, 1)
    _, report, _ = report_of(tmp_path)
    assert report["not_checked"]["text beside the coded image"] == 1
    assert "could not be looked through" in report["findings"][0]["message"]
