"""Cells of table files as they were written; dates of releases, the two tables of Anatomy."""

import pandas as pd
import pytest
from tabular_cases import call

from medlab.tabular.table_files import read_file

QI = "Age,Sex,Weight,StudyDate"


def test_text_with_leading_zeros_stays_text(file):
    assert read_file(file).table["Postcode"].iloc[0] == "01234"


def test_na_is_missing_among_numbers_and_a_label_among_words(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("Age,Seen,Country\n30,2024-05-01,NA\nNA,NA,None\n40,,DE\n50,2024-05-02,\n")
    table = read_file(path).table
    assert table["Age"].dtype == "Int64"
    assert table["Seen"].isna().tolist() == [False, True, True, False]
    assert table["Country"].tolist()[:3] == ["NA", "None", "DE"]
    assert table.isna().sum().tolist() == [1, 2, 1]


@pytest.mark.parametrize("text", ["", "a,a\n1,2\n", "\xff\xfe"])
def test_files_that_are_no_tables_are_refused(tmp_path, text):
    path = tmp_path / "in.csv"
    path.write_bytes(text.encode("latin-1"))
    done = call("risk", path, "--qi", "a")
    assert done.exit_code == 1
    assert call("risk", tmp_path / "none.csv", "--qi", "a").exit_code == 2


def test_dates_in_a_csv_are_written_without_a_time_of_day(file, tmp_path):
    call("anonymize", file, tmp_path / "out.csv", "--qi", "StudyDate", "--k", 9)
    cells = pd.read_csv(tmp_path / "out.csv")["StudyDate"]
    assert cells.str.fullmatch(r"\[\d{4}-\d\d-\d\d, \d{4}-\d\d-\d\d\]|\d{4}-\d\d-\d\d").all()


def test_anatomy_writes_two_tables(file, ward, tmp_path):
    refused = call(
        *("anonymize", file, tmp_path / "out.csv", "--qi", QI),
        *("--sensitive", "Diagnosis", "--method", "anatomy"),
    )
    assert "one row a person" in refused.output
    ward.drop_duplicates("PatientID").to_csv(file, index=False)
    done = call(
        *("anonymize", file, tmp_path / "out.csv", "--qi", QI),
        *("--sensitive", "Diagnosis", "--l", 2, "--method", "anatomy"),
    )
    assert done.exit_code == 0, done.output
    counts = read_file(tmp_path / "out-sensitive.csv").table
    assert list(counts) == ["Group", "Diagnosis", "Count"]
    assert "Diagnosis" not in read_file(tmp_path / "out.csv").table
