"""What is read from a table file, what leaves, and in which order: looked at with csv alone."""

import csv
import json
import os

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from medlab import evaluation, tabular
from medlab.cli import commands
from medlab.crypto import write_key
from medlab.errors import InputError, KindError
from medlab.evaluation.experiments import Tables
from medlab.tabular.table_files import read_file, read_hierarchy


def people(rows, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "Age": rng.integers(20, 80, rows),
            "Sex": rng.choice(["F", "M"], rows),
            "Diagnosis": rng.choice(["flu", "hiv", "none"], rows),
        }
    )


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return [dict(zip(header, row, strict=True)) for row in rows]


def call(*words, code=0):
    done = CliRunner().invoke(commands, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if code == 0 else done.output


def release(source, target, *words, code=0, qi="Age,Sex", sensitive="Diagnosis"):
    roles = ("--qi", qi, "--sensitive", sensitive)
    return call("anonymize", source, target, *roles, *words, code=code)


def written(path, table):
    path.write_text(table if isinstance(table, str) else table.to_csv(index=False))
    return path


# ---------------------------------------------------------------- the fields of a line
@pytest.mark.parametrize(
    ("line", "fields"), [("30,F,flu,\n", 4), ("30,F,flu, mild\n", 4), ("30,F\n", 2)]
)
@pytest.mark.parametrize("role", ["table", "register", "control", "hierarchy", "released"])
def test_a_line_with_more_or_fewer_fields_is_refused_wherever_it_stands(
    tmp_path, line, fields, role
):
    good = written(tmp_path / "good.csv", people(20))
    bad = written(tmp_path / "bad.csv", good.read_text() + line)
    out, qi = tmp_path / "out.csv", ("--qi", "Age,Sex")
    said = {
        "table": ("anonymize", bad, out, *qi),
        "hierarchy": ("anonymize", good, out, *qi, "--hierarchy", f"Sex={bad}"),
        "register": ("risk", good, *qi, "--register", bad),
        "control": ("evaluate", good, good, *qi, "--control", bad),
        "released": ("evaluate", good, bad, *qi),
    }[role]
    message = call(*said, code=1)
    assert f"line 22 has {fields} fields, the header 3" in message
    assert "flu" not in message
    assert not out.exists()


def test_lines_without_any_value_are_nobody(tmp_path):
    table = people(40)
    source = written(tmp_path / "in.csv", table.to_csv(index=False) + "\n,,\n\n")
    report = release(source, tmp_path / "out.csv")
    assert report["rows"] == len(rows_of(tmp_path / "out.csv")) == 40
    assert "lines without any value, which are nobody: 1" in report["notes"]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_read_and_told(tmp_path, separator):
    text = people(40).to_csv(index=False, sep=separator)
    report = release(written(tmp_path / "in.csv", text), tmp_path / "out.csv")
    assert any("separated by a" in note for note in report["notes"])
    assert report["columns"]["Age"]["kind"] == "number"


# ---------------------------------------------------------------- text in, the same text out
@given(
    st.lists(
        st.one_of(
            st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,3})?", fullmatch=True),
            st.sampled_from(
                ["", "NA", ".", "1E30", "1e-05", "007", "+5", "-0", "20240229", "034Y"]
            ),
            st.integers(2**53, 2**64).map(str),
        ),
        min_size=12,
        max_size=12,
    ),
    st.sampled_from(["mondrian", "mdav", "two-step", "slicing"]),
)
def test_sensitive_and_kept_columns_leave_as_the_text_that_was_read(
    tmp_path_factory, cells, method
):
    folder = tmp_path_factory.mktemp("text")
    codes = [f"c{i % 4}" for i in range(12)] if method == "two-step" else cells
    table = {"Age": range(30, 42), "Sex": ["F", "M"] * 6, "Diagnosis": codes, "Sample": cells}
    source = written(folder / "in.csv", pd.DataFrame(table).astype(str))
    keep = () if method == "slicing" else ("--keep", "Sample")
    release(source, folder / "out.csv", "--k", 2, "--method", method, "--keep-order", *keep)
    after = rows_of(folder / "out.csv")
    if method == "slicing":
        absent = {"": "", ".": ""}
        shown = [absent.get(row["Diagnosis"], row["Diagnosis"]) for row in after]
        assert sorted(shown) == sorted(absent.get(cell, cell) for cell in cells) or "NA" in cells
    else:
        assert [row["Sample"] for row in after] == cells


@pytest.mark.parametrize(
    ("cells", "kind", "first"),
    [
        (["20181231", "20190101"], "date", pd.Timestamp("2018-12-31")),
        (["20181331", "20190101"], "number", 20181331),
        (["9999-12-31", "2019-01-01"], "date", pd.Timestamp("9999-12-31")),
        (["034Y", "018M"], "age in years", 34),
        (["10:30", "09:00:36"], "hour of the day", 10.5),
        (["70,5", "71"], "number with a decimal comma", 70.5),
        (["1,234", "5,678"], "label", "1,234"),
        (["01067", "81667"], "label", "01067"),
        (["1E30", "5"], "label", "1E30"),
        (["250.1", "250.10"], "label", "250.1"),
        (["7", ""], "number", 7),
        (["7.5", "."], "number", 7.5),
    ],
)
def test_what_a_column_is_taken_for(tmp_path, cells, kind, first):
    lines = [f'"{cell}",x' for cell in cells]
    file = read_file(written(tmp_path / "in.csv", "\n".join(["Cell,Other", *lines]) + "\n"))
    assert file.kinds["Cell"].kind == kind
    assert file.table["Cell"][0] == first
    assert file.text["Cell"][0] == cells[0]


def test_digits_are_a_time_only_in_a_column_that_says_so(tmp_path):
    source = written(tmp_path / "in.csv", "StudyTime,Count\n101500.5,101500.5\n093000,930\n")
    table = read_file(source).table
    assert table["StudyTime"].round(3).tolist() == [10.25, 9.5]
    assert table["Count"].tolist() == [101500.5, 930]


def test_a_column_that_nearly_holds_numbers_is_told(tmp_path):
    table = people(60).astype(str)
    table.loc[0, "Age"] = "90+"
    report = release(written(tmp_path / "in.csv", table), tmp_path / "out.csv")
    assert report["columns"]["Age"] == {"kind": "label", "missing": 0, "odd": 1}
    assert any("column Age is read as labels: 1 of 60" in note for note in report["notes"])


def test_a_far_date_costs_what_it_costs():
    days = pd.to_datetime(["2020-01-01", "2020-01-02", "2021-01-01", "9999-12-31"])
    table = pd.DataFrame({"Day": days.repeat(5), "D": list("abcd") * 5})
    made = tabular.mondrian(table, ["Day"], k=10)
    assert tabular.gcp(made.table, ["Day"], table) == pytest.approx(0.5, abs=1e-3)


def test_times_of_several_zones_are_one_scale_and_can_be_drawn():
    hours = pd.date_range("2021-03-27", periods=40, freq="h", tz="Europe/Berlin")
    mixed = [hour.tz_convert("Asia/Tokyo" if i % 2 else "UTC") for i, hour in enumerate(hours)]
    table = pd.DataFrame({"When": pd.Series(mixed, dtype=object), "Age": range(40)})
    plain = table.assign(When=hours)
    made, same = (tabular.mondrian(one, ["When", "Age"], k=5) for one in (table, plain))
    assert (made.class_of == same.class_of).all()
    assert tabular.gcp(made.table, ["When"], table) == pytest.approx(
        tabular.gcp(same.table, ["When"], plain)
    )
    boxes = tabular.rectangles(made, table, "When", "Age").boxes
    assert boxes["width"].notna().all()


# ---------------------------------------------------------------- names and roles
@pytest.mark.parametrize("header", ["Age, years", "Age ", " Age", "a=b", "0"])
def test_any_name_in_a_header_can_be_named(tmp_path, header):
    source = written(tmp_path / "in.csv", people(40).rename(columns={"Age": header}))
    for qi in (f'"{header}",Sex', f"{header.strip()},Sex" if "," not in header else ""):
        if qi:
            assert release(source, tmp_path / "out.csv", "--overwrite", qi=qi)["quasi"] == [
                header,
                "Sex",
            ]
    alone = release(source, tmp_path / "out.csv", "--overwrite", "--qi", "Sex", qi=header)
    assert alone["quasi"] == [header, "Sex"]


def test_a_hierarchy_is_for_numbers_and_for_names_with_an_equals_sign(tmp_path):
    zips = [81667, 81675, 81925, 81931]
    table = people(80).assign(**{"Zip=5": [zips[i % 4] if i else None for i in range(80)]})
    table["Zip=5"] = table["Zip=5"].astype("Int64")
    levels = pd.DataFrame({"label": zips, "a": ["8166*", "8167*", "8192*", "8193*"], "b": "81***"})
    tree, source = tmp_path / "zip=tree.csv", written(tmp_path / "in.csv", table)
    written(tree, levels)
    report = release(
        source, tmp_path / "out.csv", "--k", 15, "--hierarchy", f"Zip=5={tree}", qi="Zip=5,Sex"
    )
    cells = {row["Zip=5"] for row in rows_of(tmp_path / "out.csv")}
    assert cells <= {*map(str, zips), *levels["a"], "81***", "*", ""}
    named = {"Zip=5": read_hierarchy(tree)}
    for column in (table["Zip=5"], table["Zip=5"].astype(float)):
        one = table.assign(**{"Zip=5": column})
        made = tabular.mondrian(one, ["Zip=5", "Sex"], k=15, hierarchies=named)
        assert set(made.table["Zip=5"].dropna()) <= {*map(str, zips), *levels["a"], "81***", "*"}
        assert tabular.gcp(made.table, made.quasi, one, named) == pytest.approx(report["gcp"])


def test_column_names_that_are_no_text_are_refused():
    with pytest.raises(KindError, match=r"astype\(str\)"):
        tabular.mondrian(pd.DataFrame({0: [1, 2], 1: [1, 2]}), [0], 1, k=2)


@pytest.mark.parametrize("method", ["mondrian", "anatomy", "slicing", "two-step", "mdav"])
def test_categories_of_people_elsewhere_do_not_leave(method):
    table = people(60)
    for name in ("Diagnosis", "Sex"):
        table[name] = pd.Categorical(table[name], [*table[name].unique(), "Huntington"])
    table["Ward"] = pd.Categorical(["A", "B"] * 30, ["A", "B", "Dr Elsewhere"])
    more = {} if method == "slicing" else {"keep": ["Ward"]}
    made = tabular.anonymize(table, ["Age", "Sex"], "Diagnosis", 5, 2, method=method, **more)
    for one in (made.table, *made.extra.values()):
        for column in one.select_dtypes("category"):
            assert not {"Huntington", "Dr Elsewhere"} & set(one[column].cat.categories)


# ---------------------------------------------------------------- formulas
def test_what_a_spreadsheet_would_run_is_counted_and_guarded_on_request(tmp_path):
    table = people(40).assign(Note=["=1+1", "+49", "-5", "-x", "@a"] + ["fine"] * 35)
    source, out = written(tmp_path / "in.csv", table), tmp_path / "out.csv"
    words = ("--keep", "Note", "--keep-order")
    report = release(source, out, *words)
    assert any(": 3; --spreadsheet" in note for note in report["notes"])
    assert [row["Note"] for row in rows_of(out)] == table["Note"].tolist()
    release(source, out, *words, "--spreadsheet", "--overwrite")
    shown = [row["Note"] for row in rows_of(out)][:5]
    assert shown == ["'=1+1", "+49", "-5", "'-x", "'@a"]
    assert read_file(out).table["Note"].tolist() == table["Note"].tolist()


# ---------------------------------------------------------------- order
def test_rows_leave_in_another_order_and_the_key_puts_them_back(tmp_path):
    table = people(300).sort_values("Age", ignore_index=True).assign(Note=["=x", "y", ""] * 100)
    source, key = written(tmp_path / "in.csv", table), tmp_path / "key"
    write_key(key)
    kept, drawn, keyed = (tmp_path / f"{name}.csv" for name in ("kept", "drawn", "keyed"))
    words = ("--k", 3, "--keep", "Note", "--spreadsheet")
    assert release(source, kept, *words, "--keep-order")["order"] == "kept"
    assert release(source, drawn, *words)["order"] == "shuffled"
    release(source, keyed, *words, "--key-file", key)
    first = rows_of(kept)
    for path in (drawn, keyed):
        assert rows_of(path) != first
        assert sorted(map(str, rows_of(path))) == sorted(map(str, first))
    roles = ("--qi", "Age,Sex", "--sensitive", "Diagnosis")
    said = {
        name: {
            row["measure"]: row for row in call("evaluate", source, path, *roles, *more)["rows"]
        }
        for name, path, more in (
            ("kept", kept, ()),
            ("keyed", keyed, ("--key-file", key)),
            ("drawn", drawn, ()),
        )
    }
    assert said["keyed"]["linkage"] == said["kept"]["linkage"]
    assert not said["keyed"]["linkage"]["note"]
    assert "another order" in said["drawn"]["linkage"]["note"]
    assert said["drawn"]["linkage"]["value"] == pytest.approx(said["kept"]["linkage"]["value"])


def test_two_releases_under_one_key_share_no_order(tmp_path, monkeypatch):
    table = people(200)
    table["Row"] = [f"r{i}" for i in range(200)]
    source = written(tmp_path / "in.csv", table)
    write_key(tmp_path / "key")
    monkeypatch.setenv("MEDLAB_KEY_FILE", os.fspath(tmp_path / "key"))
    orders = []
    for k in (3, 4, 3):
        release(source, tmp_path / "o.csv", "--k", k, "--keep", "Row", "--overwrite")
        orders.append([row["Row"] for row in rows_of(tmp_path / "o.csv")])
    assert orders[0] == orders[2] != orders[1]
    assert sum(a == b for a, b in zip(orders[0], orders[1], strict=True)) < 10
    assert sum(a == b for a, b in zip(orders[0], table["Row"], strict=True)) < 10


@pytest.mark.needs("scale")
def test_a_parquet_release_is_put_back_too(tmp_path):
    table = people(200).assign(Day=pd.Timestamp("2024-01-01"), Weight=70.25)
    source, key, out = tmp_path / "in.parquet", tmp_path / "key", tmp_path / "out.parquet"
    table.to_parquet(source)
    write_key(key)
    release(source, out, "--keep", "Day", "--keep", "Weight", "--key-file", key)
    roles = ("--qi", "Age,Sex", "--sensitive", "Diagnosis")
    rows = call("evaluate", source, out, *roles, "--key-file", key)["rows"]
    assert not {row["measure"]: row for row in rows}["linkage"]["note"]


def test_noise_in_another_order_is_refused_without_the_key(tmp_path):
    table = people(200)
    rng = np.random.default_rng(1)
    noisy = table.assign(Age=table["Age"] + rng.integers(-1, 2, 200)).sample(
        frac=1, random_state=1
    )
    source, other = written(tmp_path / "a.csv", table), written(tmp_path / "b.csv", noisy)
    said = call("evaluate", source, other, "--qi", "Age,Sex", "--kind", "microdata", code=1)
    assert "order" in said


# ---------------------------------------------------------------- persons
def visits(patients=30, each=6):
    facts = people(patients)
    ids = [f"p{i:03d}" for i in range(patients)]
    return facts.assign(PatientID=ids).loc[np.repeat(np.arange(patients), each)]


def test_a_direct_identifier_that_repeats_counts_persons_everywhere(tmp_path):
    source = written(tmp_path / "in.csv", visits())
    report = release(source, tmp_path / "out.csv", "--k", 5, "--keep-order")
    assert any("PatientID repeats" in note for note in report["notes"])
    crowd = {}
    for row, one in zip(rows_of(tmp_path / "out.csv"), rows_of(source), strict=True):
        crowd.setdefault((row["Age"], row["Sex"]), set()).add(one["PatientID"])
    assert min(map(len, crowd.values())) == report["k"] >= 5
    roles = ("--qi", "Age,Sex")
    risk = call("risk", tmp_path / "out.csv", *roles, "--original", source)
    rows = call("evaluate", source, tmp_path / "out.csv", *roles)["rows"]
    assert risk["k"] == {row["measure"]: row for row in rows}["k"]["value"] == report["k"]
    assert call("risk", source, *roles)["k"] <= 6 / 6


def test_the_grid_counts_persons():
    table = visits(each=5).reset_index(drop=True)
    tables = Tables(table, None, people(60, seed=1))
    points = [("identity", 0), ("Mondrian k", 10), ("Anatomy l", 2)]
    rows = evaluation.grid({1: tables}, points, ["Age", "Sex"], "Diagnosis", progress=False)
    value = rows.set_index(["method", "measure"])["value"]
    assert value["Mondrian k", "k"] >= 10
    # Who is alone with his facts is found for sure, by whichever of his five rows.
    alone = (~table.drop_duplicates("PatientID").duplicated(["Age", "Sex"], keep=False)).mean()
    assert value["identity", "linkage"] >= alone > 0.4
    assert "one row a person" in rows.loc[rows["group"] == "refused", "note"].iloc[0]


def test_persons_of_a_release_in_another_order_are_not_guessed(tmp_path):
    source = written(tmp_path / "in.csv", visits())
    release(source, tmp_path / "out.csv")
    for verb in (
        ("risk", tmp_path / "out.csv", "--original", source),
        ("evaluate", source, tmp_path / "out.csv"),
    ):
        assert "whose row" in call(*verb, "--qi", "Age,Sex", code=1)


def test_rows_without_the_identifier_count_as_one_person(tmp_path):
    table = visits()
    table.iloc[:60, table.columns.get_loc("PatientID")] = None
    report = release(written(tmp_path / "in.csv", table), tmp_path / "out.csv", "--k", 20)
    assert report["k"] == 21


def test_a_row_without_any_value_is_not_written(tmp_path):
    table = people(20).astype(object).assign(Ward="A")
    table.iloc[0, :3] = None
    said = release(written(tmp_path / "in.csv", table), tmp_path / "out.csv", "--k", 1, code=1)
    assert "no value in any released column" in said
    assert not (tmp_path / "out.csv").exists()


def test_a_table_without_index_keeps_class_numbers_by_position():
    table = people(50)
    made = tabular.mondrian(table, ["Age", "Sex"], k=5)
    with pytest.raises(InputError, match="reset_index"):
        tabular.mondrian(table.iloc[::-1], ["Age", "Sex"], k=5)
    assert len(made.class_of) == len(made.table) == 50
