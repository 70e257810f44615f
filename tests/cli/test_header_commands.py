import pandas as pd
import pytest
from click.testing import CliRunner
from pydicom.data import get_testdata_file

from medlab.cli import commands

pytestmark = pytest.mark.filterwarnings("ignore")


def test_inspect_shows_a_file_without_values():
    path = get_testdata_file("MR_small.dcm")
    result = CliRunner().invoke(commands, ["inspect", path])
    assert result.exit_code == 0
    assert "HIPAA 1 name" in result.output
    assert "CompressedSamples" not in result.output
    shown = CliRunner().invoke(
        commands, ["inspect", get_testdata_file("MR_small.dcm"), "--reveal"]
    )
    assert "CompressedSamples" in shown.output


def test_inspect_and_dictionary_take_a_tag_without_comma():
    path = get_testdata_file("MR_small.dcm")
    lines = CliRunner().invoke(commands, ["inspect", path, "--search", "00100010"]).output
    assert len(lines.strip().splitlines()) == 2
    assert "(0010,0010)" in lines
    found = CliRunner().invoke(commands, ["dictionary", "00100010"]).output
    assert "PatientName" in found
    assert CliRunner().invoke(commands, ["dictionary", "no such thing"]).exit_code == 1


def test_inspect_counts_concerns_of_a_folder_and_writes_the_table(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("MR_small.dcm", "CT_small.dcm"):
        with open(get_testdata_file(name), "rb") as file:  # noqa: PTH123
            (folder / name).write_bytes(file.read())
    table = tmp_path / "table.csv"
    result = CliRunner().invoke(commands, ["inspect", str(folder), "--csv", str(table)])
    assert result.exit_code == 0
    assert "2 DICOM files" in result.output
    assert set(pd.read_csv(table)["file"]) == {1, 2}
    inside = CliRunner().invoke(commands, ["inspect", str(folder), "--csv", str(folder / "t.csv")])
    assert inside.exit_code == 1
    assert "into the input" in inside.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "table.csv"]


def test_inspect_reads_a_dicomdir():
    result = CliRunner().invoke(commands, ["inspect", get_testdata_file("DICOMDIR")])
    assert result.exit_code == 0
    assert "DICOMDIR: 52 records" in result.output


def test_inspect_of_nothing_fails_in_one_sentence(tmp_path):
    result = CliRunner().invoke(commands, ["inspect", str(tmp_path)])
    assert result.exit_code == 1
    assert "no DICOM and no NIfTI file" in result.output
