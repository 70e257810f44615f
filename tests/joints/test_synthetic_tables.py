"""medlab synthesize from outside: what comes out, what is refused, what nothing may depend on."""

import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from medlab import evaluation, samples
from medlab.cli import commands
from medlab.methods.catalogue import METHODS, ON_MAP, Point, usual_points

DOMAIN = """
Sex: [F, M]
Age: {bounds: [18, 98], bins: 10}
Weight: {bounds: [30.0, 150.0], bins: 12}
Modality: [CT, MR, US, DX, MG, NM]
"""
COLUMNS = ["Sex", "Age", "Weight", "Modality"]


@pytest.fixture
def folder(tmp_path):
    tables = samples.cohort(400, 3)
    tables.released.to_csv(tmp_path / "in.csv", index=False)
    tables.control.to_csv(tmp_path / "control.csv", index=False)
    (tmp_path / "domain.yaml").write_text(DOMAIN)
    return tmp_path


def run(folder, *words, name="in.csv", code=0):
    paths = [str(folder / word) if word.endswith((".csv", ".yaml")) else word for word in words]
    done = CliRunner().invoke(commands, ["synthesize", str(folder / name), *paths])
    assert done.exit_code == code, done.output
    if code:
        assert not done.stdout
        assert done.stderr.startswith("medlab: ") or code == 2
    return json.loads(done.stdout) if done.stdout else done.stderr


def made(folder, *words, name="out.csv", **more):
    report = run(folder, name, "--domain", "domain.yaml", *words, **more)
    return pd.read_csv(folder / name), report


@pytest.mark.parametrize("method", ["tree", "copula", "independent"])
def test_the_output_is_the_domain_and_nothing_else(method, folder):
    table, report = made(folder, "--method", method)
    rows = len(pd.read_csv(folder / "in.csv"))
    assert list(table) == report["columns"] == COLUMNS
    assert len(table) == report["rows"] == rows
    assert not table.isna().any().any()
    assert set(table["Sex"]) <= {"F", "M"}
    assert table["Age"].dtype == np.int64
    assert table["Age"].between(18, 98).all()
    assert table["Weight"].dtype == np.float64
    assert table["Weight"].between(30, 150).all()
    assert report["epsilon"] is report["delta"] is report["rho"] is None
    assert "no guarantee" in report["note"]
    assert "PatientID" in report["notes"][0]


@pytest.mark.parametrize("method", ["tree", "copula", "independent"])
def test_without_epsilon_the_same_seed_gives_the_same_bytes(method, folder):
    for name, seed in (("a.csv", "5"), ("b.csv", "5"), ("c.csv", "6")):
        words = ("--method", method, "--seed", seed, "--id", "PatientID", "--rows", "300")
        made(folder, *words, name=name)
    first, again, other = ((folder / f"{name}.csv").read_bytes() for name in "abc")
    assert first == again != other


@pytest.mark.needs("dp")
@pytest.mark.parametrize("method", ["tree", "independent"])
def test_with_epsilon_two_runs_differ_and_the_report_has_the_guarantee(method, folder):
    words = ("--method", method, "--epsilon", "1", "--rows", "300")
    report = made(folder, *words)[1]
    made(folder, *words, name="again.csv")
    assert (folder / "out.csv").read_bytes() != (folder / "again.csv").read_bytes()
    assert report["epsilon"] == 1
    assert report["delta"] == (1e-9 if method == "tree" else 0)
    assert report["rho"] == (pytest.approx(0.01178, abs=1e-5) if method == "tree" else None)
    assert "note" not in report
    assert any("each row is taken for a patient" in note for note in report["notes"])


@pytest.mark.needs("dp")
def test_with_epsilon_nothing_told_depends_on_what_lies_outside_the_domain(folder):
    """Rows without a cell, with other categories, beyond the bounds: the report is the same."""
    table = pd.read_csv(folder / "in.csv", dtype=str)
    odd = table.copy()
    odd.loc[:50, "Sex"] = "O"
    odd.loc[51:90, "Age"] = None
    odd.loc[91:120, "Weight"] = "1e12"
    odd.loc[121:130, "Age"] = "ninety"
    odd.to_csv(folder / "odd.csv", index=False)
    words = ("--epsilon", "1", "--id", "PatientID", "--rows", "50")
    assert made(folder, *words)[1] == made(folder, *words, name="o.csv")[1]
    report = run(folder, "odd-out.csv", "--domain", "domain.yaml", *words, name="odd.csv")
    assert report == made(folder, *words, name="p.csv")[1]
    nobody = table.assign(Sex="O")
    nobody.to_csv(folder / "nobody.csv", index=False)
    run(folder, "n.csv", "--domain", "domain.yaml", *words, name="nobody.csv")
    assert len(pd.read_csv(folder / "n.csv")) == 50


@pytest.mark.needs("dp")
def test_one_patient_of_many_rows_counts_once(folder):
    """500 rows of one patient and 200 of others: about 201 rows come out, not 700."""
    crowd = pd.DataFrame({"PatientID": ["X"] * 500 + [f"P{i}" for i in range(200)], "Sex": "F"})
    crowd.to_csv(folder / "crowd.csv", index=False)
    (folder / "sex.yaml").write_text("Sex: [F, M]")
    words = ("--domain", "sex.yaml", "--id", "PatientID", "--epsilon", "8")
    report = run(folder, "out.csv", *words, name="crowd.csv")
    assert abs(report["rows"] - 201) < 60


@pytest.mark.parametrize(
    "words",
    [
        ("--epsilon", "1"),
        ("--epsilon", "1", "--domain", "domain.yaml", "--seed", "1"),
        ("--epsilon", "1", "--domain", "domain.yaml", "--method", "copula"),
        ("--epsilon", "1", "--domain", "domain.yaml", "--method", "mst"),
        ("--epsilon", "one", "--domain", "domain.yaml"),
        ("--delta", "1e-9"),
        ("--budget", "1"),
        ("--domain", "nothing.yaml"),
        ("--draft-domain", "new.yaml"),
        ("--rows", "0"),
    ],
)
def test_what_makes_no_sense_together_ends_with_2_and_writes_nothing(words, folder):
    before = sorted(folder.iterdir())
    run(folder, "out.csv", *words, code=2)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("epsilon", ["0", "-1", "inf", "nan", "1e308"])
def test_an_epsilon_that_promises_nothing_is_refused(epsilon, folder):
    made_nothing(folder, "--epsilon", epsilon)


@pytest.mark.parametrize("delta", ["0", ".001", "1", "-1", "nan"])
def test_a_delta_that_is_none_or_too_large_is_refused(delta, folder):
    made_nothing(folder, "--epsilon", "1", "--delta", delta)


def made_nothing(folder, *words, domain="domain.yaml", name="in.csv"):
    before = sorted(folder.iterdir())
    said = run(folder, "out.csv", "--domain", domain, *words, name=name, code=1)
    assert sorted(folder.iterdir()) == before
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("PatientID: [a]", "identifies people directly"),
        ("Answer: [yes, no]", "quote it"),
        ("Sex: [F, M, F]", "twice"),
        ("Color: [red]", "no column Color"),
        ("Age: {bounds: [90, 18], bins: 3}", "ascend"),
        (
            "Age: {bounds: [0, 9999], bins: 1000}\nWeight: {bounds: [0, 9999], bins: 1000}",
            "1000000",
        ),
    ],
)
def test_a_domain_that_cannot_be_meant_is_refused(text, reason, folder):
    (folder / "odd.yaml").write_text(text)
    assert reason in made_nothing(folder, domain="odd.yaml")


def test_an_empty_table_and_one_outside_the_domain_are_refused_without_epsilon(folder):
    (folder / "empty.csv").write_text("Sex,Age,Weight,Modality\n")
    assert "no rows" in made_nothing(folder, name="empty.csv")
    assert "no rows" in made_nothing(folder, "--epsilon", "1", name="empty.csv")
    (folder / "other.csv").write_text("Sex,Age,Weight,Modality\nSECRET,5,5,CT\n")
    said = made_nothing(folder, name="other.csv")
    assert "no row lies in the domain" in said
    assert "SECRET" not in said


@pytest.mark.parametrize("method", ["tree", "copula", "independent"])
def test_patients_who_are_all_alike_come_out_alike(method, folder):
    (folder / "alike.csv").write_text("Sex,Age,Dose\n" + "F,40,7.0\n" * 30)
    run(folder, "out.csv", "--method", method, name="alike.csv")
    table = pd.read_csv(folder / "out.csv")
    assert table.drop_duplicates().to_dict("records") == [{"Sex": "F", "Age": 40, "Dose": 7}]
    assert len(table) == 30


def test_the_column_of_the_patient_is_no_column_of_the_output(folder):
    said = made_nothing(folder, "--id", "Sex")
    assert "Sex" in said


def test_an_existing_output_is_kept_and_the_domain_is_never_written_over(folder):
    made(folder)
    kept = (folder / "out.csv").read_bytes()
    run(folder, "out.csv", "--domain", "domain.yaml", code=1)
    assert (folder / "out.csv").read_bytes() == kept
    run(folder, "out.csv", "--domain", "domain.yaml", "--overwrite", "--seed", "2")
    assert (folder / "out.csv").read_bytes() != kept
    for target in ("domain.yaml", "in.csv"):
        run(folder, target, "--domain", "domain.yaml", "--overwrite", code=1)
    assert (folder / "domain.yaml").read_text() == DOMAIN


def test_a_draft_is_for_its_owner_and_a_domain_as_it_stands(folder):
    done = CliRunner().invoke(
        commands,
        ["synthesize", str(folder / "in.csv"), "--draft-domain", str(folder / "d.yaml")],
    )
    assert done.exit_code == 0, done.output
    text = (folder / "d.yaml").read_text()
    assert "read off the data" in text.splitlines()[0].lower()
    assert "public knowledge" in text.splitlines()[0]
    assert "PatientID" not in text
    assert (folder / "d.yaml").stat().st_mode & 0o777 == 0o600
    report = run(folder, "out.csv", "--domain", "d.yaml", "--method", "copula")
    read_off = run(folder, "other.csv", "--method", "copula")
    assert report["columns"] == read_off["columns"]
    run(folder, "--draft-domain", "d.yaml", code=1)


def test_named_missing_cells_come_out_as_missing_cells(folder):
    (folder / "gaps.csv").write_text("Sex,Age\n" + "F,30\n,40\n" * 20)
    (folder / "gaps.yaml").write_text("Sex: [F, M, '']\nAge: {bounds: [20, 50], bins: 3}")
    run(folder, "out.csv", "--domain", "gaps.yaml", name="gaps.csv")
    assert Counter(pd.read_csv(folder / "out.csv")["Sex"].isna()) == {True: 20, False: 20}


@pytest.mark.needs("dp")
def test_a_ledger_remembers_and_refuses_before_anything_is_written(folder):
    words = ("--epsilon", ".6", "--ledger", str(folder / "ledger"))
    made(folder, *words, "--budget", "1")
    said = run(folder, "second.csv", "--domain", "domain.yaml", *words, code=1)
    assert "left" in said
    assert not (folder / "second.csv").exists()
    run(folder, "no.csv", "--domain", "domain.yaml", "--ledger", str(folder / "ledger"), code=2)
    run(folder, "last.csv", "--domain", "domain.yaml", *words[2:], "--epsilon", ".4")


def evaluated(folder, *words, code=0):
    command = ["evaluate", str(folder / "in.csv"), str(folder / "out.csv")]
    command += ["--qi", "Sex,Age,Weight,Modality", "--kind", "synthetic"]
    done = CliRunner().invoke(commands, [*command, *words])
    assert done.exit_code == code, done.output
    if code:
        return done.stderr
    rows = {row["measure"]: row["value"] for row in json.loads(done.stdout)["rows"]}
    return rows["membership AUC"]


def test_the_positive_control_finds_the_copies_and_more_of_them_better(folder):
    made(folder, "--method", "copula", "--seed", "1")
    control = ("--control", str(folder / "control.csv"))
    found = [evaluated(folder, *control)]
    found += [evaluated(folder, *control, "--copies", share) for share in (".1", ".3", "1")]
    assert found == sorted(found)
    assert found[0] < 0.58
    assert found[-1] == pytest.approx(1, abs=0.05)


def test_copies_of_a_release_that_is_not_synthetic_are_refused(folder):
    made(folder, "--method", "copula", "--seed", "1")
    assert "synthetic" in evaluated(folder, "--kind", "generalized", "--copies", ".3", code=2)
    evaluated(folder, "--copies", "0", code=2)
    evaluated(folder, "--copies", "1.5", code=2)


def test_tree_and_copula_are_points_of_the_map_and_not_of_the_usual_one():
    quasi = ["Age", "Sex", "Weight", "Postcode"]
    assert "copula" in METHODS
    assert "copula" in ON_MAP
    usual = {point.method for point in usual_points(quasi)}
    assert usual.isdisjoint({"tree", "copula"})
    assert [point.method for point in usual_points(quasi, "copula")] == ["copula"]
    tables, facts = {1: samples.cohort(120, 1)}, [*quasi, "StudyDate"]
    rows = evaluation.grid(tables, [Point("copula")], facts, "Diagnosis", progress=False)
    auc = rows.loc[rows["measure"] == "membership AUC", "value"].item()
    assert 0.3 < float(auc) < 0.7
    assert not (rows["measure"] == "refused").any()


@pytest.mark.needs("dp")
def test_the_tree_is_a_point_of_the_map_where_the_extra_is_there():
    quasi = ["Age", "Sex", "Weight"]
    tables = {1: samples.cohort(120, 1)}
    rows = evaluation.grid(tables, [Point("tree", 1)], quasi, "Diagnosis", progress=False)
    assert not (rows["measure"] == "refused").any()


def test_without_the_extra_the_tree_is_no_entry_and_exact_counts_still_work(folder):
    """A process of its own in which opendp cannot be found."""
    code = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name == 'opendp' else find(name)\n"
        "sys.modules['opendp'] = None\n"
        "from medlab.methods.catalogue import METHODS\n"
        "assert 'tree' not in METHODS and 'copula' in METHODS\n"
        "from medlab.cli import main\n"
        "main()\n"
    )
    words = ["--domain", str(folder / "domain.yaml")]
    for name, more, status in (("a.csv", [], 0), ("b.csv", ["--epsilon", "1"], 1)):
        command = ["synthesize", str(folder / "in.csv"), str(folder / name), *words, *more]
        done = subprocess.run(
            [sys.executable, "-c", code, *command],
            capture_output=True,
            text=True,
            env=os.environ,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert (folder / name).exists() is not bool(status)
    assert "setup dp" in done.stderr
