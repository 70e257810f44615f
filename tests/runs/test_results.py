"""Numbers of a run: what is said of each, the files that keep them, the words to cite."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

from medlab import runs
from medlab.cli import commands
from medlab.errors import InputError, MissingError
from medlab.runs.results import Meaning, _as_csv, lines, methods_text


@pytest.mark.parametrize(
    ("value", "meaning", "said"),
    [
        (
            7,
            Meaning("Smallest class", "people", ">= 5"),
            ("7 people", "good", "at least 5 people"),
        ),
        (0.0833, Meaning("Found", "%", "<= 0.05"), ("8.3 %", "bad", "at most 5 %")),
        (0.05, Meaning("Found", "%", "<= 0.05"), ("5 %", "good", "at most 5 %")),
        (0, Meaning("Names left", "names", "== 0"), ("0 names", "good", "none")),
        (0.51, Meaning("AUC", "", "low"), ("0.51", "", "lower is better")),
        (9747, Meaning("Elements", "elements"), ("9,747 elements", "", "")),
        (True, Meaning("Kept", "", ">= 1"), ("yes", "", "at least 1")),  # no number
    ],
)
def test_a_line_says_value_unit_and_verdict(value, meaning, said):
    (line,) = lines("name", value, meaning)
    assert (line.value, line.verdict, line.wish) == said
    assert line.label == meaning.label


def test_a_number_without_a_label_is_called_by_its_name():
    (line,) = lines("k_found", 5, Meaning())
    assert line == ("k found", "5", "", "")


def test_numbers_by_name_are_a_line_each_and_each_is_judged():
    both = {"before": 0.9, "after": {"x": 0.01}}
    said = [(one.label, one.verdict) for one in lines("n", both, Meaning("Found", "%", "<= 0.1"))]
    assert said == [("Found, before", "bad"), ("Found, after, x", "good")]


def test_csv_holds_one_number_a_row_as_measured():
    rows = [({"notebook": "03"}, "share", {"a, b": 0.25}, Meaning('Sha"re', "%", "<= 0.1"))]
    (row,) = csv.DictReader(io.StringIO(_as_csv(rows).decode()))
    assert row == {
        "notebook": "03", "name": "share", "of": "a, b", "value": "0.25", "label": 'Sha"re',
        "unit": "share of 1", "good": "<= 0.1", "verdict": "bad",
    }  # fmt: skip


def test_keep_takes_a_meaning_or_none_and_writes_both_files_in_the_order_of_the_story(tmp_path):
    run = runs.begin(output_dir=str(tmp_path))
    run.keep("Zeal", "people", "high", zeal=3)
    run.keep(label=1, alone=2)  # numbers may bear any name
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["numbers"] == {"zeal": 3, "label": 1, "alone": 2}
    assert [one["name"] for one in content["meanings"]] == ["zeal", "label", "alone"]
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [(row["name"], row["value"]) for row in rows] == [
        ("zeal", "3"),
        ("label", "1"),
        ("alone", "2"),
    ]
    with pytest.raises(InputError, match="good is low, high, or a limit"):
        run.keep("Zeal", "", "better", zeal=4)
    assert run.numbers["zeal"] == 3


META = {
    "medlab": "0.1.0", "revision": "0123456789abcdef", "python": "3.11.9", "sample_data": True,
    "packages": {"numpy": "2.1.0", "nilearn": "not installed"}, "started": "2026-11-29 10:00",
}  # fmt: skip


def write(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return folder


@pytest.mark.slow
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


@pytest.mark.slow
def test_results_of_one_notebook_are_a_run(tmp_path):
    run = runs.begin(output_dir=str(tmp_path))
    run.check_range(k=(5, 2, 20))
    assert "Parameters: k = 5." in methods_text(tmp_path)


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_folder_of_anything_else_and_damaged_results_are_told(tmp_path):
    with pytest.raises(MissingError, match="no run and no job"):
        methods_text(tmp_path)
    write(tmp_path, "results.json", ["a list"])
    with pytest.raises(InputError, match="damaged"):
        methods_text(tmp_path)
