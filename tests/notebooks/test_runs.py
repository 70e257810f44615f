"""Every notebook, executed on the sample data."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec

import nbformat
import pytest

from medlab import runs, samples

pytestmark = pytest.mark.slow
NOTEBOOKS = runs.find_notebooks()
CORE = ["01", "02", "03", "04", "05"]
# README's first command runs all as they stand. Here 02, 04 and 06 stand at the ends of their
# parameters, others draw, try or hold less, and 05, by far the longest, has a small cohort.
PARAMETERS = {
    "02": {"digits": "3"},
    "04": {"f": "0", "g": "-1"},
    "05": {"patients": "150", "seeds": "1", "heads": "2", "jobs": "1"},
    "06": {"counts": "5", "numbers": "2"},
    "07": {"digits": "4"},
    "09": {"draws": "400"},
    "10": {"patients": "600"},
    "12": {"rows": "200"},
}


def jobs_of(*numbers):
    """One job a notebook, in their order."""
    return [
        job
        for path in NOTEBOOKS
        if path.name[:2] in numbers
        for job in runs.plan_jobs([path], PARAMETERS.get(path.name[:2], {}))
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, runs.run(jobs_of(*[path.name[:2] for path in NOTEBOOKS]), folder / "out")


def outputs_in(folder, but: str = "") -> str:
    """All text a run has left, pictures cut out; but for notebooks' sources and pages of `but`."""
    kinds = {".ipynb", ".html", ".json", ".csv", ".txt", ".log"}
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in kinds]
    files = [path for path in files if path.stem != but]
    texts = [path.name + "\n" + path.read_text(encoding="utf-8") for path in files]
    return re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", "\n".join(texts))


def test_the_five_core_notebooks_stand():
    assert [path.name[:2] for path in NOTEBOOKS][:5] == CORE


def test_every_notebook_runs_on_the_sample_data_and_holds_its_checks(finished):
    failures = [(o.job.name, o.failure) for o in finished[1] if o.failure]
    assert failures == []
    assert all(outcome.numbers for outcome in finished[1])
    drawn = {outcome.job.notebook.name[:2] for outcome in finished[1] if outcome.figures}
    needs = {"09": "opendp", "11": "flwr"}  # what their figures show is made by an extra
    left_out = {number for number, package in needs.items() if find_spec(package) is None}
    assert {path.name[:2] for path in NOTEBOOKS} - drawn <= left_out


def test_every_figure_of_the_report_has_a_text_alternative(finished):
    index = (finished[0] / "out" / "index.html").read_text()
    alternatives = re.findall(r"<img[^>]* alt=\"([^\"]*)\"", index)
    assert len(alternatives) == index.count("<img")
    assert min(map(len, alternatives)) >= 15


def planted_in(text: str) -> list[str]:
    """Return the fictitious people's values that stand in a text and in no notebook's source."""
    planted = {
        item["value"]
        for item in json.loads((samples.default_folder() / "truth.json").read_text())["planted"]
    }
    assert len(planted) > 20
    written = "".join(path.read_text("utf-8") for path in NOTEBOOKS)  # a domain lists hospitals
    planted = {value for value in planted if len(value) >= 4 and value not in written}
    return [value for value in planted if value in text]


def test_no_planted_identifier_is_in_anything_a_run_leaves(finished):
    """Notebook 02 alone, and its page, shows values of the sample's fictitious people."""
    out = finished[0] / "out"
    left = planted_in(outputs_in(out, but="02_anonymization_methods"))
    assert len(left) == 0, f"{len(left)} planted identifiers are in the outputs"


def test_notebook_02_shows_the_values_of_the_sample_and_masks_those_of_a_folder(
    finished, tmp_path
):
    (path,) = (path for path in NOTEBOOKS if path.name.startswith("02"))
    assert len(planted_in((finished[0] / "out" / path.name).read_text("utf-8"))) > 2
    (outcome,) = runs.run(jobs_of("02"), tmp_path / "out", data=samples.default_folder())
    assert outcome.failure is None
    left = planted_in(outputs_in(tmp_path / "out"))
    assert len(left) == 0, f"{len(left)} planted identifiers are in the outputs"


def texts_in(path):
    """What cells have answered in words; no address of an object, no control."""
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    answers = [output.get("data", {}) for cell in cells for output in cell.outputs]
    texts = [answer.get("text/plain", "") for answer in answers]
    return [text for text in texts if not re.search("at 0x|widget", text)]


def test_plain_papermill_from_any_folder_writes_nothing_else_and_tells_the_same(
    finished, tmp_path
):
    (notebook,) = (path for path in NOTEBOOKS if path.name.startswith("03"))
    command = [sys.executable, "-m", "papermill", str(notebook), "out.ipynb", "-p", "k", "5"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]
    told = texts_in(tmp_path / "out.ipynb")
    assert sum(map(len, told)) > 2000
    assert told == texts_in(finished[0] / "out" / notebook.name)
