"""`medlab dp` from outside: what is printed, what is spent, what a refusal leaves."""

import json

import pytest
from click.testing import CliRunner

from medlab import samples
from medlab.cli import commands
from medlab.crypto import write_key

pytestmark = pytest.mark.needs("dp")


@pytest.fixture(scope="module")
def cohort():
    return samples.cohort(300).released


@pytest.fixture
def place(tmp_path, cohort):
    cohort.to_csv(tmp_path / "cohort.csv", index=False)
    return tmp_path


def ask(place, *queries, epsilon="0.5", subject="PatientID", more=("--budget", "1"), **env):
    words = [word for query in queries for word in ("--query", query)]
    words += ["--id", subject, "--epsilon", epsilon, "--ledger", str(place / "ledger"), *more]
    return CliRunner().invoke(
        commands, ["dp", str(place / "cohort.csv"), *words], env={"MEDLAB_KEY_FILE": ""} | env
    )


def refused(result, code=1):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.strip().splitlines()
    assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit)
    return result.stderr


def test_all_kinds_share_what_the_call_costs(place, cohort):
    queries = ["count", "histogram:Sex=F,M", "total:Age=18,90", "mean:Age=18,90"]
    queries += ["quantile:Age=.5,18,90,1"]
    result = ask(place, *queries, epsilon="1e6", more=["--budget", "1e6"])
    report = json.loads(result.stdout)
    assert set(report) == {"epsilon", "spent", "left", "answers"}
    assert (report["epsilon"], report["spent"], report["left"]) == (1e6, 1e6, 0)
    assert [answer["query"] for answer in report["answers"]] == queries
    assert all(answer["epsilon"] == 2e5 for answer in report["answers"])
    keys = {"query", "value", "scale", "error", "epsilon"}
    assert all(set(answer) == keys for answer in report["answers"])
    patients = cohort.drop_duplicates(
        "PatientID"
    )  # age and sex are the same in all of a patient's
    count, sexes, total, mean, median = (answer["value"] for answer in report["answers"])
    assert count == len(patients)
    assert sexes == patients["Sex"].value_counts().loc[["F", "M"]].to_dict()
    assert total == pytest.approx(patients["Age"].clip(18, 90).sum(), abs=0.1)
    assert mean == pytest.approx(patients["Age"].clip(18, 90).mean(), abs=0.01)
    assert abs(median - patients["Age"].median()) <= 1


def test_the_budget_is_spent_over_calls_and_then_nothing_is_printed(place):
    for left in (0.6, 0.2):
        report = json.loads(ask(place, "count", epsilon="0.4").stdout)
        assert report["left"] == left
    before = (place / "ledger").read_bytes()
    assert "0.2 of 1 is left" in refused(ask(place, "count", epsilon="0.4"))
    assert (place / "ledger").read_bytes() == before
    last = json.loads(ask(place, "count", epsilon="0.2", more=[]).stdout)
    assert (last["spent"], last["left"]) == (1.0, 0.0)
    assert "MRN" not in (place / "ledger").read_text()


def test_another_budget_table_or_key_is_refused(place):
    write_key(place / "key")
    assert ask(place, "count", MEDLAB_KEY_FILE=str(place / "key")).exit_code == 0
    assert not (place / "ledger.key").exists()
    with_key = ("--key-file", str(place / "key"))
    assert "budget" in refused(ask(place, "count", more=["--budget", "2", *with_key]))
    refused(ask(place, "count", more=[]))
    with (place / "cohort.csv").open("a") as file:
        file.write("\n")
    assert "another table" in refused(ask(place, "count", more=with_key))


@pytest.mark.parametrize(
    "query",
    ["", "counts", "count:Age", "histogram", "histogram:Sex", "total:Age=18", "mean:=18,90",
     "mean:Age=low,high", "quantile:Age=.5,18,90", "quantile:Age=.5,18,90,0",
     "quantile:Age=.5,90,18,1", "quantile:Age=.5,0,1,1e-9", "quantile:Age=.5,nan,1,1"],
)  # fmt: skip
def test_a_query_that_cannot_be_read_is_bad_usage(place, query):
    refused(ask(place, query), 2)
    assert [path.name for path in place.iterdir()] == ["cohort.csv"]


@pytest.mark.parametrize(
    ("query", "more"),
    [
        ("mean:Gone=1,2", {}),
        ("mean:Age=90,18", {}),
        ("mean:PatientName=18,90", {}),
        ("histogram:Sex=F,F", {}),
        ("count", {"subject": "Gone"}),
        ("count", {"more": ["--budget", "1", "--key-file", "not-there"]}),
        ("count", {"MEDLAB_KEY_FILE": "not-there"}),
        ("count", {"epsilon": "0"}),
        ("count", {"epsilon": "-1"}),
        ("count", {"epsilon": "inf"}),
        ("count", {"epsilon": "1e308"}),
        ("count", {"epsilon": "2"}),
        ("count", {"more": ["--budget", "1e308"]}),
        ("count", {"more": ["--budget", "1", "--contributions", "0"]}),
    ],
)
def test_what_cannot_be_answered_leaves_nothing_and_names_nobody(place, query, more, cohort):
    said = refused(ask(place, "count", query, **more))
    assert len(said.splitlines()) == 1
    assert not any(name in said for name in cohort["PatientName"])
    assert [path.name for path in place.iterdir()] == ["cohort.csv"]


def test_the_first_call_needs_a_budget_and_a_folder(place):
    assert "--budget" in refused(ask(place, "count", more=[]), 2)
    refused(ask(place / "gone", "count"), 2)
    (place / "ledger").write_bytes(b"\xff\x00not a ledger")
    refused(ask(place, "count"))
    assert (place / "ledger").read_bytes() == b"\xff\x00not a ledger"


def test_categories_are_the_text_of_the_file(place):
    table = "PatientID,Site,Grade\n1,01,1.50\n2,02,2\n3,01,x\n"
    (place / "cohort.csv").write_text(table)
    query = ["histogram:Site=01,02,1", "histogram:Grade=1.50,1.5,2"]
    report = json.loads(ask(place, *query, epsilon="1e6", more=["--budget", "1e6"]).stdout)
    sites, grades = (answer["value"] for answer in report["answers"])
    assert sites == {"01": 2, "02": 1, "1": 0}
    assert grades == {"1.50": 1, "1.5": 0, "2": 1}
