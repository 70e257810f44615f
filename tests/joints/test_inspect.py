"""`medlab inspect` on what a folder of images really holds."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab.cli import commands


def run(*words):
    return CliRunner().invoke(commands, ["inspect", *map(str, words)])


@pytest.fixture
def scans(tmp_path):
    """A NIfTI file and a sidecar that name a patient."""
    folder = tmp_path / "in"
    folder.mkdir()
    img = nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4))
    img.header["descrip"] = "Okafor Ngozi"
    nib.save(img, folder / "scan.nii.gz")
    (folder / "scan.json").write_text(json.dumps({"PatientName": "Okafor", "EchoTime": 0.03}))
    return folder


def test_a_nifti_file_is_inspected_masked_unless_revealed(scans):
    masked = run(scans / "scan.nii.gz")
    assert masked.exit_code == 0, masked.output
    assert "descrip" in masked.output
    assert "Okafor" not in masked.output
    assert "Okafor Ngozi" in run(scans / "scan.nii.gz", "--reveal").output


def test_a_folder_of_scans_alone_is_no_empty_folder(scans, tmp_path):
    told = run(scans, "--csv", tmp_path / "table.csv")
    assert told.exit_code == 0, told.output
    assert "0 DICOM files, 2 of NIfTI and BIDS" in told.output
    assert "key stands in it" in told.output
    table = pd.read_csv(tmp_path / "table.csv")
    assert set(table["path"]) >= {"descrip", "PatientName"}
    assert "Okafor" not in (tmp_path / "table.csv").read_text()


def test_a_mixed_folder_tells_of_both_and_of_what_cannot_be_read(scans):
    dcmread(get_testdata_file("CT_small.dcm", download=False)).save_as(scans / "a.dcm")
    (scans / "broken.nii").write_bytes(b"no scan")
    told = run(scans)
    assert "1 DICOM files, 3 of NIfTI and BIDS" in told.output
    assert "HIPAA 1 name" in told.output
    assert "text stands in it" in told.output
    assert "no NIfTI image" in told.output
