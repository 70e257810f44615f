import json
import threading

import pytest

from medlab.crypto import audit
from medlab.errors import InputError, MissingError

CODE_KEY = bytes(range(32))
SEALING, KEY = audit.sealing_key(CODE_KEY), audit.audit_key(CODE_KEY)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "audit.jsonl"
    with audit.AuditLog(path, SEALING) as entries:
        for number in range(4):
            entries.append("file", row=number, actions={"X": number})
    return path


def lines_of(path):
    return path.read_text().splitlines(keepends=True)


def test_an_untouched_log_has_no_problem(log):
    assert audit.check(log) == []
    assert audit.check(log, KEY) == []
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_log_says_who_and_when_and_goes_on_where_it_ended(log):
    with audit.AuditLog(log, SEALING) as entries:
        head = entries.append("job ended")
    last = json.loads(lines_of(log)[-1])
    assert last["n"] == 5
    assert last["who"]
    assert last["time"].endswith("+00:00")
    assert audit.check(log, KEY, head) == []


def test_a_changed_line_is_found(log):
    text = log.read_text()
    log.write_text(text.replace('"row":2', '"row":7'))
    assert audit.check(log) == ["line 3 was changed after it was written"]


def test_a_removed_line_is_found(log):
    lines = lines_of(log)
    log.write_text("".join(lines[:1] + lines[2:]))
    assert audit.check(log) == ["line 2 does not follow the line before it"]


def test_exchanged_lines_are_found(log):
    lines = lines_of(log)
    log.write_text("".join([lines[0], lines[2], lines[1], lines[3]]))
    assert audit.check(log)


def test_lines_cut_off_at_the_end_show_against_the_noted_head(log):
    head = json.loads(lines_of(log)[-1])["hash"]
    log.write_text("".join(lines_of(log)[:-1]))
    assert audit.check(log, KEY) == []
    assert "missing" in audit.check(log, KEY, head)[0]


def test_a_chain_made_anew_without_the_key_fails_its_seals(log, tmp_path):
    forged = tmp_path / "forged"
    with audit.AuditLog(forged) as entries:
        entries.append("file", row=0)
    assert audit.check(forged) == []
    assert audit.check(forged, KEY) == ["line 1 was not sealed with this key"]


def test_a_line_cut_by_a_power_failure_is_reported_and_the_chain_goes_on(log):
    with log.open("ab") as file:
        file.write(b'{"n":5,"ev')
    with audit.AuditLog(log) as entries:
        entries.append("file", row=9)
    assert audit.check(log) == ["line 5 is not a whole line of the log"]


def test_two_writers_share_one_chain(tmp_path):
    def write():
        with audit.AuditLog(tmp_path / "log") as entries:
            for _ in range(50):
                entries.append("file")

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines_of(tmp_path / "log")) == 150
    assert audit.check(tmp_path / "log") == []


def test_a_field_of_the_logs_own_is_refused(log):
    with audit.AuditLog(log) as entries, pytest.raises(InputError):
        entries.append("file", hash="0")


def test_a_missing_log_is_said(tmp_path):
    with pytest.raises(MissingError):
        audit.check(tmp_path / "none")


@pytest.mark.parametrize(
    "junk", [b"[]\n", b"\xff\xfe\n", b'{"n":"1","hash":2}\n', b"[" * 99999 + b"\n"]
)
def test_junk_is_reported_not_raised(tmp_path, junk):
    (tmp_path / "log").write_bytes(junk)
    assert audit.check(tmp_path / "log") == ["line 1 is not a whole line of the log"]


def test_lines_of_one_event_are_chained_and_sealed_like_single_ones(log):
    with audit.AuditLog(log, SEALING) as entries:
        head = entries.extend("file", [{"row": number} for number in (7, 8, 9)])
        with pytest.raises(InputError):
            entries.extend("file", [{"row": 10}, {"hash": ""}])
    assert [json.loads(line)["row"] for line in lines_of(log)[4:]] == [7, 8, 9]
    assert audit.check(log, KEY, head) == []
