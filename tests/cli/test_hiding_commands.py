import json

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file


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
