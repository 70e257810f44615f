"""Elements under a key, on the command line; opened again by cryptography alone."""

import json
import stat

import pydicom
import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet
from pydicom.data import get_testdata_file

from medlab.cli import commands


def call(*words):
    done = CliRunner().invoke(commands, [str(word) for word in words])
    return done.exit_code, done.output


@pytest.fixture
def key(tmp_path):
    assert call("key", "new", tmp_path / "key")[0] == 0
    return tmp_path / "key"


@pytest.fixture
def ward(tmp_path):
    root = tmp_path / "ward"
    (root / "deep").mkdir(parents=True)
    for number, place in enumerate(("a.dcm", "deep/b.dcm")):
        dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
        dataset.PatientName, dataset.PatientID = f"Größe^Élan{number}", f"MRN-77{number:04d}"
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.save_as(root / place)
    (root / "note.txt").write_text("no image")
    return root


def test_a_key_is_new_private_and_fernets(key):
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    Fernet(key.read_bytes().strip())
    before = key.read_bytes()
    code, said = call("key", "new", key)
    assert code == 1
    assert "exists" in said
    assert key.read_bytes() == before
    assert before.decode().strip() not in said


def test_what_is_encrypted_comes_back_and_opens_with_fernet_alone(ward, key, tmp_path):
    names = "PatientName,PatientID,StudyDate"
    done = call("encrypt", ward, tmp_path / "out", "--elements", names, "--key-file", key)
    assert done[0] == 0
    assert "2 files written, 0 refused" in done[1]
    assert "no de-identification" in done[1]
    for place in ("a.dcm", "deep/b.dcm"):
        source, hidden = pydicom.dcmread(ward / place), pydicom.dcmread(tmp_path / "out" / place)
        assert (hidden.PatientName, hidden.PatientID, hidden.StudyDate) == ("", "", "")
        assert hidden.PatientBirthDate == source.PatientBirthDate
        assert str(source.PatientID).encode() not in (tmp_path / "out" / place).read_bytes()
        token = hidden.private_block(0x0011, "MEDLAB ENCRYPTED")[1].value
        opened = json.loads(Fernet(key.read_bytes().strip()).decrypt(token.encode()))
        assert opened["00100020"]["Value"] == [source.PatientID]
    assert call("decrypt", tmp_path / "out", tmp_path / "back", "--key-file", key)[0] == 0
    for place in ("a.dcm", "deep/b.dcm"):
        source, back = pydicom.dcmread(ward / place), pydicom.dcmread(tmp_path / "back" / place)
        assert back == source


def test_another_key_opens_nothing_and_is_counted(ward, key, tmp_path):
    call("encrypt", ward, tmp_path / "out", "--key-file", key)
    call("key", "new", tmp_path / "other")
    done = call("decrypt", tmp_path / "out", tmp_path / "back", "--key-file", tmp_path / "other")
    assert done[0] == 1
    assert "0 files written, 2 refused" in done[1]
    assert not list((tmp_path / "back").rglob("*.dcm"))


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("ward", "out", "--elements", "PatientNose"), 1, "no DICOM keyword PatientNose"),
        (("ward", "ward"), 1, "SRC and DST are the same"),
        (("nowhere", "out"), 2, "SRC does not exist"),
    ],
)
def test_bad_calls_write_nothing(ward, key, tmp_path, words, code, sentence):
    before = sorted(ward.rglob("*"))
    places = [tmp_path / word if number < 2 else word for number, word in enumerate(words)]
    done = call("encrypt", *places, "--key-file", key)
    assert done[0] == code
    assert sentence in done[1]
    assert sorted(ward.rglob("*")) == before
    assert not (tmp_path / "out").exists()


def test_a_second_token_never_replaces_the_first(ward, key, tmp_path):
    call("encrypt", ward, tmp_path / "once", "--key-file", key)
    done = call("encrypt", tmp_path / "once", tmp_path / "twice", "--key-file", key)
    assert done[0] == 1
    assert "0 files written, 2 refused" in done[1]


def test_one_file_goes_to_one_file_and_no_key_is_a_sentence(ward, key, tmp_path, monkeypatch):
    monkeypatch.delenv("MEDLAB_KEY_FILE", raising=False)
    assert "no key" in call("encrypt", ward / "a.dcm", tmp_path / "x.dcm")[1]
    monkeypatch.setenv("MEDLAB_KEY_FILE", str(key))
    assert call("encrypt", ward / "a.dcm", tmp_path / "x.dcm")[0] == 0
    assert pydicom.dcmread(tmp_path / "x.dcm").PatientID == ""
