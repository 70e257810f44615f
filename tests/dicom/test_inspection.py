import pandas as pd
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab.dicom.inspection import inspect_to, matching
from medlab.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for number in range(2):
        dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
        dataset.PatientName = "Okafor^Ngozi"
        (tmp_path / "in").mkdir(exist_ok=True)
        dataset.save_as(tmp_path / "in" / f"{number}.dcm")
    return tmp_path / "in"


def told(path, **choices):
    lines = []
    inspect_to(lines.append, path, **choices)
    return "\n".join(lines)


def test_a_folder_is_counted_and_no_value_is_told(folder):
    text = told(folder)
    assert text.startswith("2 DICOM files")
    assert "Okafor" not in text


def test_a_file_tells_its_elements_of_concern_and_values_when_asked(folder):
    file = folder / "0.dcm"
    assert "Okafor" not in told(file)
    assert "Okafor" in told(file, reveal=True)
    assert told(file, every=True).count("\n") > told(file).count("\n")


def test_tables_of_other_files_are_told_with_those_of_dicom(folder):
    row = {"file": 3, "path": "descrip", "concern": "text stands in it", "tag": "", "name": ""}
    table = pd.DataFrame([row | dict.fromkeys(("vr", "creator", "keyword"), "")])
    assert "1 of NIfTI and BIDS" in told(folder, further=[table])


def test_the_table_goes_neither_over_a_file_nor_into_the_input(folder, tmp_path):
    csv_file = tmp_path / "table.csv"
    told(folder, csv_file=csv_file)
    assert len(csv_file.read_text().splitlines()) > 100
    with pytest.raises(InputError, match="exists already"):
        told(folder, csv_file=csv_file)
    with pytest.raises(InputError, match="into the input"):
        told(folder, csv_file=folder / "table.csv")


def test_rows_are_matched_in_whatever_case(folder):
    table = pd.DataFrame(
        {
            "path": ["(0010,0010)", "(0028,0010)"],
            "tag": ["(0010,0010)", "(0028,0010)"],
            "vr": ["PN", "US"],
            "name": ["Patient's Name", "Rows"],
            "keyword": ["PatientName", "Rows"],
            "creator": ["", ""],
            "concern": ["direct identifier", ""],
        }
    )
    assert list(matching(table, "patient")["vr"]) == ["PN"]
    assert len(matching(table, "")) == 2
