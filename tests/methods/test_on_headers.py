import numpy as np
import pytest
from cryptography.fernet import Fernet
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from medlab import crypto, methods
from medlab.errors import InputError, MissingError, RefusedError
from medlab.methods import bucketization, encryption, pseudonymization, randomization, suppression

KEY, OTHER = bytes(range(32)), bytes(32)


@pytest.fixture
def datasets():
    study = []
    for age in ("023Y", "047Y", "091Y"):
        dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
        dataset.PatientAge = age
        study.append(dataset)
    return study


def ages(datasets):
    return [dataset.PatientAge for dataset in datasets]


def test_a_verb_changes_one_element_of_all_files_and_leaves_the_originals(datasets):
    out = methods.apply(datasets, "PatientAge", bucketization.age)
    assert ages(out) == ["020Y", "040Y", "090Y"]
    assert ages(datasets) == ["023Y", "047Y", "091Y"]
    out[0].PatientAge = datasets[0].PatientAge
    assert out[0] == datasets[0]


def test_the_vr_of_the_element_reaches_the_verb(datasets):
    out = methods.apply(datasets, "StudyInstanceUID", pseudonymization.code, KEY)
    assert out[0].StudyInstanceUID.startswith("2.25.")


def test_a_cohort_is_permuted_between_its_files(datasets):
    out = methods.apply(datasets, "PatientAge", randomization.permute, np.random.default_rng(2))
    assert sorted(ages(out)) == sorted(ages(datasets))


def test_removed_and_blank_are_two_things(datasets):
    assert "PatientAge" not in methods.apply(datasets, "PatientAge", suppression.remove)[0]
    blank = methods.apply(datasets, "PatientAge", suppression.blank)[0]
    assert "PatientAge" in blank
    assert not blank.PatientAge


def test_a_label_that_does_not_fit_the_header_is_refused(datasets):
    with pytest.raises(InputError, match="VR AS"):
        methods.apply(datasets, "PatientAge", bucketization.age, label=True)


def test_a_token_never_goes_into_a_name(datasets):
    with pytest.raises(InputError, match="VR LO"):
        methods.apply(datasets, "PatientID", encryption.encrypt, KEY)


def test_a_dataset_without_the_element_is_left_alone(datasets):
    del datasets[1].PatientAge
    out = methods.apply(datasets, "PatientAge", bucketization.age)
    assert "PatientAge" not in out[1]
    with pytest.raises(MissingError, match="Agee"):
        methods.apply(datasets, "PatientAgee", bucketization.age)


def test_several_values_are_refused():
    dataset = Dataset()
    dataset.OtherPatientNames = ["A", "B"]
    with pytest.raises(InputError, match="several"):
        methods.apply([dataset], "OtherPatientNames", suppression.blank)


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


def test_versions_stand_side_by_side_and_the_original_is_masked_wherever_it_stands(datasets):
    original = datasets[0]
    out = methods.apply([original], "PatientID", suppression.blank)[0]
    out = methods.apply([out], "PatientAge", bucketization.age)[0]
    del out.PatientSex
    keywords = ["PatientName", "PatientID", "PatientAge", "PatientSex", "PatientComments"]
    masked = methods.side_by_side({"before": original, "after": out}, keywords)
    assert masked["before"].to_list() == ["••••"] * 4 + ["(absent)"]
    assert masked["after"].to_list() == ["••••", "(empty)", "020Y", "(absent)", "(absent)"]
    shown = methods.side_by_side({"before": original, "after": out}, keywords, reveal=True)
    assert shown.loc["PatientName", "after"] == str(original.PatientName)
