"""Labels, parameters and doses are no picture: a job leaves them and claims nothing of them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab.cli import commands

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = "1.2.840.10008.5.1.4.1.1."


def written(path, sop_class, **more):
    dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
    for tag in [tag for tag in dataset.keys() if tag.is_private]:  # noqa: SIM118
        del dataset[tag]
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(exist_ok=True)
    dataset.save_as(path)


def job(tmp_path, *more):
    called = ["deidentify", str(tmp_path / "src"), str(tmp_path / "dst"), "--policy", "basic"]
    result = CliRunner().invoke(commands, [*called, *more])
    assert result.exit_code == 0, result.output
    outs = {dcmread(path).SOPClassUID: dcmread(path) for path in (tmp_path / "dst").rglob("*.dcm")}
    return result.output, json.loads((tmp_path / "dst.job" / "report.json").read_text()), outs


def test_what_is_no_picture_is_left_counted_and_not_called_clean(tmp_path):
    values = (np.indices((128, 128)).sum(axis=0) % 7).astype("<u2").tobytes()
    for number, end in enumerate(("66.4", "66.7", "30", "481.2")):
        written(tmp_path / "src" / str(number), ROOT + end, PixelData=values)
    output, report, outs = job(tmp_path, "--clean-pixels")
    assert len(outs) == 4
    for out in outs.values():
        assert out.PixelData == values
        assert out.get("BurnedInAnnotation") != "NO"
        assert "113101" not in [code.CodeValue for code in out.DeidentificationMethodCodeSequence]
    assert report["no_picture"] == 4
    assert "text in pixels" not in report["not_checked"]
    assert "no picture (labels, maps, doses), left as it is: 4" in output


def test_a_picture_that_calls_itself_a_segmentation_is_looked_at(tmp_path):
    color = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "Rows": 64, "Columns": 64}
    written(
        tmp_path / "src" / "a", ROOT + "66.4", PixelData=bytes(64 * 64 * 3),
        PixelRepresentation=0, **color, **bits,
    )  # fmt: skip
    _, report, outs = job(tmp_path, "--clean-pixels")
    assert report["no_picture"] == 0
    assert outs[ROOT + "66.4"].BurnedInAnnotation == "NO"


def test_a_job_of_headers_counts_them_apart_from_images(tmp_path):
    written(tmp_path / "src" / "a", ROOT + "481.2")
    written(tmp_path / "src" / "b", ROOT + "7")
    _, report, _ = job(tmp_path)
    assert report["no_picture"] == 1
    assert report["not_checked"]["text in pixels"] == 1
