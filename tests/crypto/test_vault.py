import itertools
import json
import sqlite3
import threading
import unicodedata
from itertools import permutations

import pytest

from medlab.crypto import Vault, audit, lock, write_key
from medlab.crypto.vault import _key_of_passphrase
from medlab.errors import InputError, MissingError, RefusedError, UsageError

KEY = bytes(range(32))


def words(path, text="thirteen hungry storks\n"):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def shares(tmp_path):
    for name in "abcd":
        write_key(tmp_path / name)
    return [tmp_path / name for name in "abcd"]


def test_any_two_shares_in_any_order_give_the_key_back(shares):
    closed = lock(shares=shares[:3]).close(KEY)
    for pair in permutations(shares[:3], 2):
        assert lock(shares=pair).open(closed) == KEY
    assert lock(shares=shares[:3]).open(closed) == KEY
    for pair in permutations(shares, 2):
        if shares[3] in pair:
            with pytest.raises(RefusedError, match="these shares"):
                lock(shares=pair).open(closed)


def test_two_locks_of_one_key_have_nothing_in_common(shares):
    first, second = (json.loads(lock(shares=shares[:3]).close(KEY)) for _ in range(2))
    assert first["salt"] != second["salt"]
    assert not set(first["sealed"]) & set(second["sealed"])
    assert len(set(first["sealed"])) == 3


def test_a_passphrase_opens_what_it_closed_with_every_end_of_line_and_form_of_letters(tmp_path):
    text = "Größe über alles"
    closed = lock(words(tmp_path / "a", text)).close(KEY)
    for number, same in enumerate((text + "\r\n", unicodedata.normalize("NFD", text) + "\n")):
        assert lock(words(tmp_path / f"{number}", same)).open(closed) == KEY
    with pytest.raises(RefusedError, match="this passphrase does not open"):
        lock(words(tmp_path / "b", text + "!")).open(closed)


def test_a_lock_shows_no_secret_when_it_is_printed(tmp_path, shares):
    assert "storks" not in repr(lock(words(tmp_path / "words")))
    assert not any(
        str(one) in repr(lock(shares=shares[:2])) for one in lock(shares=shares[:2]).secrets
    )


def test_an_altered_lock_opens_nothing(tmp_path):
    mine = lock(words(tmp_path / "words"))
    noted = json.loads(mine.close(KEY))
    last = noted["sealed"][0][-2:]
    noted["sealed"] = [noted["sealed"][0][:-2] + ("00" if last != "00" else "01")]
    with pytest.raises(RefusedError):
        mine.open(json.dumps(noted).encode())


@pytest.mark.parametrize("number", [1, 4])
def test_a_number_of_shares_that_makes_no_sense_is_refused(shares, number):
    with pytest.raises(UsageError, match="three shares"):
        lock(shares=shares[:number])


def test_what_is_no_lock_is_refused(tmp_path, shares):
    assert lock() is None
    with pytest.raises(UsageError, match="name one"):
        lock(words(tmp_path / "words"), shares)
    with pytest.raises(InputError, match="same key"):
        lock(shares=[shares[0], shares[0]])
    with pytest.raises(MissingError, match="passphrase file is not there"):
        lock(tmp_path / "none")
    with pytest.raises(InputError, match="eight characters"):
        lock(words(tmp_path / "short", "seven77\n"))
    with pytest.raises(UsageError, match="locked with three"):
        lock(shares=shares[:2]).close(KEY)


@pytest.mark.parametrize("altered", [b"x", b"{}", b'{"kind": "passphrase"}', b"[]", b"\xff"])
def test_a_vault_with_an_altered_lock_says_so_in_one_sentence(tmp_path, altered):
    mine = lock(words(tmp_path / "words"))
    Vault(tmp_path / "v", mine).close()
    db = sqlite3.connect(tmp_path / "v")
    db.execute("UPDATE about SET sealed = ? WHERE name = 'lock'", [altered])
    db.commit()
    db.close()
    for opener in (mine, KEY):
        with pytest.raises((InputError, RefusedError), match="vault"):
            Vault(tmp_path / "v", opener)


def test_a_vault_says_what_opens_it(tmp_path, shares):
    mine = lock(words(tmp_path / "words"))
    with Vault(tmp_path / "v", mine) as vault:
        assert vault.locked_by == "passphrase"
        key = vault.key
        vault.remember([("patient", "P-1", "Doe^Jane", "one")])
    with Vault(tmp_path / "v", key) as vault:  # as a worker of the job has it
        assert vault.original("patient", "P-1", reason="x") == "Doe^Jane"
    for opener in (KEY, lock(shares=shares[:3])):
        with pytest.raises(RefusedError, match="by passphrase"):
            Vault(tmp_path / "v", opener)
    with Vault(tmp_path / "v", mine) as vault:
        vault.rotate(KEY)
        assert vault.locked_by == ""
    with pytest.raises(RefusedError, match="opens by a key file"):
        Vault(tmp_path / "v", mine)


KEY, OTHER = bytes(range(32)), bytes(32)
WHY = {"reason": "finding"}


def test_a_code_leads_back_to_the_person(vault):
    assert vault.original("patient", "P-1", **WHY) == "Doe^Jane"
    assert vault.originals("patient", ["P-2", "P-9"], **WHY) == {"P-2": "Roe^Richard"}
    with pytest.raises(MissingError):
        vault.original("patient", "P-9", **WHY)


def test_no_value_stands_in_the_file_in_clear(vault):
    vault.close()
    data = vault.path.read_bytes()
    assert b"Doe" not in data
    assert b"Roe" not in data
    assert vault.path.stat().st_mode & 0o777 == 0o600


def test_every_read_is_logged_without_the_value(vault):
    vault.original("patient", "P-1", reason="incidental finding")
    vault.originals("patient", ["P-1", "P-2"], **WHY)
    lines = [json.loads(line) for line in vault.log.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["vault read", "vault read"]
    assert lines[0]["reason"] == "incidental finding"
    assert "Doe" not in vault.log.read_text()
    assert audit.check(vault.log, audit.audit_key(KEY)) == []


def cut(vault, lines):
    kept = vault.log.read_bytes().splitlines(keepends=True)[:lines]
    vault.log.write_bytes(b"".join(kept))


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_lines_cut_off_the_end_of_the_log_are_found_and_stop_further_reads(vault, lines):
    for _ in range(3):
        vault.original("patient", "P-1", **WHY)
    assert vault.check_log() == []
    vault.close()
    cut(vault, lines)
    assert audit.check(vault.log) == []  # the chain alone does not show it
    with Vault(vault.path, KEY) as again:
        assert "lines are missing" in again.check_log()[-1]
        with pytest.raises(RefusedError, match="lines of this vault's log are missing"):
            again.original("patient", "P-1", **WHY)
    assert len(vault.log.read_bytes().splitlines()) == lines


def test_a_log_that_is_gone_stops_further_reads_and_is_not_begun_anew(vault):
    vault.original("patient", "P-1", **WHY)
    vault.close()
    vault.log.unlink()
    with Vault(vault.path, KEY) as again:
        with pytest.raises(RefusedError, match="log of this vault is missing"):
            again.original("patient", "P-1", **WHY)
        with pytest.raises(MissingError, match="no audit log"):
            again.check_log()
    assert not vault.log.exists()


def test_a_line_that_a_crash_left_unnoted_is_no_fault(vault):
    vault.original("patient", "P-1", **WHY)
    with audit.AuditLog(vault.log, audit.sealing_key(KEY)) as log:
        log.append("vault read", kind="patient", count=1)
    assert vault.original("patient", "P-1", **WHY) == "Doe^Jane"
    assert vault.check_log() == []


def test_another_key_opens_nothing(vault):
    with pytest.raises(RefusedError, match="another key"):
        Vault(vault.path, OTHER)


def test_a_file_that_is_no_vault_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match="not a vault"):
        Vault(tmp_path / "x", KEY)


def test_values_exchanged_between_rows_are_refused(vault):
    db = sqlite3.connect(vault.path)
    first = db.execute("SELECT sealed FROM entry WHERE code = 'P-1'").fetchone()[0]
    db.execute("UPDATE entry SET sealed = ? WHERE code = 'P-2'", [first])
    db.commit()
    db.close()
    with pytest.raises(RefusedError):
        vault.original("patient", "P-2", **WHY)


def test_rotation_moves_all_values_and_the_old_key_opens_nothing(vault):
    vault.remember(
        ("uid", f"2.25.{n + 9}", f"1.2.{n + 9}", "") for n in range(2500)
    )  # several pages
    assert vault.rotate(OTHER) == 2508
    assert vault.original("patient", "P-1", **WHY) == "Doe^Jane"
    vault.close()
    with pytest.raises(RefusedError):
        Vault(vault.path, KEY)
    with Vault(vault.path, OTHER) as again:
        assert again.original("uid", "2.25.2499", **WHY) == "1.2.2499"
        assert again.code_key == KEY  # codes drawn from it stay the same
        assert again.check_log() == []
    cut(vault, 1)
    with Vault(vault.path, OTHER) as again:
        assert again.check_log() != []


def test_a_drawn_code_is_drawn_once_and_never_twice_the_same(vault):
    draws = itertools.cycle(["A", "B"])
    first = vault.code_for("mrn", "123", lambda: next(draws))
    assert vault.code_for("mrn", "123", lambda: "Z") == first == "A"
    assert vault.code_for("mrn", "456", lambda: "B" if next(draws) == "A" else "A") == "B"
    assert vault.original("mrn", "B", **WHY) == "456"


def test_processes_that_ask_at_once_get_the_same_code(tmp_path):
    Vault(tmp_path / "v", KEY).close()
    codes = []

    def ask(number):
        with Vault(tmp_path / "v", KEY) as vault:
            codes.append(vault.code_for("mrn", "123", lambda: f"C{number}"))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(codes)) == 1
    assert len(codes) == 4


def test_a_vault_counts_what_it_holds(vault):
    assert vault.count() == {"label": 1, "patient": 4, "uid": 3}


def test_scrypt_is_that_of_rfc_7914():
    # RFC 7914 section 12 has N = 16384 only with this salt; ours asks for 16 bytes and more,
    # so hashlib is the peer here.
    import hashlib

    salt = b"sixteen bytes ok"
    expected = hashlib.scrypt(b"correct horse", salt=salt, n=2**14, r=8, p=1, dklen=32)
    assert _key_of_passphrase("correct horse", salt, 14) == expected


def test_a_short_passphrase_is_refused():
    with pytest.raises(InputError, match="eight"):
        _key_of_passphrase("1234567", bytes(16), 14)
