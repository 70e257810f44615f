"""Notebooks with other parameters, and on a head of one's own."""

import json
import shutil
import subprocess
import sys

import nibabel as nib
import pytest
from in_process import in_process
from pydicom.data import get_testdata_file

from medlab import runs, samples
from medlab.errors import InputError

pytestmark = pytest.mark.slow
NOTEBOOKS = runs.find_notebooks()


def test_a_notebook_holds_its_checks_on_a_single_file():
    in_process(NOTEBOOKS[0], files=1)


def test_a_head_that_is_not_there_is_refused_with_how_many_there_are():
    with pytest.raises(InputError, match="head = 99 is out of range; give 1 to 3"):
        in_process(NOTEBOOKS[3], 2, head=99)


def test_a_head_of_ones_own_is_read_beside_other_images(tmp_path):
    folder = tmp_path / "my studies ü"
    folder.mkdir()
    for name in ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm"):
        shutil.copy(get_testdata_file(name), folder)
    coarse = samples.head(5, spacing_mm=3.0).img  # a third of the voxels of the sample data
    nib.save(coarse, folder / "scan.nii.gz")
    in_process(NOTEBOOKS[3], data_dir=str(folder), output_dir=str(tmp_path / "out"))
    assert json.loads((tmp_path / "out" / "results.json").read_text())["numbers"]


def test_papermill_shows_the_parameters_of_a_notebook():
    command = [sys.executable, "-m", "papermill", "--help-notebook", str(NOTEBOOKS[2])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "k: int (default 5)" in done.stdout
    assert "Unknown" not in done.stdout
