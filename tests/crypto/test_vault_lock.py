import json
import sqlite3
import unicodedata
from itertools import permutations

import pytest

from medlab.crypto import Vault, lock, write_key
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
