"""Notebooks 03 and 05 on a table file of the reader's own."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from in_process import in_process

from medlab import runs
from medlab.cli import commands
from medlab.errors import InputError, MissingError

QUASI = 'Alter,"Size, cm",Sex'


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    rows = 240
    path = tmp_path / "own.csv"
    pd.DataFrame(
        {
            "Case": [f"c{i // 2}" for i in range(rows)],
            "Alter": rng.integers(18, 95, rows),
            "Size, cm": rng.normal(170, 9, rows).round(1),
            "Sex": rng.choice(["m", "f"], rows),
            "ICD": rng.choice(["250.1", "250.10", "401.9", "G40.2"], rows),
        }
    ).to_csv(path, index=False)
    return path


def test_rows_and_roles_come_from_the_table(table, tmp_path):
    run = runs.begin(str(table), tables=True)
    people, quasi, sensitive = run.people(None, QUASI, "ICD", "Case")
    assert quasi == ["Alter", "Size, cm", "Sex"]
    assert sensitive == "ICD"
    assert people["PatientID"].nunique() == 120
    assert not run.is_sample
    with pytest.raises(MissingError, match="no column Nose"):
        run.people(None, "Nose", "ICD", "")
    short = tmp_path / "short.csv"
    short.write_text("".join(table.read_text().splitlines(keepends=True)[:50]))
    with pytest.raises(InputError, match="49 complete rows are too few"):
        runs.begin(str(short), tables=True).people(None, QUASI, "ICD", "")


def test_notebook_03_runs_on_it(table, tmp_path):
    asked = ["run", "03", "--data", str(table), "--output", str(tmp_path / "out"), "-p", "l", "2"]
    asked += ["-p", "quasi", QUASI, "-p", "sensitive", "ICD", "-p", "subject", "Case"]
    done = CliRunner().invoke(commands, asked)
    assert done.exit_code == 0, done.output
    (notebook,) = (tmp_path / "out").glob("0*.ipynb")
    kept = json.loads((tmp_path / "out" / notebook.stem / "results.json").read_text())
    assert not kept["sample_data"]
    assert not re.search(r"\bc1[0-9]{2}\b", notebook.read_text())


def test_notebook_05_attacks_it(table):
    (notebook,) = runs.find_notebooks(["05"])
    names = in_process(
        *(notebook, 6),
        data_dir=str(table),
        quasi=QUASI,
        sensitive="ICD",
        subject="Case",
        seeds=1,
        jobs=1,
        methods="identity,Mondrian k",
    )
    assert names["secret"] == "ICD"
    assert names["quasi"] == ["Alter", "Size, cm", "Sex"]
    assert len(names["first"].released) == 60
    linkage = names["rows"].set_index(["measure", "method"])["value"]["linkage"]
    assert linkage["identity"] > 0.9


def test_a_notebook_without_tables_says_so_before_anything_starts(table, tmp_path):
    asked = ["run", "01", "--data", str(table), "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(commands, asked)
    assert done.exit_code == 2
    assert "01_tag_inspection reads no table" in done.output
