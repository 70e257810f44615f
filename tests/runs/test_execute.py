"""Runs: what they leave, what a failure looks like, and that nothing repeats a value."""

import json
import re

import nbformat
import pytest
from click.testing import CliRunner
from runs_cases import FIGURE, MADE, SECRET, everything_in, execute

from medlab import cli, runs
from medlab.errors import InputError, UsageError
from medlab.runs.execute import page

pytestmark = pytest.mark.slow


def test_a_grid_of_the_command_line_and_the_same_seed_give_the_same_numbers(
    notebook, study, tmp_path
):
    path = notebook(FIGURE)
    result = CliRunner().invoke(cli.commands, ["run", str(path), "--list"])
    assert "k = 5  smallest class" in result.output
    command = ["run", str(path), "--grid", "seed=7,8", "--data", str(study)]
    result = CliRunner().invoke(cli.commands, [*command, "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    seven, eight = (
        json.loads((tmp_path / "out" / f"tiny_seed-{seed}" / "results.json").read_text())[
            "numbers"
        ]
        for seed in (7, 8)
    )
    (again,) = runs.run(runs.plan_jobs([path], {"seed": "7"}), tmp_path / "again", data=study)
    assert again.numbers == seven
    assert seven["first"] != eight["first"]


def test_a_failing_cell_is_told_by_place_and_the_other_notebooks_go_on(notebook, study, tmp_path):
    bad = notebook(f"{MADE}\nraise KeyError(secret)", name="bad")
    own = notebook("run.check_range(share=(share, 1, 2))", name="own")
    good = notebook("1", name="good")
    out = tmp_path / "out"
    failed, ours, fine = execute([bad, own, good], out, data=study)
    assert fine.failure is None
    # what medlab itself says is shown
    assert ours.failure.error == "InputError: share = 0.1 is out of range; give 1 to 2"
    assert (failed.failure.cell, failed.failure.heading) == (4, "A tiny notebook")
    assert failed.failure.line == "raise KeyError(secret)"
    assert "withheld" in failed.failure.error
    assert "Stopped in cell 4" in (out / "index.html").read_text()
    assert SECRET not in everything_in(out)


def test_a_kernel_that_dies_is_one_failed_notebook(notebook, study, tmp_path):
    path = notebook("import os; os._exit(3)")
    (outcome,) = execute([path], tmp_path / "out", data=study)
    assert "DeadKernelError" in outcome.failure.error


def test_nothing_is_written_into_the_data_folder(notebook, study):
    with pytest.raises(InputError, match="inside the data folder"):
        execute([notebook("1")], study / "out", data=study)
    assert [path.name for path in study.iterdir()] == ["CT_small.dcm"]


def test_an_output_path_that_is_a_file_is_refused(notebook, study, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        execute([notebook("1")], tmp_path / "file", data=study)
    with pytest.raises(InputError, match="cannot be written to"):
        execute([notebook("1")], tmp_path / "file" / "below", data=study)


def test_a_missing_data_folder_is_bad_usage_and_an_empty_one_is_refused(notebook, tmp_path):
    with pytest.raises(UsageError, match="data folder does not exist"):
        execute([notebook("1")], tmp_path / "out", data=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="data folder is empty"):
        execute([notebook("1")], tmp_path / "out", data=tmp_path / "empty")
    (tmp_path / "empty" / "note.txt").write_text("no image")
    with pytest.raises(InputError, match="none of the 1 files"):
        execute([notebook("1")], tmp_path / "out", data=tmp_path / "empty")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-p", "kk", "3"], 2, "no parameter kk"),
        (["-p", "k", "x"], 2, "k takes a whole number, 2 to 100; this is none"),
        (["--grid", "k"], 2, "a grid is written"),
        (["-f", "none.yaml"], 2, "parameter file cannot be read"),
        (["--data", "none"], 2, "data folder does not exist"),
        (["-p", "k", "1", "--data", "study"], 2, "k takes a whole number, 2 to 100; 1 is out"),
    ],
)
def test_the_command_line_says_what_was_wrong(
    notebook, arguments, code, said, tmp_path, monkeypatch
):
    path = notebook("1")
    command = ["run", str(path), "--output", str(tmp_path / "out"), *arguments]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "table.csv").write_text("x")
    result = CliRunner().invoke(cli.commands, command)
    assert result.exit_code == code
    assert said in result.output


WIDGET = """\
import ipywidgets as ipw
from medlab import widgets
box = ipw.Text(value="Oka" + "for^" + "Jane", description="search")
widgets.InteractiveWidget("Tags", {"text": box}, lambda text: f"<p>{len(text)} letters</p>")"""


def test_an_widget_leaves_its_picture_and_no_value_of_a_control(notebook, study, tmp_path):
    (outcome,) = execute([notebook(WIDGET)], tmp_path / "out", data=study)
    assert outcome.failure is None
    assert SECRET not in everything_in(tmp_path / "out")
    assert "<p>11 letters</p>" in (tmp_path / "out" / "tiny.html").read_text()


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


def test_a_folded_hint_stays_folded_in_a_page():
    hint = "Try it.\n\n<details><summary>Hint</summary>\n\nTake `hashlib`.\n\n</details>"
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(hint)])
    body, _ = page(nb, "a set")
    folded = re.search("<details>.*?</details>", body, re.DOTALL)
    assert "hashlib" in folded[0]
