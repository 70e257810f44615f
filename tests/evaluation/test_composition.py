"""Two releases of the same people, intersected: against brute force, by hand, and from files."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from medlab import tabular
from medlab.cli import commands
from medlab.errors import InputError
from medlab.evaluation.composition import composition

QUASI = ["Age", "Weight", "Sex"]


def people(seed, rows=40):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "Age": rng.integers(20, 80, rows),
            "Weight": rng.integers(50, 99, rows),
            "Sex": rng.choice(["F", "M"], rows),
            "Diagnosis": rng.choice(list("abcd"), rows),
        }
    )


def fits(value, cell):
    if isinstance(cell, pd.Interval):
        return value in cell
    return cell == "*" or value == cell or (isinstance(cell, frozenset) and value in cell)


def brute(original, releases):
    """For each person and release: the rows that the person fits, one by one."""
    found = []
    for release in releases:
        names = [name for name in QUASI if name in release]
        found.append(
            [
                frozenset(
                    i
                    for i, row in enumerate(release.to_dict("records"))
                    if all(fits(person[name], row[name]) for name in names)
                )
                for person in original.to_dict("records")
            ]
        )
    values = [
        [{release["Diagnosis"].iloc[i] for i in rows} for rows in some]
        for release, some in zip(releases, found, strict=True)
    ]
    both = [a & b for a, b in zip(*values, strict=True)]
    truth = original["Diagnosis"]
    k = [min(map(some.count, some)) for some in (*found, list(zip(*found, strict=True)))]
    certain = [sum(len(v) == 1 for v in some) for some in (*values, both)]
    right = sum(len(v) == 1 and t in v for v, t in zip(both, truth, strict=True))
    return (len(original), *k, *certain, right)


@given(st.integers(0, 10_000), st.sampled_from([1, 2]))
def test_it_agrees_with_brute_force(seed, l):
    table = people(seed)
    first = tabular.mondrian(table, ["Age", "Sex"], "Diagnosis", k=3, l=l).table
    second = tabular.full_domain(table, ["Weight", "Sex"], "Diagnosis", k=3, l=l).table
    rng = np.random.default_rng(seed)
    mixed = second.iloc[rng.permutation(len(second))]
    assert tuple(composition(table, first, mixed, QUASI, "Diagnosis")) == brute(
        table, (first, second)
    )


def test_two_classes_that_share_one_value_give_it_away():
    table = pd.DataFrame({"Age": [30, 30, 40, 40], "Sex": list("FMFM"), "Diagnosis": list("abac")})
    by_age, by_sex = table[["Age", "Diagnosis"]], table[["Sex", "Diagnosis"]]
    found = composition(table, by_age, by_sex, ["Age", "Sex"], "Diagnosis")
    assert found == (4, 2, 2, 1, 0, 2, 4, 4)  # women have a; men b or c, which the age decides


def test_persons_are_counted_where_an_identifier_repeats():
    table = people(1).assign(PatientID=np.arange(40) // 2)
    release = tabular.mondrian(table, QUASI, "Diagnosis", k=4, subject="PatientID").table
    found = composition(table, release, release, QUASI, "Diagnosis")
    assert found.people == 20
    assert found.k_both == found.k_first >= 4


def test_a_release_of_other_people_is_refused():
    table = people(2)
    with pytest.raises(InputError, match="not made of these people"):
        composition(table, table, people(3), QUASI)


def test_the_command_line_tells_both_figures(tmp_path):
    table = people(4, 200)
    table.to_csv(tmp_path / "in.csv", index=False)
    runner = CliRunner()

    def call(*words):
        done = runner.invoke(commands, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    paths = {name: tmp_path / f"{name}.csv" for name in ("Age,Sex", "Weight,Sex")}
    for qi, path in paths.items():
        words = ("--sensitive", "Diagnosis", "--k", 3, "--l", 2)
        call("anonymize", tmp_path / "in.csv", path, "--qi", qi, *words)
    first, second = paths.values()
    words = ("--qi", "Sex,Age,Weight", "--sensitive", "Diagnosis")
    report = call("risk", first, *words, "--original", tmp_path / "in.csv", "--with", second)
    assert report["k"] >= 3
    assert report["quasi"] == ["Sex", "Age"]
    assert report["with"]["certain_first"] == report["with"]["certain_second"] == 0
    assert report["with"]["certain_both"] == report["with"]["right_both"] > 5
    asked = ["risk", str(first), "--qi", "Sex", "--with", str(second)]
    refused = runner.invoke(commands, asked)
    assert refused.exit_code == 2
    assert "--original" in refused.output


def test_nodes_of_a_hierarchy_stand_for_the_labels_below_them():
    table = people(5).assign(City=["Ulm", "Bonn", "Jena", "Trier"] * 10)
    levels = pd.DataFrame(
        {"land": ["south", "west", "east", "west"]}, index=["Ulm", "Bonn", "Jena", "Trier"]
    )
    trees = {"City": levels}
    coarse = table[["City", "Diagnosis"]].assign(City=table["City"].map(levels["land"]))
    found = composition(table, coarse, coarse, ["City"], "Diagnosis", hierarchies=trees)
    assert found.k_both == found.k_first == 10
