"""Small notebooks, each made for one way to succeed or to fail."""

import shutil

import nbformat
import pytest
from pydicom.data import get_testdata_file

PARAMETERS = """\
data_dir: str = ""  # folder with your own files
output_dir: str = ""  # where results.json goes
reveal: bool = False  # show identifiers
seed: int = 20240301  # start of all randomness
k: int = 5  # smallest class (2 to 100)
share: float = 0.1  # a share
word: str = "basic"  # a word
names: list = ["Age", "Sex"]  # columns
"""
BEGIN = """\
import numpy as np
from medlab import runs
run = runs.begin(data_dir, output_dir, seed=seed, reveal=reveal)
"""


@pytest.fixture
def notebook(tmp_path):
    """Write a notebook of a heading, parameters, a beginning and the given cells."""

    def write(*cells: str, name: str = "tiny", title: str = "A tiny notebook"):
        new = nbformat.v4.new_code_cell
        nb = nbformat.v4.new_notebook()
        nb.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nb.cells = [
            nbformat.v4.new_markdown_cell(f"# {title}"),
            new(PARAMETERS, metadata={"tags": ["parameters"]}),
            new(BEGIN),
            *map(new, cells),
        ]
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(nb, path)
        return path

    return write


@pytest.fixture
def study(tmp_path):
    """A folder of one's own, with spaces and letters beyond ASCII in its path."""
    folder = tmp_path / "Étude de Müller 東京"
    folder.mkdir()
    shutil.copy(get_testdata_file("CT_small.dcm"), folder)
    return folder
