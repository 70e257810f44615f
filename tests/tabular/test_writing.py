"""Releases as files: dates without a time of day, the two tables of Anatomy."""

import pandas as pd
from tabular_cases import call

from medlab.tabular.reading import read_table

QI = "Age,Sex,Weight,StudyDate"


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
    counts = read_table(tmp_path / "out-sensitive.csv")
    assert list(counts) == ["Group", "Diagnosis", "Count"]
    assert "Diagnosis" not in read_table(tmp_path / "out.csv")
