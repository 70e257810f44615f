import json

import pandas as pd
import pytest


@pytest.fixture
def table(tmp_path):
    ages = [31, 32, 33, 34, 61, 62, 63, 64]
    frame = pd.DataFrame(
        {"Age": ages, "Sex": list("FFMMFFMM"), "Diagnosis": ["flu", "angina"] * 4}
    )
    frame.to_csv(tmp_path / "in.csv", index=False)
    return tmp_path / "in.csv"


def test_anonymize_reports_as_json_and_each_class_holds_k(medlab, table, tmp_path):
    result = medlab(
        "anonymize", table, tmp_path / "out.csv", "--qi", "Age,Sex", "--sensitive", "Diagnosis",
        "--k", 2,
    )  # fmt: skip
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    released = pd.read_csv(tmp_path / "out.csv")
    sizes = released.groupby(["Age", "Sex"]).size()
    assert sizes.min() == report["k"] >= 2
    assert sizes.sum() == 8


def test_risk_of_a_table_that_hides_nothing_is_one(medlab, table):
    result = medlab("risk", table, "--qi", "Age", "--sensitive", "Diagnosis")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["k"] == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--qi", "Age", "--k", "0"), "--k"),
        ((), "--qi"),
        (("--qi", "Age", "--l-kind", "magic"), "magic"),
        (("--qi", "Age", "--hierarchy", "Age"), "COL=FILE"),
    ],
)
def test_a_call_that_makes_no_sense_is_bad_usage_and_writes_nothing(
    medlab, table, tmp_path, more, words
):
    result = medlab("anonymize", table, tmp_path / "out.csv", *more)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (tmp_path / "out.csv").exists()


def test_a_release_is_not_written_over_unless_it_is_said(medlab, table, tmp_path):
    call = ("anonymize", table, tmp_path / "out.csv", "--qi", "Age", "--k", 2)
    assert medlab(*call).exit_code == 0
    assert medlab(*call).exit_code == 1
    assert medlab(*call, "--overwrite").exit_code == 0


def test_evaluate_prints_json_and_notes_go_to_standard_error(medlab, table, tmp_path):
    medlab("anonymize", table, tmp_path / "out.csv", "--qi", "Age,Sex", "--k", 2, "--keep-order")
    result = medlab("evaluate", table, tmp_path / "out.csv", "--qi", "Age,Sex")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert len(result.stderr.splitlines()) == len(report["notes"])
