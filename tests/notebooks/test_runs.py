"""Every notebook, executed: on the sample data, and on a folder of one's own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from medlab import runs, samples

pytestmark = pytest.mark.slow
NOTEBOOKS = runs.find_notebooks()
CORE = ["01", "02", "03", "04", "05"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, runs.run(runs.plan_jobs(NOTEBOOKS), folder / "out")


def outputs_in(folder) -> str:
    """All text a run has left, pictures cut out, the notebooks' own sources left aside."""
    kinds = {".ipynb", ".html", ".json", ".csv", ".txt", ".log"}
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in kinds]
    texts = [path.name + "\n" + path.read_text(encoding="utf-8") for path in files]
    return re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", "\n".join(texts))


def test_the_five_core_notebooks_stand():
    assert [path.name[:2] for path in NOTEBOOKS][:5] == CORE


def test_every_notebook_runs_on_the_sample_data(finished):
    failures = [(o.job.name, o.failure) for o in finished[1] if o.failure]
    assert failures == []
    assert all(outcome.figures and outcome.numbers for outcome in finished[1])


def test_every_figure_of_the_report_has_a_text_alternative(finished):
    index = (finished[0] / "out" / "index.html").read_text()
    alternatives = re.findall(r"<img[^>]* alt=\"([^\"]*)\"", index)
    assert len(alternatives) == index.count("<img")
    assert min(map(len, alternatives)) >= 15


def test_no_planted_identifier_is_in_anything_a_run_leaves(finished):
    truth = json.loads((samples.default_folder() / "truth.json").read_text())
    planted = {item["value"] for item in truth["planted"]} if "planted" in truth else set()
    assert len(planted) > 20
    text = outputs_in(finished[0] / "out")
    left = [value for value in planted if len(value) >= 4 and value in text]
    assert len(left) == 0, f"{len(left)} planted identifiers are in the outputs"


def test_the_same_seed_gives_the_same_numbers(finished, tmp_path):
    """02 and 03 once more; 05, the longest, twice on a small cohort."""
    first = [outcome for outcome in finished[1] if outcome.job.name[:2] in ("02", "03")]
    small = runs.plan_jobs([NOTEBOOKS[4]], {"seeds": "2"}, {"patients": ["150", "150"]})
    jobs = [*runs.plan_jobs([outcome.job.notebook for outcome in first]), *small]
    *again, one, other = runs.run(jobs, tmp_path / "out")
    assert [outcome.numbers for outcome in again] == [outcome.numbers for outcome in first]
    assert one.failure is other.failure is None
    assert one.numbers == other.numbers
    assert one.numbers


def test_a_notebook_holds_its_checks_at_the_ends_of_its_parameters(tmp_path):
    ends = [(0, {"files": "1"}), (3, {"f": "0"}), (3, {"g": "-1"}), (5, {"counts": "5"})]
    jobs = [job for at, values in ends for job in runs.plan_jobs([NOTEBOOKS[at]], values)]
    outcomes = runs.run(jobs, tmp_path / "out")
    assert [outcome.failure for outcome in outcomes] == [None] * len(ends)


def test_a_head_that_is_not_there_is_refused_with_how_many_there_are(tmp_path):
    (outcome,) = runs.run(runs.plan_jobs([NOTEBOOKS[3]], {"head": "99"}), tmp_path / "out")
    assert "head = 99 is out of range; give 1 to 3" in str(outcome.failure)


def test_the_notebooks_read_a_folder_of_ones_own(tmp_path):
    folder = tmp_path / "my studies ü"
    folder.mkdir()
    for name in ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm"):
        shutil.copy(get_testdata_file(name), folder)
    head = samples.default_folder() / "heads" / "head-02" / "t1.nii.gz"
    shutil.copy(head, folder / "scan.nii.gz")
    mine = [path for path in NOTEBOOKS if path.name[:2] in ("01", "02", "04")]
    outcomes = runs.run(runs.plan_jobs(mine), tmp_path / "out", data=folder)
    assert [(o.job.name, o.failure) for o in outcomes if o.failure] == []
    assert Path(tmp_path / "out" / "index.html").is_file()


def test_plain_papermill_runs_a_notebook_from_any_folder_and_writes_nothing_else(tmp_path):
    notebook = NOTEBOOKS[2]
    command = [sys.executable, "-m", "papermill", str(notebook), "out.ipynb", "-p", "k", "10"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]


def test_papermill_shows_the_parameters_of_a_notebook():
    command = [sys.executable, "-m", "papermill", "--help-notebook", str(NOTEBOOKS[2])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "k: int (default 5)" in done.stdout
    assert "Unknown" not in done.stdout
