"""Tables out of core: the same promises as in memory, whatever the leaves."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from medlab.cli import commands
from medlab.errors import InputError
from medlab.pipeline.large_tables import anonymize_large
from medlab.pipeline.tables import anonymize_file

pytestmark = pytest.mark.needs("scale")
QUASI = ["Age", "Sex", "Weight", "Postcode"]
# Just enough for leaves of 10,000 of the 24,000 rows: 64 MiB, and what rows cost.
LEAST = 2**20 * 64 + 32 * 24_000 + 250 * len(QUASI) * 10_000


def table(rows=24_000, persons=None):
    rng = np.random.default_rng(3)
    weight = pd.Series(np.round(rng.normal(70, 12, rows), 1))
    return pd.DataFrame(
        {
            "PatientID": [f"P{i % (persons or rows)}" for i in range(rows)],
            "Age": rng.integers(18, 91, rows),
            "Sex": rng.choice(["F", "M"], rows),
            "Weight": weight.where(rng.random(rows) > 0.01),
            "Postcode": rng.integers(0, 60, rows).astype(str),
            "Diagnosis": rng.choice(list("abcdef"), rows, p=[0.3, 0.25, 0.2, 0.15, 0.05, 0.05]),
            "Note": np.arange(rows),
        }
    )


@pytest.fixture
def parts(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        part = table().iloc[number * 8000 : (number + 1) * 8000]
        part.to_parquet(tmp_path / "in" / f"ward{number}.parquet", index=False)
    table().to_parquet(tmp_path / "all.parquet", index=False)
    return tmp_path


def released(path):
    paths = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    return pd.concat(map(pd.read_parquet, paths), ignore_index=True)


def test_a_folder_keeps_what_a_table_in_memory_keeps_and_loses_no_more(parts):
    asked = {"k": 7, "l": 3, "t": 0.4, "keep": ["Note"]}
    source, target = parts / "in", parts / "out"
    large = anonymize_large(source, target, QUASI, ["Diagnosis"], memory=LEAST, **asked)
    small = anonymize_file(
        parts / "all.parquet", parts / "one.parquet", QUASI, ["Diagnosis"], **asked
    )
    assert list(large) == list(small)
    for name in ("rows", "suppressed", "quasi", "sensitive", "asked", "left_out", "columns"):
        assert large[name] == small[name]
    assert large["gcp"] <= 1.05 * small["gcp"]
    out, one = released(parts / "out"), released(parts / "one.parquet")
    assert out.dtypes.to_dict() == one.dtypes.to_dict()
    assert sorted(out["Note"]) == list(range(24_000))
    # counted here, by pandas alone
    classes = out.groupby(QUASI, dropna=False)
    assert large["k"] == classes.size().min() >= 7
    assert large["classes"] == len(classes)
    assert large["l"] == classes["Diagnosis"].nunique().min() >= 3
    whole = table()["Diagnosis"].value_counts(normalize=True)
    shares = out.groupby(QUASI, dropna=False)["Diagnosis"].value_counts(normalize=True).unstack()
    distance = (shares.fillna(0) - whole).abs().sum(axis=1).max() / 2
    assert large["t"] == pytest.approx(distance)
    assert large["t"] <= 0.4 + 1e-9
    # each row holds its own person
    true = table().loc[out["Note"]].reset_index(drop=True)
    assert (out["Diagnosis"] == true["Diagnosis"]).all()
    low = out["Age"].str.extract(r"(\d+)").astype(int)[0]
    high = out["Age"].str.extract(r"(\d+)\]?$").astype(int)[0]
    assert ((low <= true["Age"]) & (true["Age"] <= high)).all()
    assert not [path for path in parts.iterdir() if path.name.startswith(".")]


def test_the_order_is_drawn_kept_or_keyed_so_that_evaluate_puts_it_back(parts):
    from medlab import crypto
    from medlab.tabular.table_files import put_back, read_file

    crypto.write_key(parts / "key")
    for words, name in (
        ({}, "a"),
        ({"keep_order": True}, "b"),
        ({"key_file": parts / "key"}, "c"),
    ):
        report = anonymize_large(
            parts / "all.parquet",
            parts / f"{name}.parquet",
            QUASI,
            keep=["Note"],
            memory=LEAST,
            **words,
        )
        assert report["order"] == ("kept" if name == "b" else "shuffled")
    drawn, kept, keyed = (released(parts / f"{name}.parquet")["Note"] for name in "abc")
    assert (kept == np.arange(24_000)).all()
    for order in (drawn, keyed):
        assert abs(np.corrcoef(order, np.arange(24_000))[0, 1]) < 0.05
    back = put_back(read_file(parts / "c.parquet"), crypto.load_key(parts / "key"))
    assert (back["Note"] == np.arange(24_000)).all()


def test_persons_are_counted_where_an_identifier_repeats(tmp_path):
    table(persons=6000).to_parquet(tmp_path / "in.parquet", index=False)
    report = anonymize_large(
        tmp_path / "in.parquet",
        tmp_path / "out.parquet",
        QUASI,
        ["Diagnosis"],
        keep=["Note"],
        memory=LEAST,
        k=6,
    )
    assert any("repeats" in note for note in report["notes"])
    out = released(tmp_path / "out.parquet")
    out["person"] = out["Note"] % 6000
    assert out.groupby(QUASI, dropna=False)["person"].nunique().min() == report["k"] >= 6


def test_the_command_takes_folders_and_says_what_it_cannot(parts):
    run = CliRunner().invoke
    words = ["--qi", ",".join(QUASI), "--sensitive", "Diagnosis"]
    done = run(commands, ["anonymize", str(parts / "in"), str(parts / "o"), *words, "--k", "9"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["k"] >= 9
    again = run(commands, ["anonymize", str(parts / "in"), str(parts / "o"), *words])
    assert again.exit_code == 1
    for more in (["--method", "mdav"], ["--memory", "much"], ["--suppress", "0.1"]):
        assert run(
            commands, ["anonymize", str(parts / "in"), str(parts / "p"), *words, *more]
        ).exit_code in (1, 2)
    assert not (parts / "p").exists()


def test_other_columns_in_one_part_and_too_few_rows_are_told_and_leave_nothing(parts):
    with pytest.raises(InputError, match="k=30000"):
        anonymize_large(parts / "in", parts / "out", QUASI, k=30_000)
    table(50).drop(columns="Sex").to_parquet(parts / "in" / "x.parquet", index=False)
    with pytest.raises(InputError, match="other columns"):
        anonymize_large(parts / "in", parts / "out", QUASI)
    assert sorted(path.name for path in parts.iterdir()) == ["all.parquet", "in"]


@pytest.mark.parametrize("give_folder", [True, False])
def test_memory_that_cannot_hold_the_order_is_refused_at_once_and_said(parts, give_folder):
    source = parts / ("in" if give_folder else "all.parquet")
    words = ["anonymize", str(source), str(parts / "out"), "--qi", ",".join(QUASI), "--memory"]
    done = CliRunner().invoke(commands, [*words, "30MiB"])
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    needed = re.search(r"24000 rows needs --memory (\d+)MiB", done.stderr)
    assert not (parts / "out").exists()
    # what it asks for is enough, and a MiB less is not
    least = int(needed[1])
    assert CliRunner().invoke(commands, [*words, f"{least - 1}MiB"]).exit_code == 2
    done = CliRunner().invoke(commands, [*words, f"{least}MiB"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["rows"] == 24_000


@pytest.mark.parametrize("rows", [0, 3])
def test_a_table_smaller_than_k_is_told_in_one_sentence(tmp_path, rows):
    (tmp_path / "in").mkdir()
    table(24).head(rows).to_parquet(tmp_path / "in" / "a.parquet", index=False)
    words = ["anonymize", str(tmp_path / "in"), str(tmp_path / "out"), "--qi", "Age,Sex"]
    done = CliRunner().invoke(commands, [*words, "--k", "5"])
    assert done.exit_code == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
