import hashlib
import hmac
import os

import pytest
from cryptography.fernet import Fernet

from medlab import crypto
from medlab.errors import InputError, MissingError, RefusedError

KEY = bytes(range(32))


def test_keyed_digest_is_hmac_sha256_of_length_prefixed_parts():
    message = (
        b"medlab\x01" + (3).to_bytes(8, "big") + b"uid" + (2).to_bytes(8, "big") + b"\xc3\xa9"
    )
    expected = hmac.new(KEY, message, hashlib.sha256).digest()
    assert crypto.keyed_digest(KEY, "uid", "é") == expected


def test_moving_a_letter_between_parts_changes_the_digest():
    assert crypto.keyed_digest(KEY, "ab", "c") != crypto.keyed_digest(KEY, "a", "bc")
    assert crypto.keyed_digest(KEY, "abc") != crypto.keyed_digest(KEY, "abc", "")


def test_text_and_its_utf8_bytes_are_the_same_part():
    assert crypto.keyed_digest(KEY, "né") == crypto.keyed_digest(KEY, "né".encode())


def test_a_short_key_is_refused():
    with pytest.raises(InputError, match="too short"):
        crypto.keyed_digest(b"secret", "uid")


def test_a_written_key_is_read_back_and_only_its_owner_may_read_it(tmp_path):
    key = crypto.write_key(tmp_path / "key")
    assert crypto.load_key(tmp_path / "key") == key
    assert len(key) == 32
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_key_file_is_never_overwritten(tmp_path):
    crypto.write_key(tmp_path / "key", KEY)
    with pytest.raises(RefusedError, match="exists"):
        crypto.write_key(tmp_path / "key")
    assert crypto.load_key(tmp_path / "key") == KEY


def test_a_fernet_key_file_is_taken_as_it_is(tmp_path):
    text = Fernet.generate_key()
    (tmp_path / "fernet").write_bytes(text)
    assert Fernet(text)._encryption_key == crypto.load_key(tmp_path / "fernet")[16:]


def test_any_long_secret_gives_a_key_and_a_newline_makes_no_difference(tmp_path):
    (tmp_path / "a").write_bytes(b"a long secret of the project")
    (tmp_path / "b").write_bytes(b"a long secret of the project\r\n")
    assert crypto.load_key(tmp_path / "a") == crypto.load_key(tmp_path / "b")
    (tmp_path / "c").write_bytes(b"short\n")
    with pytest.raises(InputError, match="5 bytes") as caught:
        crypto.load_key(tmp_path / "c")
    assert "short" not in str(caught.value)


def test_the_named_file_comes_before_the_environment_and_that_before_the_fallback(
    tmp_path, monkeypatch
):
    named, environment = (crypto.write_key(tmp_path / name) for name in ("named", "env"))
    monkeypatch.setenv("MEDLAB_KEY_FILE", str(tmp_path / "env"))
    assert crypto.load_key(tmp_path / "named") == named
    assert crypto.load_key(fallback=tmp_path / "own") == environment
    assert not (tmp_path / "own").exists()


def test_a_job_makes_its_own_key_once(tmp_path, monkeypatch):
    monkeypatch.delenv("MEDLAB_KEY_FILE", raising=False)
    first = crypto.load_key(fallback=tmp_path / "own")
    assert crypto.load_key(fallback=tmp_path / "own") == first
    with pytest.raises(MissingError, match="MEDLAB_KEY_FILE"):
        crypto.load_key()
    with pytest.raises(MissingError, match="not there"):
        crypto.load_key(tmp_path / "absent")


@pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")
def test_a_key_that_others_can_read_is_warned_about(tmp_path, caplog):
    crypto.write_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    crypto.load_key(tmp_path / "key")
    assert "0600" in caplog.text
