import pandas as pd
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from medlab import dicom
from medlab.dicom.tags import inspect_to, matching
from medlab.errors import InputError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def dataset():
    made, item = Dataset(), Dataset()
    made.StudyInstanceUID = "1.2.826.20200312.7"
    made.PatientName, made.PatientID = "Okafor^Jane", "47118899"
    made.Allergies = "Jane Okafor"
    made.BodyPartExamined = "HEAD"
    made.ImageComments = "call 555-123-4567"
    item.RequestedProcedureDescription = "MR Head"
    made.RequestAttributesSequence = Sequence([item])
    block = made.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    made.StudyDate = "20200312"
    return made


def row(table, path):
    return table.set_index("path").loc[path]


def test_there_is_one_row_an_element_at_every_level(dataset):
    table = dicom.tag_table(dataset)
    assert len(table) == 11
    assert row(table, "(0040,0275)[0].(0032,1060)")["level"] == 1


def test_values_are_masked_unless_revealed(dataset):
    masked, shown = dicom.tag_table(dataset), dicom.tag_table(dataset, reveal=True)
    assert "Okafor" not in masked.to_csv()
    assert "47118899" not in masked.to_csv()
    assert row(shown, "(0010,0010)")["value"] == "Okafor^Jane"


def test_concerns_are_named(dataset):
    table = dicom.tag_table(dataset)
    assert row(table, "(0010,0010)")["concern"].startswith("HIPAA 1 name")
    assert "identity" in row(table, "(0010,2110)")["concern"]  # the name under Allergies
    assert "phone" in row(table, "(0020,4000)")["concern"]
    assert row(table, "(0020,000D)")["concern"].endswith("UID holding a date")
    assert row(table, "(0008,0020)")["concern"] == "HIPAA 3 date or age"
    assert row(table, "(0018,0015)")["concern"] == ""
    assert row(table, "(0019,100C)")["concern"] == "private"


def test_private_elements_are_told_by_creator_and_name(dataset):
    found = row(dicom.tag_table(dataset), "(0019,100C)")
    assert found["creator"] == "SIEMENS MR HEADER"
    assert "value" in found["name"].lower()


def test_the_senders_title_in_the_file_meta_names_a_device(dataset):
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.SourceApplicationEntityTitle = "OKAFOR"
    concern = row(dicom.tag_table(dataset), "(0002,0016)")["concern"]
    assert concern == "HIPAA 13 device"


def test_an_element_put_to_a_wrong_use_is_called_so(dataset):
    dataset.ManufacturerModelName = "Okafor"
    assert row(dicom.tag_table(dataset), "(0008,1090)")["concern"] == "misused element"


@pytest.mark.parametrize(
    ("search", "keyword"),
    [
        ({"text": "0010,0030"}, "PatientBirthDate"),
        ({"text": "(0010,0030)"}, "PatientBirthDate"),
        ({"text": "00100030"}, "PatientBirthDate"),
        ({"text": "birth date"}, "PatientBirthDate"),
        ({"text": "PatientBirthD"}, "PatientBirthDate"),
        ({"group": "0010", "vr": "DA"}, "LastMenstrualDate"),
        ({"element": "0030", "name": "birth"}, "PatientBirthDate"),
        ({"text": "60xx"}, "OverlayData"),
        ({"text": "NameToUse"}, "NameToUse"),  # newer than pydicom's dictionary
    ],
)
def test_the_whole_dictionary_is_searched_by_fragments(search, keyword):
    assert keyword in set(dicom.search_dictionary(**search)["keyword"])


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (",0010", lambda tag: tag[4:] == "0010"),
        ("0010,", lambda tag: tag[:4] == "0010"),
        ("0010", lambda tag: "0010" in (tag[:4], tag[4:])),
        ("0010,001", lambda tag: tag.startswith("0010001")),
        ("0010001", lambda tag: tag.startswith("0010001")),
        ("(0010, 0010)", lambda tag: tag == "00100010"),
    ],
)
def test_a_fragment_of_a_tag_never_reaches_from_group_to_element(text, fits):
    found = dicom.search_dictionary(text)
    tags = (dicom.dictionary()["group"] + dicom.dictionary()["element"]).to_list()
    assert sorted(found["group"] + found["element"]) == sorted(filter(fits, tags))
    assert len(found)


def test_a_word_of_hexadecimal_letters_is_a_word():
    assert dicom.search_dictionary("face")["name"].str.contains("face", case=False).all()


def test_a_search_by_vr_finds_that_vr_only():
    assert set(dicom.search_dictionary(vr="PN")["vr"]) == {"PN"}
    assert len(dicom.search_dictionary("AS")) > 1
    assert len(dicom.dictionary()) > 5000


def test_the_dictionary_knows_actions_and_identifiers():
    found = dicom.search_dictionary("0010,0020").iloc[0]
    assert (found["action"], found["hipaa"]) == ("Z/D", 8)


@pytest.mark.parametrize(
    ("tag", "creator", "says"),
    [
        (0x00101010, "", {"basic profile": "X", "retain-patient-characteristics": "K"}),
        (0x60023000, "", {"basic profile": "X", "clean-graphics": "C"}),
        (0x0019100C, "SIEMENS MR HEADER", {"basic profile": "X", "retain-safe-private": "C"}),
        (0x00280010, "", {}),
    ],
)
def test_the_standard_is_quoted_for_elements_groups_and_private_blocks(tag, creator, says):
    found = dicom.standard_says(tag, creator)
    assert dict(zip(found["under"], found["code"], strict=True)) == says


def test_a_private_element_that_the_standard_does_not_list_goes_under_every_option():
    (_, action) = dicom.standard_says(0x0019100D, "AN UNKNOWN VENDOR")["action"]
    assert action.startswith("removed")


def test_a_search_in_no_column_is_bad_usage(dataset):
    with pytest.raises(UsageError, match="anywhere, group"):
        dicom.matching(dicom.tag_table(dataset), "x", "diagnosis")


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
