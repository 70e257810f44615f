"""What `medlab decoys` makes of its words, what it prints, and its exit codes."""

import json

import pytest

from medlab.errors import RefusedError
from medlab.pipeline import decoys


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
