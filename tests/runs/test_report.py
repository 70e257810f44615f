"""What a run leaves to read."""

import json
import re

import nbformat
import pytest
from click.testing import CliRunner
from runs_cases import FIGURE, everything_in, execute

from medlab import runs
from medlab.cli import commands
from medlab.errors import InputError, MissingError
from medlab.runs.report import methods_text

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


META = {
    "medlab": "0.1.0", "revision": "0123456789abcdef", "python": "3.11.9", "sample_data": True,
    "packages": {"numpy": "2.1.0", "nilearn": "not installed"}, "started": "2026-11-29 10:00",
}  # fmt: skip


def write(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return folder


def test_a_run_names_versions_and_the_parameters_of_each_notebook(tmp_path):
    done = {"notebook": "03_x", "name": "03_x-k2", "parameters": {"k": 2}, "status": "done"}
    late = {"notebook": "05_y", "name": "05_y", "parameters": {}, "status": "failed"}
    write(tmp_path, "results.json", META | {"notebooks": [done, late]})
    write(tmp_path / "03_x-k2", "results.json", {"parameters": {"seed": 7, "k": 2}})
    text = methods_text(tmp_path)
    assert "medlab 0.1.0 (revision 0123456789ab)" in text
    assert "fictitious" in text
    assert "numpy 2.1.0." in text  # what is not installed did nothing
    assert "Notebook 03_x: seed = 7, k = 2.\n" in text
    assert "Notebook 05_y: no parameters. It stopped with an error." in text


def test_results_of_one_notebook_are_a_run(tmp_path):
    run = runs.begin(output_dir=str(tmp_path))
    run.check_range(k=(5, 2, 20))
    assert "Parameters: k = 5." in methods_text(tmp_path)


@pytest.mark.parametrize("named", ["clean", "clean.job"])
def test_a_job_names_its_policy_options_and_edition(tmp_path, named):
    facts = {
        "medlab": "0.1.0", "edition": "2026c", "policy": "research", "rules": ["one"], "files": 9,
        "options": ["clean-graphics"], "statuses": {"done": 8}, "ended": "2026-11-29T10:00:00",
    }  # fmt: skip
    write(tmp_path / "clean.job", "report.json", facts)
    (tmp_path / "clean").mkdir()
    done = CliRunner().invoke(commands, ["cite", str(tmp_path / named)])
    assert done.exit_code == 0
    text = done.stdout
    assert "policy research" in text
    assert "edition 2026c), with the options clean-graphics and 1 rules of our own." in text
    assert "Of 9 files 8 were released" in text


def test_a_folder_of_anything_else_and_damaged_results_are_told(tmp_path):
    with pytest.raises(MissingError, match="no run and no job"):
        methods_text(tmp_path)
    write(tmp_path, "results.json", ["a list"])
    with pytest.raises(InputError, match="damaged"):
        methods_text(tmp_path)
