import hashlib
import hmac
import json
import os
import sqlite3
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from medlab import crypto
from medlab.crypto import Vault, audit, keys, lock, write_key
from medlab.crypto.vault import log_head
from medlab.errors import InputError, MissingError, RefusedError, UsageError

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


KEY, OTHER = bytes(range(32)), bytes(32)
WHY = {"reason": "finding"}


def test_a_patients_key_reads_the_patients_rows_and_leaves_others_out(vault):
    one = vault.patient_key("P-1", **WHY)
    with Vault(vault.path, one) as mine:
        assert mine.originals("patient", ["P-1", "P-2", "P-3"], **WHY) == {"P-1": "Doe^Jane"}
        assert mine.originals("uid", ["2.25.1", "2.25.2"], **WHY) == {"2.25.1": "1.2.3"}
        assert mine.originals("label", ["L-1"], **WHY) == {}
        assert mine.originals("uid", ["2.25.2"], owner="two", **WHY) == {}
        assert mine.check_log() == []
    assert vault.check_log() == []


def test_a_patients_key_writes_nothing_draws_nothing_and_makes_no_keys(vault):
    with Vault(vault.path, vault.patient_key("P-1", **WHY)) as mine:
        for forbidden in (
            lambda: mine.remember([("patient", "P-1", "Foe^Jo", "one")]),
            lambda: mine.code_for("mrn", "123", lambda: "A"),
            lambda: mine.patient_key("P-2", **WHY),
            lambda: mine.rotate(OTHER),
        ):
            with pytest.raises(RefusedError, match="vault's key"):
                forbidden()
        assert mine.key == mine.code_key == b""
    assert vault.original("patient", "P-1", **WHY) == "Doe^Jane"


def test_a_patients_key_that_claims_to_be_anothers_opens_nothing(vault):
    one = vault.patient_key("P-1", **WHY)
    for code, owner in (("P-2", "two"), ("P-2", "one"), ("P-1", "two"), ("L-1", "")):
        with pytest.raises(RefusedError, match="not of this vault"):
            Vault(vault.path, replace(one, code=code, owner=owner))
    db = sqlite3.connect(vault.path)  # another's row under this one's mark
    db.execute("UPDATE entry SET owner = 'one' WHERE code = '2.25.2'")
    db.commit()
    db.close()
    with Vault(vault.path, one) as mine, pytest.raises(RefusedError):
        mine.originals("uid", ["2.25.2"], **WHY)


def test_a_code_of_two_patients_stands_for_the_one_who_is_asked_for_or_for_nobody(vault):
    assert vault.originals("patient", ["P-3"], **WHY) == {}
    assert vault.originals("patient", ["P-3"], owner="four", **WHY) == {"P-3": "Moe^Ann"}
    assert vault.originals("uid", ["2.25.1"], **WHY) == {"2.25.1": "1.2.3"}  # the same for both


def test_no_key_is_made_for_two_patients_of_one_code_or_for_nobody(vault):
    for code in ("P-3", "P-9", "L-1"):
        with pytest.raises(MissingError):
            vault.patient_key(code, **WHY)


def test_reading_and_making_keys_need_a_reason(vault):
    with pytest.raises(UsageError, match="reason"):
        vault.originals("patient", ["P-1"], reason=" ")
    with pytest.raises(UsageError, match="reason"):
        vault.patient_key("P-1", reason="")
    assert not vault.log.exists()


def test_a_rotated_vault_ends_the_keys_of_patients_and_keeps_the_auditors(vault):
    one, auditor = vault.patient_key("P-1", **WHY), vault.audit_key
    vault.rotate(OTHER)
    with pytest.raises(RefusedError, match="get a new one"):
        Vault(vault.path, one)
    assert vault.audit_key == auditor
    assert audit.check(vault.log, auditor, log_head(vault.path, auditor)) == []


def test_a_vault_whose_log_was_cut_is_not_rotated(vault):
    vault.original("patient", "P-1", **WHY)
    vault.log.write_bytes(b"")
    with pytest.raises(RefusedError, match="missing"):
        vault.rotate(OTHER)
    with pytest.raises(RefusedError, match="another key"):
        Vault(vault.path, OTHER)
    Vault(vault.path, KEY).close()


def test_the_end_of_a_log_can_be_noted_by_nobody_who_only_audits(vault):
    vault.original("patient", "P-1", **WHY)
    vault.original("patient", "P-1", **WHY)
    entries = [json.loads(line) for line in vault.log.read_bytes().splitlines()]
    first = entries[0]["hash"]
    db = sqlite3.connect(vault.path)
    for signature in (entries[0]["seal"], "00" * 64, vault.audit_key.hex() * 2, "x", ""):
        db.execute(
            "UPDATE about SET sealed = ? WHERE name = 'log'", [f"{first} {signature}".encode()]
        )
        db.commit()
        with pytest.raises(RefusedError, match="altered"):
            log_head(vault.path, vault.audit_key)
    db.execute("DELETE FROM about WHERE name = 'log'")
    db.commit()
    db.close()
    with pytest.raises(RefusedError, match="altered"):
        log_head(vault.path, vault.audit_key)


def test_files_of_roles_are_read_back_as_what_they_are_and_never_as_a_vaults_key(vault, tmp_path):
    one = vault.patient_key("P-1", **WHY)
    one.write(tmp_path / "one")
    keys.write_audit_key(tmp_path / "auditor", vault.audit_key)
    write_key(tmp_path / "key")
    assert keys.PatientKey.read(tmp_path / "one") == one
    assert keys.read_audit_key(tmp_path / "auditor") == vault.audit_key
    assert keys.read_audit_key(tmp_path / "one") is None
    assert keys.PatientKey.read(tmp_path / "auditor") is None
    assert keys.PatientKey.read(tmp_path / "key") is None
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
    for name in ("one", "auditor"):
        with pytest.raises(InputError, match="not that of a vault"):
            lock(shares=[tmp_path / name, tmp_path / "key"])
    with pytest.raises(RefusedError, match="exists"):
        one.write(tmp_path / "one")


@pytest.mark.parametrize("cut", [1, 20, 40, 60])
def test_a_damaged_key_of_a_role_is_said_to_be_one(vault, tmp_path, cut):
    vault.patient_key("P-1", **WHY).write(tmp_path / "one")
    damaged = tmp_path / "damaged"
    damaged.write_bytes((tmp_path / "one").read_bytes().strip()[:-cut])
    damaged.chmod(0o600)
    with pytest.raises(InputError, match="damaged"):
        keys.PatientKey.read(damaged)


def test_a_patients_key_is_not_shown_when_it_is_printed(vault):
    one = vault.patient_key("P-1", **WHY)
    assert not any(str(secret)[2:-1] in repr(one) for secret in (one.key, one.sealing))


def test_a_vault_from_before_patients_keys_is_refused_and_left_alone(tmp_path):
    db = sqlite3.connect(tmp_path / "old.db")
    db.execute("CREATE TABLE entry (kind TEXT, code TEXT, digest BLOB, sealed BLOB)")
    db.commit()
    db.close()
    before = (tmp_path / "old.db").read_bytes()
    with pytest.raises(RefusedError, match="from before patients"):
        Vault(tmp_path / "old.db", KEY)
    assert (tmp_path / "old.db").read_bytes() == before
