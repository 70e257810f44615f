"""Noisy answers and synthetic tables are paid from one budget, seen from outside."""

import json

import pytest
from click.testing import CliRunner

from medlab import samples
from medlab.cli import commands

pytestmark = pytest.mark.needs("dp")


@pytest.fixture
def place(tmp_path):
    samples.cohort(300).released.to_csv(tmp_path / "cohort.csv", index=False)
    (tmp_path / "domain.yaml").write_text("Sex: [F, M]\nAge: {bounds: [18, 90], bins: 6}\n")
    return tmp_path


def pay(place, verb, epsilon, *words):
    paid = ["--id", "PatientID", "--epsilon", epsilon, "--ledger", str(place / "ledger")]
    return CliRunner().invoke(
        commands, [verb, str(place / "cohort.csv"), *words, *paid], env={"MEDLAB_KEY_FILE": ""}
    )


def ask(place, epsilon):
    return pay(place, "dp", epsilon, "--query", "count", "--budget", "1")


def synthesize(place, epsilon):
    domain = str(place / "domain.yaml")
    return pay(place, "synthesize", epsilon, str(place / "out.csv"), "--domain", domain)


def test_answers_and_synthetic_tables_are_paid_from_one_budget(place):
    assert json.loads(ask(place, "0.4").stdout)["left"] == 0.6
    assert synthesize(place, "0.5").exit_code == 0
    assert (place / "out.csv").exists()
    (place / "out.csv").unlink()
    assert "0.1 of 1 is left" in synthesize(place, "0.5").stderr
    assert not (place / "out.csv").exists()
    refusal = ask(place, "0.2")
    assert refusal.exit_code == 1
    assert not refusal.stdout
    assert "0.1 of 1 is left" in refusal.stderr
    assert json.loads(ask(place, "0.1").stdout)["left"] == 0
