"""Methods text: what was done, with which versions, from the files that were left."""

import json

import pytest
from click.testing import CliRunner

from medlab import runs
from medlab.cli import commands
from medlab.errors import InputError, MissingError
from medlab.runs.citing import methods_text

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
