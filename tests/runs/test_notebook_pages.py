"""What a run leaves to read."""

import json
import re

import nbformat
import pytest
from runs_cases import FIGURE, everything_in, execute

from medlab.errors import InputError

pytestmark = pytest.mark.slow


def test_a_run_leaves_what_a_person_and_a_program_read(notebook, study, tmp_path):
    out = tmp_path / "out with spaces"
    (outcome,) = execute([notebook(FIGURE)], out, data=study)
    assert outcome.failure is None
    check_files(out)
    check_that_no_path_of_the_data_is_in(everything_in(out))
    check_that_pages_ask_no_other_address(out)
    check_that_the_notebook_is_valid(out / "tiny.ipynb")
    with pytest.raises(InputError, match="holds a run already"):
        execute([notebook("1")], out, data=study)
    (again,) = execute([notebook("1")], out, data=study, overwrite=True)
    assert again.failure is None


def check_files(out):
    assert {path.name for path in out.iterdir()} == {
        "index.html", "results.csv", "results.json", "tiny", "tiny.html", "tiny.ipynb",
    }  # fmt: skip
    index = (out / "index.html").read_text()
    assert 'alt="a line that wanders"' in index
    assert "A tiny notebook" in index
    results = json.loads((out / "results.json").read_text())
    assert results["notebooks"][0]["numbers"]["whole"] == 5
    assert results["packages"]["pydicom"]
    own = json.loads((out / "tiny" / "results.json").read_text())
    assert own["seed"] == 20240301
    assert own["parameters"] == {"k": 5, "share": 0.1, "seed": 20240301, "reveal": False}


def check_that_no_path_of_the_data_is_in(text):
    assert "Müller" not in text
    assert "M\\u00fcller" not in text


def check_that_pages_ask_no_other_address(out):
    for path in out.glob("*.html"):
        assert not re.findall(r"(?:src|href)=[\"']https?://|@import|import\(", path.read_text())


def check_that_the_notebook_is_valid(path):
    nb = nbformat.read(path, as_version=4)
    nbformat.validate(nb)
    assert set(nb.metadata) <= {"kernelspec", "language_info"}
