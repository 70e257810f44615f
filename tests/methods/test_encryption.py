"""Names and IDs encrypted into a private block, and back."""

import pytest
from cryptography.fernet import Fernet
from methods_cases import KEY, OTHER
from pydicom import Dataset, dcmread

from medlab import crypto, methods
from medlab.errors import InputError, MissingError, RefusedError
from medlab.methods import encryption


def test_a_token_never_goes_into_a_name(datasets):
    with pytest.raises(InputError, match="VR LO"):
        methods.apply(datasets, "PatientID", encryption.encrypt, KEY)


def test_name_and_id_are_hidden_in_a_private_block_and_come_back(datasets, tmp_path):
    original = datasets[0]
    original.PatientID = "MRN-004711"
    hidden = encryption.encrypt_elements(original, KEY)
    assert not hidden.PatientName
    assert not hidden.PatientID
    hidden.save_as(tmp_path / "hidden.dcm")
    data = (tmp_path / "hidden.dcm").read_bytes()
    assert str(original.PatientName).encode() not in data
    assert original.PatientID.encode() not in data
    assert encryption.decrypt_elements(dcmread(tmp_path / "hidden.dcm"), KEY) == original
    assert encryption.decrypt_elements(hidden, KEY) == original


def test_a_second_encryption_is_refused_in_memory_and_from_disk(datasets, tmp_path):
    hidden = encryption.encrypt_elements(datasets[0], KEY)
    hidden.save_as(tmp_path / "hidden.dcm")
    for again in (hidden, dcmread(tmp_path / "hidden.dcm")):
        before = again.to_json()
        with pytest.raises(RefusedError, match="encrypted already"):
            encryption.encrypt_elements(again, OTHER, ["PatientBirthDate"])
        assert again.to_json() == before
        assert encryption.decrypt_elements(again, KEY) == datasets[0]


def test_encryption_changes_neither_its_input_nor_a_block_of_the_same_group(datasets):
    original = datasets[0]
    original.private_block(encryption.GROUP, "ANOTHER", create=True).add_new(1, "LO", "theirs")
    before = original.to_json()
    hidden = encryption.encrypt_elements(original, KEY)
    once = encryption.decrypt_elements(hidden, KEY)
    twice = encryption.encrypt_elements(once, KEY)
    assert original.to_json() == once.to_json() == before
    assert encryption.decrypt_elements(twice, KEY) == original
    assert twice.private_block(encryption.GROUP, "ANOTHER")[1].value == "theirs"


def test_a_token_opens_with_fernet_itself_and_the_text_of_the_key_file(datasets, tmp_path):
    key = crypto.write_key(tmp_path / "key")
    hidden = encryption.encrypt_elements(datasets[0], key)
    token = hidden.private_block(encryption.GROUP, encryption.CREATOR)[1].value
    opened = Fernet((tmp_path / "key").read_bytes().strip()).decrypt(token)
    assert Dataset.from_json(opened).PatientName == datasets[0].PatientName


def test_a_wrong_key_and_an_absent_block_are_refused(datasets):
    hidden = encryption.encrypt_elements(datasets[0], KEY, ["PatientBirthDate", "AccessionNumber"])
    with pytest.raises(RefusedError, match="wrong key"):
        encryption.decrypt_elements(hidden, OTHER)
    with pytest.raises(MissingError, match="no elements"):
        encryption.decrypt_elements(datasets[0], KEY)
    with pytest.raises(MissingError, match="Nam"):
        encryption.encrypt_elements(datasets[0], KEY, ["PatientNam"])


def test_a_column_of_tokens_joins_and_comes_back():
    import pandas as pd

    column = pd.Series(["123", "456", "123"])
    tokens = encryption.encrypt(column, KEY)
    assert tokens[0] == tokens[2] != tokens[1]
    assert encryption.decrypt(tokens, KEY).to_list() == column.to_list()
