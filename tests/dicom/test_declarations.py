import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import dicom
from medlab.dicom.declarations import add_codes, method_lines, new_meta
from medlab.errors import InputError

KEY = bytes(range(32))


@pytest.fixture
def dataset():
    return dcmread(get_testdata_file("CT_small.dcm", download=False))


def test_a_code_is_added_once_and_others_stay(dataset):
    add_codes(dataset, [("113100", "Basic"), ("113101", "Clean Pixel Data")])
    add_codes(dataset, [("113101", "Clean Pixel Data"), ("113102", "Faces")])
    codes = [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101", "113102"]
    assert {
        item.CodingSchemeDesignator for item in dataset.DeidentificationMethodCodeSequence
    } == {"DCM"}


@pytest.mark.parametrize(
    ("value", "lines"), [(None, []), ("", []), ("one", ["one"]), (["a", "b"], ["a", "b"])]
)
def test_the_lines_of_the_method_are_a_list_whatever_their_number(dataset, value, lines):
    if value is not None:
        dataset.DeidentificationMethod = value
    assert method_lines(dataset) == lines


def test_a_file_says_that_its_dates_were_moved_only_where_they_were(dataset):
    done, _ = dicom.deidentify(dataset, "research", key=KEY)
    assert done.LongitudinalTemporalInformationModified == "MODIFIED"
    assert done.DeidentificationMethod.startswith("medlab ")  # one line, and nothing before it


@pytest.mark.parametrize(
    ("option", "keyword"),
    [
        ("clean-pixel-data", "BurnedInAnnotation"),
        ("clean-recognizable-visual-features", "RecognizableVisualFeatures"),
    ],
)
def test_a_claim_sets_its_own_element_alone(dataset, option, keyword):
    both = {"BurnedInAnnotation", "RecognizableVisualFeatures"}
    dicom.claim(dataset, option)
    assert dataset[keyword].value == "NO"
    assert not (both - {keyword}) & set(dataset.dir())
    with pytest.raises(InputError, match="not about pixels"):
        dicom.claim(dataset, "retain-uids")


def test_new_file_meta_names_this_implementation_and_no_sender():
    meta = new_meta("1.2.840.10008.1.2.1")
    assert meta.ImplementationClassUID == "2.25.160468915264017418043811570219826114517"
    assert meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert "SourceApplicationEntityTitle" not in meta
