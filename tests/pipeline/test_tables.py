"""The commands for tables: anonymize and risk, from file to file."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from ward import make_ward

from medlab import tabular
from medlab.cli import commands
from medlab.errors import InputError, MissingError, UsageError
from medlab.pipeline.tables import federate_file, synthesize_file
from medlab.tabular.table_files import read_file

QI = "Age,Sex,Weight,StudyDate"


BINDING = {
    "k",
    "l",
    "t",
    "classes",
    "gcp",
    "c_avg",
    "discernibility",
    "prosecutor_max",
    "prosecutor_mean",
}


@pytest.fixture
def ward():
    return make_ward()


@pytest.fixture
def file(ward, tmp_path):
    path = tmp_path / "in.csv"
    ward.assign(Postcode="01234").to_csv(path, index=False)
    return path


def call(*arguments):
    return CliRunner().invoke(commands, [str(word) for word in arguments])


@pytest.mark.parametrize(
    "suffix", [".csv", pytest.param(".parquet", marks=pytest.mark.needs("scale"))]
)
def test_anonymize_writes_a_table_that_keeps_its_promises(file, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    done = call(
        *("anonymize", file, out, "--qi", QI, "--sensitive", "Diagnosis"),
        *("--k", 4, "--l", 2, "--t", 0.5, "--keep", "Modality", "--keep-order"),
    )
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert set(report) >= BINDING
    assert report["left_out"] == ["PatientID", "Postcode"]
    released = read_file(out).table
    quasi = QI.split(",")
    assert list(released) == ["Age", "Sex", "Weight", "StudyDate", "Modality", "Diagnosis"]
    released["PatientID"] = read_file(file).table["PatientID"]
    persons = {"subject": "PatientID"}
    assert tabular.k_anonymity(released, quasi, **persons) == report["k"] >= 4
    assert tabular.l_diversity(released, quasi, "Diagnosis", **persons) == report["l"] >= 2
    t = tabular.t_closeness(released, quasi, "Diagnosis", **persons)
    assert t == pytest.approx(report["t"])
    again = call("risk", out, "--qi", QI, "--sensitive", "Diagnosis", "--original", file)
    measured = json.loads(again.stdout)
    for name in BINDING - {"c_avg"}:
        assert measured[name] == pytest.approx(report[name]), name
    assert report["c_avg"] == pytest.approx(300 / report["classes"] / 4)
    assert measured["c_avg"] == pytest.approx(300 / report["classes"] / report["k"])


def test_risk_with_a_register_tells_journalist_and_marketer(file, ward, tmp_path):
    register = pd.concat([ward, ward], ignore_index=True)
    register.to_csv(tmp_path / "register.csv", index=False)
    done = call("risk", file, "--qi", QI, "--register", tmp_path / "register.csv")
    report = json.loads(done.stdout)
    assert report["prosecutor_max"] == 1
    assert report["journalist_max"] == 0.5
    assert report["marketer"] == pytest.approx(0.5)
    assert report["notes"] == [
        "PatientID repeats: persons are counted, not rows (--id names another column)"
    ]
    assert report["direct_identifiers"] == ["PatientID"]
    assert report["l"] is None


def test_id_counts_persons(file, tmp_path):
    arguments = ("anonymize", file, tmp_path / "out.csv", "--qi", "Age,Sex", "--k", 6)
    done = call(*arguments, "--id", "PatientID")
    assert json.loads(done.stdout)["k"] >= 6
    assert "PatientID" not in read_file(tmp_path / "out.csv").table


def test_an_existing_output_and_the_input_are_never_overwritten(file, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("mine")
    refused = call("anonymize", file, out, "--qi", "Age")
    assert refused.exit_code == 1
    assert out.read_text() == "mine"
    assert call("anonymize", file, out, "--qi", "Age", "--overwrite").exit_code == 0
    before = file.read_bytes()
    assert call("anonymize", file, file, "--qi", "Age", "--overwrite").exit_code == 1
    assert file.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_a_hierarchy_file_names_the_nodes(file, tmp_path):
    kinds = tmp_path / "kinds.csv"
    kinds.write_text("label,kind,all\nMR,m,*\nCT,rays,*\nUS,m,*\nPT,rays,*\nXA,rays,*\n")
    out = tmp_path / "out.csv"
    done = call(
        *("anonymize", file, out, "--qi", "Modality,Age", "--k", 30),
        *("--hierarchy", f"Modality={kinds}"),
    )
    assert done.exit_code == 0, done.output
    assert set(read_file(out).table["Modality"]) <= {
        "MR",
        "CT",
        "US",
        "PT",
        "XA",
        "m",
        "rays",
        "*",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--qi", "Age", "--k", "0"], 2, "k"),
        (["--qi", "Age", "--k", "301"], 1, "cannot make a class"),
        (["--qi", "Nose"], 1, "no column Nose"),
        (["--qi", "PatientID"], 1, "identifies people"),
        (["--qi", "Age", "--sensitive", "Diagnosis", "--l", "9"], 1, "largest feasible l is 6"),
        (["--qi", "Age", "--method", "magic"], 1, "no method"),
        (["--qi", "Age", "--hierarchy", "nothing"], 2, "COL=FILE"),
        ([], 2, "--qi"),
    ],
)
def test_bad_calls_end_with_one_sentence(file, tmp_path, arguments, code, words):
    done = call("anonymize", file, tmp_path / "out.csv", *arguments)
    assert done.exit_code == code
    assert words in done.output
    assert not (tmp_path / "out.csv").exists()


OPTIONS = {"rounds": 3, "local_steps": 1, "rate": 0.5, "l2": 0.01, "strategy": "fedavg", "mu": 0.1}


@pytest.fixture
def sites(tmp_path):
    table = pd.DataFrame({
        "site": ["b", "a"] * 6, "x": np.arange(12) / 10, "late": [0, 1, 1] * 4,
    })  # fmt: skip
    table.to_csv(tmp_path / "sites.csv", index=False)
    return tmp_path / "sites.csv"


def test_errors_are_of_the_kinds_that_python_knows(sites):
    with pytest.raises(KeyError) as missing:
        federate_file(sites, "site", "late", ["y"], **OPTIONS)
    assert isinstance(missing.value, MissingError)
    with pytest.raises(UsageError, match="each named once"):
        federate_file(sites, "site", "site", ["x"], **OPTIONS)
    with pytest.raises(InputError, match="no finite number"):
        federate_file(sites, "x", "late", ["site"], **OPTIONS)
    with pytest.raises(UsageError, match="does not exist"):
        federate_file(sites.with_name("none.csv"), "site", "late", ["x"], **OPTIONS)


@pytest.mark.needs("federated")
def test_without_a_budget_a_note_says_that_weights_may_tell(sites):
    report = federate_file(sites, "site", "late", ["x"], **OPTIONS)
    assert report["sites"] == [6, 6]
    assert "may tell who" in report["notes"][0]
    assert "auc_central" not in report


def test_without_flower_a_sentence_says_how_to_get_it(sites):
    lines = (
        "import sys; sys.modules['flwr'] = None; from medlab.cli import main; "
        f"sys.argv = ['medlab', 'federate', {str(sites)!r}, '--site', 'site', '--target', 'late', "
        "'--features', 'x']; main()"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert "Flower is not installed" in sentence
    assert "setup federated" in sentence


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        (None, UsageError, "the domain file does not exist; --draft-domain writes one"),
        (b"Sex: [F, \xff]", InputError, "the domain is no text in UTF-8"),
    ],
)
def test_a_domain_that_cannot_be_read_is_refused_and_nothing_written(
    tmp_path, content, error, sentence
):
    source, domain, target = (tmp_path / name for name in ("in.csv", "domain.yaml", "out.csv"))
    source.write_text("Age,Sex\n" + "".join(f"{20 + row},F\n" for row in range(30)))
    if content is not None:
        domain.write_bytes(content)
    with pytest.raises(error, match=sentence):
        synthesize_file(source, target, domain, "copula")
    assert not target.exists()
