"""Every notebook, executed on the sample data."""

import json
import re

import pytest

from medlab import runs, samples

pytestmark = pytest.mark.slow
NOTEBOOKS = runs.find_notebooks()
CORE = ["01", "02", "03", "04", "05"]
# README's first command runs 05, by far the longest, as it stands.
SMALL = {"patients": "150", "seeds": "2", "heads": "4"}


def jobs_of(*numbers):
    """One job a notebook, in their order; 05 on a small cohort."""
    chosen = [path for path in NOTEBOOKS if path.name[:2] in numbers]
    return [
        job
        for path in chosen
        for job in runs.plan_jobs([path], SMALL if path.name.startswith("05") else {})
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, runs.run(jobs_of(*[path.name[:2] for path in NOTEBOOKS]), folder / "out")


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
    numbers = ("02", "03", "05")
    first = [outcome for outcome in finished[1] if outcome.job.name[:2] in numbers]
    second = runs.run(jobs_of(*numbers), tmp_path / "out")
    assert [outcome.failure for outcome in second] == [None] * len(numbers)
    assert [outcome.numbers for outcome in second] == [outcome.numbers for outcome in first]
    assert all(outcome.numbers for outcome in second)
