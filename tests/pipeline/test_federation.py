"""A table of sites in Python: what is raised, and what is said where Flower is missing."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from medlab.errors import InputError, MissingError, UsageError
from medlab.pipeline.federation import federate_file

OPTIONS = {"rounds": 3, "local_steps": 1, "rate": 0.5, "l2": 0.01, "strategy": "fedavg", "mu": 0.1}


@pytest.fixture
def ward(tmp_path):
    table = pd.DataFrame({
        "site": ["b", "a"] * 6, "x": np.arange(12) / 10, "late": [0, 1, 1] * 4,
    })  # fmt: skip
    table.to_csv(tmp_path / "ward.csv", index=False)
    return tmp_path / "ward.csv"


def test_errors_are_of_the_kinds_that_python_knows(ward):
    with pytest.raises(KeyError) as missing:
        federate_file(ward, "site", "late", ["y"], **OPTIONS)
    assert isinstance(missing.value, MissingError)
    with pytest.raises(UsageError, match="each named once"):
        federate_file(ward, "site", "site", ["x"], **OPTIONS)
    with pytest.raises(InputError, match="no finite number"):
        federate_file(ward, "x", "late", ["site"], **OPTIONS)
    with pytest.raises(UsageError, match="does not exist"):
        federate_file(ward.with_name("none.csv"), "site", "late", ["x"], **OPTIONS)


@pytest.mark.needs("federated")
def test_without_a_budget_a_note_says_that_weights_may_tell(ward):
    report = federate_file(ward, "site", "late", ["x"], **OPTIONS)
    assert report["sites"] == [6, 6]
    assert "may tell who" in report["notes"][0]
    assert "auc_central" not in report


def test_without_flower_a_sentence_says_how_to_get_it(ward):
    lines = (
        "import sys; sys.modules['flwr'] = None; from medlab.cli import main; "
        f"sys.argv = ['medlab', 'federate', {str(ward)!r}, '--site', 'site', '--target', 'late', "
        "'--features', 'x']; main()"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert "Flower is not installed" in sentence
    assert "setup federated" in sentence
