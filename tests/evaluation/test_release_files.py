"""Releases in files, attacked from the command line."""

import json

import pytest
from click.testing import CliRunner
from evaluation_cases import FIVE_FACTS

from medlab.cli import commands


def test_the_command_line_attacks_a_csv_file(tables, tmp_path):
    paths = {}
    for name, table in tables._asdict().items():
        paths[name] = tmp_path / f"{name}.csv"
        table.to_csv(paths[name], index=False)
    out, qi = tmp_path / "out.csv", ",".join(FIVE_FACTS)
    runner = CliRunner()
    made = ["anonymize", str(paths["released"]), str(out), "--qi", qi, "--k", "5"]
    assert runner.invoke(commands, [*made, "--sensitive", "Diagnosis"]).exit_code == 0
    asked = ["evaluate", str(paths["released"]), str(out), "--qi", qi, "--sensitive", "Diagnosis"]
    asked += ["--control", str(paths["control"]), "--register", str(paths["register"])]
    result = runner.invoke(commands, asked)
    assert result.exit_code == 0, result.output
    found = {row["measure"]: row for row in json.loads(result.stdout)["rows"]}
    assert found["k"]["value"] >= 5
    assert found["linkage"]["value"] == pytest.approx(found["prosecutor mean"]["value"])
    assert found["journalist mean"]["value"] <= found["prosecutor mean"]["value"]
    assert found["linkage"]["low"] < found["linkage"]["value"] < found["linkage"]["high"]


def test_a_table_that_does_not_exist_is_bad_usage(tmp_path):
    asked = ["evaluate", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--qi", "Age"]
    assert CliRunner().invoke(commands, asked).exit_code == 2
