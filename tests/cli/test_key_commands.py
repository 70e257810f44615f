import stat

import pytest
from cryptography.fernet import Fernet
from pydicom import dcmread
from pydicom.data import get_testdata_file


@pytest.fixture
def file(tmp_path):
    dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
    dataset.PatientName, dataset.PatientID = "Okafor^Ngozi", "MRN-778811"
    dataset.save_as(tmp_path / "a.dcm")
    return tmp_path / "a.dcm"


def test_a_new_key_is_private_fernets_and_never_replaced(medlab, tmp_path):
    result = medlab("key", "new", tmp_path / "key")
    assert result.exit_code == 0
    key = (tmp_path / "key").read_bytes()
    assert key.decode().strip() not in result.output
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    Fernet(key.strip())
    assert medlab("key", "new", tmp_path / "key").exit_code == 1
    assert (tmp_path / "key").read_bytes() == key


def test_elements_are_hidden_and_come_back(medlab, file, tmp_path):
    medlab("key", "new", tmp_path / "key")
    hidden, opened = tmp_path / "hidden.dcm", tmp_path / "opened.dcm"
    assert medlab("encrypt", file, hidden, "--key-file", tmp_path / "key").exit_code == 0
    assert b"Okafor" not in hidden.read_bytes()
    assert medlab("decrypt", hidden, opened, "--key-file", tmp_path / "key").exit_code == 0
    assert dcmread(opened).PatientName == "Okafor^Ngozi"


def test_a_folder_of_which_nothing_was_written_ends_with_1(medlab, tmp_path):
    medlab("key", "new", tmp_path / "key")
    (tmp_path / "empty").mkdir()
    result = medlab(
        "encrypt", tmp_path / "empty", tmp_path / "out", "--key-file", tmp_path / "key"
    )
    assert result.exit_code == 1
    assert "0 files written, 0 refused" in result.output


def test_an_element_that_does_not_exist_is_refused_before_anything_is_read(medlab, file, tmp_path):
    result = medlab("encrypt", file, tmp_path / "out.dcm", "--elements", "ShoeSize")
    assert result.exit_code in (1, 2)
    assert not (tmp_path / "out.dcm").exists()
