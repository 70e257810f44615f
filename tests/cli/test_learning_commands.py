"""`medlab federate` seen from outside: its JSON against the formula as a loop, its refusals."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from medlab.cli import commands

pytestmark = pytest.mark.needs("federated")
HOSPITALS = ["Saint Nowhere", "Hopital Nulle Part", "Klinik Nirgends"]
TOLD = "12.3456"  # a value that stands in the table and in no message


def people(rows, seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"Age": rng.normal(0, 1, rows), "Dose": rng.normal(0, 1, rows)}).round(4)
    chance = 1 / (1 + np.exp(-2 * table["Age"] + table["Dose"]))
    table["Ill"] = np.where(rng.random(rows) < chance, "yes", "no")
    return table


@pytest.fixture
def ward(tmp_path):
    table = people(60, 0)
    table["Hospital"] = np.repeat(HOSPITALS, [10, 20, 30])
    table = table.sample(frac=1, random_state=1)
    table.to_csv(tmp_path / "ward.csv", index=False)
    people(200, 1).to_csv(tmp_path / "test.csv", index=False)
    return tmp_path


def medlab(folder, *words, features="Age,Dose", site="Hospital", target="Ill"):
    result = CliRunner().invoke(commands, [
        "federate", str(folder / "ward.csv"), "--site", site, "--target", target,
        "--features", features, *map(str, words),
    ])  # fmt: skip
    assert result.exception is None or isinstance(result.exception, SystemExit)
    for value in (*HOSPITALS, TOLD):
        assert value not in result.output
    return result


def report(folder, *words):
    result = medlab(folder, *words)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


def descent(X, y, steps, rate=0.5, l2=0.01):
    w = np.zeros(X.shape[1] + 1)
    X = np.c_[X, np.ones(len(X))]
    for _ in range(steps):
        w -= rate * (X.T @ (1 / (1 + np.exp(-X @ w)) - y) / len(y) + l2 * w)
    return w


def auc(w, table):
    scores = table[["Age", "Dose"]].to_numpy() @ w[:-1]
    ill, well = (scores[table["Ill"] == label] for label in ("yes", "no"))
    return ((ill[:, None] > well).mean() + (ill[:, None] == well).mean() / 2).item()


def test_the_report_is_that_of_the_formula(ward):
    found = report(ward, "--test", ward / "test.csv", "--rounds", 15)
    table, test = pd.read_csv(ward / "ward.csv"), pd.read_csv(ward / "test.csv")
    X, y = table[["Age", "Dose"]].to_numpy(), (table["Ill"] == "yes").to_numpy(float)
    np.testing.assert_allclose(found["weights"], descent(X, y, 15), atol=1e-9)
    order = table["Hospital"].unique()  # of first appearance
    assert found["sites"] == [int((table["Hospital"] == name).sum()) for name in order]
    assert found["rounds"] == 15
    assert found["epsilon"] is found["delta"] is None
    assert found["auc_central"] == pytest.approx(auc(descent(X, y, 15), test))
    assert found["auc_federated"] == pytest.approx(found["auc_central"])
    local = [auc(descent(X[i], y[i], 15), test) for i in (table["Hospital"] == n for n in order)]
    assert found["auc_local"] == pytest.approx(local)


def test_two_runs_print_the_same(ward):
    assert report(ward, "--local-steps", 5) == report(ward, "--local-steps", 5)


@pytest.mark.parametrize("more", [(), ("--secure",), ("--secure", "--strategy", "fedprox")])
def test_the_budget_stands_in_the_report_with_what_it_does_not_cover(ward, more):
    words = ("--epsilon", 3, "--delta", 1e-5, "--clip", 1, "--test", ward / "test.csv", *more)
    found = report(ward, *words)
    assert found["epsilon"] == pytest.approx(3)
    assert found["delta"] == 1e-5
    assert "number of rows of a site is not hidden" in found["notes"][0]
    assert "without noise" in found["notes"][1]
    assert found["weights"] != report(ward, *words)["weights"]


def test_a_target_of_zero_and_one_is_taken_as_it_is_and_labels_are_sorted(ward):
    first = report(ward)["weights"]
    table = pd.read_csv(ward / "ward.csv")
    table.assign(Ill=(table["Ill"] == "yes").astype(int)).to_csv(ward / "ward.csv", index=False)
    assert report(ward)["weights"] == first
    table.assign(Ill=table["Ill"].map({"yes": "absent", "no": "present"})).to_csv(
        ward / "ward.csv", index=False
    )
    np.testing.assert_allclose(report(ward)["weights"], -np.array(first), atol=1e-12)


def test_hospitals_that_differ_in_leading_zeros_are_two(ward):
    table = pd.read_csv(ward / "ward.csv", dtype=str)
    codes = dict(zip(HOSPITALS, ["007", "7", "07"], strict=True))
    table.assign(Hospital=table["Hospital"].map(codes)).to_csv(ward / "ward.csv", index=False)
    assert sorted(report(ward)["sites"]) == [10, 20, 30]


def test_a_hospital_of_one_row_and_of_one_class_is_fine(ward):
    table = pd.read_csv(ward / "ward.csv")
    table.loc[table["Hospital"] == HOSPITALS[2], "Ill"] = "no"
    table.iloc[0, table.columns.get_loc("Hospital")] = "Nobody's"
    table.to_csv(ward / "ward.csv", index=False)
    found = report(ward, "--test", ward / "test.csv", "--local-steps", 5)
    assert found["sites"][0] == 1
    assert len(found["auc_local"]) == 4


@pytest.mark.parametrize(("change", "words"), [
    ({"Hospital": "Saint Nowhere"}, "single site"),
    ({"Ill": "no"}, "two values"),
    ({"Age": TOLD + "0x"}, "Age"),
    ({"Age": "inf"}, "Age"),
])  # fmt: skip
def test_what_a_whole_column_spoils_is_one_sentence(ward, change, words):
    pd.read_csv(ward / "ward.csv").assign(**change).to_csv(ward / "ward.csv", index=False)
    refused(medlab(ward), words)


@pytest.mark.parametrize(("cell", "column", "words"), [
    (None, "Age", "Age"), ("1e400", "Dose", "Dose"), (None, "Hospital", "Hospital"),
    (None, "Ill", "Ill"), ("perhaps", "Ill", "two values"), (TOLD + "-", "Age", "Age"),
])  # fmt: skip
def test_a_cell_that_cannot_be_used_is_one_sentence(ward, cell, column, words):
    table = pd.read_csv(ward / "ward.csv", dtype=str)
    table.loc[3, column] = cell
    table.to_csv(ward / "ward.csv", index=False)
    refused(medlab(ward), words)


@pytest.mark.parametrize(("words", "code"), [
    (("--rounds", 0), 2), (("--local-steps", 0), 2), (("--rate", 0), 2),
    (("--epsilon", 1, "--delta", 1e-5), 2), (("--epsilon", 1, "--clip", 1), 2),
    (("--rate", 1e6), 1), (("--rate", 1e6, "--l2", 0), 1), (("--rate", 1e300, "--l2", 0), 1),
])  # fmt: skip
def test_options_that_cannot_be_met_are_one_sentence(ward, words, code):
    refused(medlab(ward, *words), "", code)


@pytest.mark.parametrize("names", [
    {"site": "Ward"}, {"target": "Dead"}, {"features": "Age,Weight"}, {"features": "Age,Ill"},
    {"features": "Age,Age"}, {"site": "Ill"}, {"features": ","},
])  # fmt: skip
def test_columns_that_are_not_there_or_named_twice_are_one_sentence(ward, names):
    refused(medlab(ward, **names), "column")


def test_a_test_with_other_labels_or_without_a_column_is_one_sentence(ward):
    test = ward / "test.csv"
    for change in ({"Ill": "no"}, {"Ill": "2"}, {"Age": None}):
        people(50, 2).assign(**change).to_csv(test, index=False)
        refused(medlab(ward, "--test", test), "")
    people(50, 2).drop(columns="Dose").to_csv(test, index=False)
    refused(medlab(ward, "--test", test), "Dose")


def refused(result, words, code=None):
    assert result.exit_code in ((1, 2) if code is None else (code,)), result.output
    assert result.stdout == ""
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("medlab: ")
    assert words in sentence
    assert "nan" not in sentence.lower()
