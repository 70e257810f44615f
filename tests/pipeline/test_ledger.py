import os
from pathlib import Path

import pytest

from medlab.errors import InputError
from medlab.pipeline.ledger import Ledger, Phrases, phrase_digest
from medlab.pipeline.settings import Outcome

KEY = bytes(range(32))


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    for name in ("a.dcm", "b.dcm", "c.dcm"):
        ledger.add(Path(name), "file", 10, 1)
    yield ledger
    ledger.close()


def fail(*_):
    raise ZeroDivisionError


def statuses(ledger):
    return [row.status for row in ledger.rows()]


def test_rows_are_numbered_in_the_order_they_came(ledger):
    assert [(e.row, str(e.source)) for e in ledger.open_entries()] == [
        (1, "a.dcm"), (2, "b.dcm"), (3, "c.dcm"),
    ]  # fmt: skip


def test_a_file_that_changed_is_open_again_and_keeps_its_number(ledger):
    ledger.record(Outcome(1, "done", "x.dcm"))
    ledger.add(Path("a.dcm"), "file", 10, 1)
    assert statuses(ledger)[0] == "done"
    ledger.add(Path("a.dcm"), "file", 10, 2)
    assert [entry.row for entry in ledger.open_entries()] == [1, 2, 3]


def test_an_outcome_replaces_what_an_earlier_run_noted(ledger):
    ledger.record(Outcome(1, "refused", findings=[("fail", "left", "PatientName")]))
    ledger.record(Outcome(1, "done", "x", actions={("X", ""): 3}, unchecked=["face"]))
    assert ledger.table("SELECT count(*) FROM finding") == [(0,)]
    assert ledger.table("SELECT code, n FROM action") == [("X", 3)]


def test_a_name_that_is_no_text_is_kept_byte_for_byte(ledger):
    odd = Path(os.fsdecode(b"M\xfcller.dcm"))
    ledger.add(odd, "file", 1, 1)
    assert list(ledger.rows())[-1].source == odd


def test_phrases_are_known_by_digest_only(ledger, tmp_path):
    ledger.examined(1, "dicom", b"i", [phrase_digest(KEY, "doe jane")])
    ledger.write_phrases(tmp_path / "a#b?c.db")
    phrases = Phrases(tmp_path / "a#b?c.db", KEY)
    assert "doe jane" in phrases
    assert "doe john" not in phrases
    assert 5 not in phrases
    phrases.close()
    assert b"doe jane" not in (tmp_path / "ledger.db").read_bytes()


def test_files_of_one_instance_are_found_together(ledger):
    for row, instance in ((1, b"i"), (2, b"j"), (3, b"i")):
        ledger.examined(row, "dicom", instance, [])
    assert [[e.row for e in group] for group in ledger.same_instances()] == [[1, 3]]


def test_kept_texts_are_counted_and_rare_ones_come_first(ledger):
    ledger.record(Outcome(1, "done", "x", kept=[("A", "stroke"), ("A", "Doe")]))
    ledger.record(Outcome(2, "done", "y", kept=[("A", "stroke")]))
    assert list(ledger.kept_texts()) == [("A", "Doe", 1, 1), ("A", "stroke", 2, 1)]


def test_an_error_within_a_batch_writes_nothing_of_it(ledger):
    with pytest.raises(ZeroDivisionError), ledger.together():
        fail(ledger.settle(1, "refused"))
    assert statuses(ledger) == ["", "", ""]


def test_a_damaged_ledger_is_said(tmp_path):
    (tmp_path / "x").write_bytes(b"junk" * 1000)
    with pytest.raises(InputError, match="damaged"):
        Ledger(tmp_path / "x")
