"""Commands of keys, vaults, elements and images."""

import json
import stat

import numpy as np
import pytest
from cryptography.fernet import Fernet
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab.errors import RefusedError
from medlab.pipeline import decoys


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


@pytest.fixture
def place(medlab, tmp_path):
    dcmread(get_testdata_file("CT_small.dcm", download=False)).save_as(tmp_path / "in.dcm")
    (tmp_path / "payload").write_bytes(b"ward 7")
    medlab("key", "new", tmp_path / "key")
    return tmp_path


def hide(medlab, place, *more):
    return medlab(
        "hide", place / "in.dcm", place / "out.dcm", "--payload", place / "payload",
        "--key-file", place / "key", *more,
    )  # fmt: skip


@pytest.mark.parametrize("method", ["shift", "expansion", "lsb", "private"])
def test_what_was_hidden_is_revealed_by_whatever_method(medlab, place, method):
    assert hide(medlab, place, "--method", method).exit_code == 0
    result = medlab(
        "reveal", place / "out.dcm", "--payload", place / "found", "--key-file", place / "key"
    )
    assert result.exit_code == 0
    assert f"hidden by {method}" in result.output
    assert (place / "found").read_bytes() == b"ward 7"


def test_the_image_comes_back_as_it_was(medlab, place):
    hide(medlab, place)
    result = medlab(
        "reveal", place / "out.dcm", "--payload", place / "found", "--restore",
        place / "restored.dcm", "--key-file", place / "key",
    )  # fmt: skip
    assert result.exit_code == 0
    before, after = (dcmread(place / name).pixel_array for name in ("in.dcm", "restored.dcm"))
    assert np.array_equal(before, after)


def test_without_a_key_nothing_is_written(medlab, place, monkeypatch):
    monkeypatch.delenv("MEDLAB_KEY_FILE", raising=False)
    result = medlab("hide", place / "in.dcm", place / "out.dcm", "--payload", place / "payload")
    assert result.exit_code in (1, 2)
    assert result.stderr.startswith("medlab: ")
    assert not (place / "out.dcm").exists()


def test_detect_prints_json(medlab, place):
    hide(medlab, place, "--method", "lsb")
    result = medlab("detect", place / "out.dcm", "--clean", place / "in.dcm")
    assert result.exit_code == 0
    assert isinstance(json.loads(result.output), dict)


def test_a_method_that_does_not_exist_is_bad_usage(medlab, place):
    assert hide(medlab, place, "--method", "paint").exit_code == 2


def test_what_was_added_is_told_in_one_line(medlab, monkeypatch, tmp_path):
    def add(source, target, count, *, key_file, recipient):
        assert (source.name, target.name) == ("src", "clean")
        assert (count, key_file.name, recipient) == (2, "key", "Lab A")
        return 6, "that is 2 of 6 studies"

    monkeypatch.setattr(decoys, "add", add)
    words = ("--count", 2, "--key-file", tmp_path / "key", "--recipient", "Lab A")
    result = medlab("decoys", "add", tmp_path / "src", tmp_path / "clean", *words)
    assert result.exit_code == 0, result.output
    assert result.stdout == "2 decoys of 6 files; that is 2 of 6 studies\n"
    assert result.stderr == ""


def test_what_was_recognized_is_json(medlab, monkeypatch, tmp_path):
    found = {"decoys": 2, "recipients": ["Lab A"]}
    monkeypatch.setattr(decoys, "check", lambda folder, vault, key: found)
    result = medlab("decoys", "check", tmp_path, "--vault", tmp_path / "vault.db")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == found


def test_a_refusal_is_one_sentence_and_prints_nothing(medlab, monkeypatch, tmp_path):
    def check(*_):
        raise RefusedError("this vault is of another job")

    monkeypatch.setattr(decoys, "check", check)
    result = medlab("decoys", "check", tmp_path, "--vault", tmp_path / "vault.db")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "medlab: this vault is of another job\n"


@pytest.mark.parametrize(
    ("words", "missing"),
    [(("add", "src", "clean"), "--count"), (("add", "src", "clean", "--count", 0), "--count"),
     (("check", "folder"), "--vault")],
)  # fmt: skip
def test_words_that_are_left_out_are_bad_usage(medlab, words, missing):
    result = medlab("decoys", *words)
    assert result.exit_code == 2
    assert missing in result.stderr
