"""Who opens what of a job's vault; looked at from outside with sqlite3, hashlib and AES-GCM."""

import base64
import hashlib
import hmac
import json
import shutil
import sqlite3
from itertools import combinations

import pytest
from click.testing import CliRunner
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab.cli import commands

NAMES = {"MRN-778811": "Okafor^Ngozi", "MRN-9923": "Lindqvist^Bo", "MRN-5150": "Takahashi^Rin"}
WORDS = b"thirteen hungry storks"
WHY = ("--reason", "incidental finding")


def run(*words):
    return CliRunner().invoke(commands, [str(word) for word in words])


@pytest.fixture(autouse=True)
def no_key_from_outside(monkeypatch):
    monkeypatch.delenv("MEDLAB_KEY_FILE", raising=False)


@pytest.fixture
def ward(tmp_path):
    """Three patients who share an accession number, a study, a frame of reference; four files."""
    (tmp_path / "in").mkdir()
    study, frame = generate_uid(), generate_uid()
    for number, (mrn, name) in enumerate([*NAMES.items(), ("MRN-9923", "Lindqvist^Bo")]):
        header = dcmread(get_testdata_file("MR_small.dcm", download=False))
        header.PatientID, header.PatientName, header.AccessionNumber = mrn, name, "ACC-1"
        header.StudyInstanceUID = study if number < 2 else generate_uid()
        header.FrameOfReferenceUID, header.SeriesInstanceUID = frame, generate_uid()
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        header.save_as(tmp_path / "in" / f"{number}.dcm")
    (tmp_path / "words").write_bytes(WORDS + b"\n")
    (tmp_path / "words").chmod(0o600)
    return tmp_path


def shares(folder, names):
    for name in names:
        if not (folder / name).exists():
            assert run("key", "new", folder / name).exit_code == 0
    return [word for name in names for word in ("--shares", folder / name)]


def code_of(folder, mrn, *opener):
    """Find the clean Patient ID of a patient by restoring everybody."""
    back = folder / "to-find-codes"
    if not back.exists():
        assert run("reidentify", folder / "out", back, *WHY, *opener).exit_code == 0
    for path in back.rglob("*.dcm"):
        if dcmread(path).PatientID == mrn:
            return dcmread(folder / "out" / path.relative_to(back)).PatientID
    raise AssertionError("no such patient")


def rows(vault, sql="SELECT kind, code, owner, sealed FROM entry"):
    with sqlite3.connect(vault) as db:
        return db.execute(sql).fetchall()


def digest(key, *parts):
    mac = hmac.new(key, b"medlab\x01", hashlib.sha256)
    for part in (part.encode() if isinstance(part, str) else part for part in parts):
        mac.update(len(part).to_bytes(8, "big") + part)
    return mac.digest()


def opens(sealed, key, associated):
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], associated)
    except InvalidTag:
        return None


def lock_of(vault):
    return json.loads(dict(rows(vault, "SELECT name, sealed FROM about"))["lock"])


def key_behind_passphrase(vault):
    lock = lock_of(vault)
    assert lock["log_n"] >= 17
    words = hashlib.scrypt(
        WORDS, salt=bytes.fromhex(lock["salt"]), n=2 ** lock["log_n"], r=8, p=1,
        maxmem=2**28, dklen=32,
    )  # fmt: skip
    return opens(bytes.fromhex(lock["sealed"][0]), words, b"medlab vault key")


def entry(row, key):
    """Open a row of the vault with the key of its owner, by hand."""
    kind, code, owner, sealed = row
    return opens(sealed, key, digest(bytes(16), kind, code, owner))


@pytest.mark.parametrize("codes", ["keyed", "random"])
def test_a_copy_of_the_folder_of_a_locked_job_holds_no_key(ward, codes):
    done = run(
        "deidentify", ward / "in", ward / "out", "--passphrase-file", ward / "words",
        "--codes", codes, "--jobs", 2,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "no key lies in the private folder" in done.output.splitlines()[-1]
    assert "no key lies in the private folder" in (ward / "out.job/report.html").read_text()
    shutil.copytree(ward / "out.job", ward / "stolen")
    key = key_behind_passphrase(ward / "stolen/vault.db")
    vault_secret = digest(key, "subkey", "vault")
    row = next(row for row in rows(ward / "stolen/vault.db") if row[0] == "patient")
    one = digest(vault_secret, "subkey", f"patient {row[2]}")
    assert entry(row, one)  # so these are the keys that matter
    for secret in (key, vault_secret, one, digest(key, "subkey", "audit"), WORDS):
        forms = [secret, secret.hex().encode(), base64.b64encode(secret)]
        forms.append(base64.urlsafe_b64encode(secret))
        for path in [*ward.glob("stolen/**/*"), *ward.glob("out/**/*")]:
            data = path.read_bytes() if path.is_file() else b""
            assert not any(form in data for form in forms), path.name


def test_a_wrong_passphrase_is_one_sentence_and_changes_nothing(ward):
    locked = ("--passphrase-file", ward / "words")
    assert run("deidentify", ward / "in", ward / "out", *locked).exit_code == 0
    before = {p: p.read_bytes() for p in ward.glob("out.job/**/*") if p.is_file()}
    (ward / "wrong").write_text("fourteen hungry storks")
    (ward / "wrong").chmod(0o600)
    for opener in (["--passphrase-file", ward / "wrong"], shares(ward, "ab"), []):
        for verb in (["deidentify", ward / "in", ward / "out"], ["audit", ward / "out.job/x"]):
            done = run(*verb, *opener)
            assert done.exit_code == 1, done.output
            assert len(done.output.splitlines()) == 1
        assert run("reidentify", ward / "out", ward / "back", *WHY, *opener).exit_code == 1
    assert not (ward / "back").exists()
    assert before == {p: p.read_bytes() for p in ward.glob("out.job/**/*") if p.is_file()}
    again = run("deidentify", ward / "in", ward / "out", *locked)
    assert "0 done in this run" in again.output
    (ward / "out.job/key").write_bytes(base64.b64encode(bytes(32)))
    again = run("deidentify", ward / "in", ward / "out", *locked)
    assert "no key lies" not in again.output  # whatever it is, it looks like one


def test_any_two_of_three_shares_open_and_no_other_two(ward):
    made = run("deidentify", ward / "in", ward / "out", *shares(ward, "abc"))
    assert made.exit_code == 0, made.output
    run("deidentify", ward / "in", ward / "other", *shares(ward, "def"))
    for pair in combinations("cba", 2):
        done = run("reidentify", ward / "out", ward / f"back{pair}", *WHY, *shares(ward, pair))
        assert done.exit_code == 0, done.output
    for pair in ("ad", "de", "be"):
        done = run("reidentify", ward / "out", ward / "no", *WHY, *shares(ward, pair))
        assert done.exit_code == 1
        assert "these shares do not open the vault" in done.output
    assert run("reidentify", ward / "out", ward / "no", *WHY, *shares(ward, "a")).exit_code == 2
    assert run("reidentify", ward / "out", ward / "no", *WHY, *shares(ward, "aa")).exit_code == 1
    assert not (ward / "no").exists()


def test_a_stranger_with_one_share_opens_no_wrap_whatever_they_pair_it_with(ward):
    run("deidentify", ward / "in", ward / "out", *shares(ward, "abc"))
    share = base64.urlsafe_b64decode((ward / "a").read_bytes())
    lock = lock_of(ward / "out.job/vault.db")
    assert len(lock["sealed"]) == 3
    salt = bytes.fromhex(lock["salt"])
    for second in (share, bytes(32), b"", salt, hashlib.sha256(share).digest()):
        for pair in (share + second, second + share, share):
            step = hmac.new(salt, pair, hashlib.sha256).digest()  # HKDF of RFC 5869, by hand
            key = hmac.new(step, b"medlab vault key\x01", hashlib.sha256).digest()
            for sealed in map(bytes.fromhex, lock["sealed"]):
                assert opens(sealed, key, b"medlab vault key") is None
                assert opens(sealed, share, b"medlab vault key") is None
    assert not any(share in path.read_bytes() for path in ward.glob("out.job/*") if path.is_file())


def test_the_key_of_one_patient_opens_all_of_that_patient_and_nothing_of_another(ward):
    run("deidentify", ward / "in", ward / "out")
    code, other = code_of(ward, "MRN-9923"), code_of(ward, "MRN-778811")
    assert run("key", "patient", ward / "out", code, ward / "one").exit_code == 2  # no reason
    assert not (ward / "one").exists()
    assert run("key", "patient", ward / "out", code, ward / "one", *WHY).exit_code == 0
    done = run("reidentify", ward / "out", ward / "back", "--key-file", ward / "one", *WHY)
    assert "2 files restored, 2 refused" in done.output
    assert {dcmread(p).PatientID for p in ward.glob("back/**/*.dcm")} == {"MRN-9923"}
    theirs = dcmread(next(ward.glob("back/**/*.dcm")))
    assert theirs.AccessionNumber == "ACC-1"
    assert theirs.FrameOfReferenceUID == dcmread(ward / "in/1.dcm").FrameOfReferenceUID
    # Another patient's file that was given this one's code, and one that was made of it
    forged = dcmread(next(ward.glob(f"out/{other}/**/*.dcm")))
    made = dcmread(next(ward.glob(f"out/{other}/**/*.dcm")))
    forged.PatientID = code
    made.SOPInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
    for name, header in (("forged", forged), ("made", made)):
        header.save_as(ward / f"{name}.dcm")
        done = run(
            "reidentify", ward / f"{name}.dcm", ward / "no.dcm", *WHY, "--key-file", ward / "one",
            "--vault", ward / "out.job/vault.db",
        )  # fmt: skip
        assert done.exit_code == 1
        assert "another patient" in done.output
        assert not (ward / "no.dcm").exists()


def test_a_patients_key_straight_on_the_database(ward):
    run("deidentify", ward / "in", ward / "out")
    code = code_of(ward, "MRN-9923")
    run("key", "patient", ward / "out", code, ward / "one", *WHY)
    words = json.loads((ward / "one").read_text())
    keys = [bytes.fromhex(word) for name, word in words.items() if name in ("key", "sealing")]
    keys += [digest(key, "subkey", f"patient {row[2]}") for key in keys for row in rows(
        ward / "out.job/vault.db", "SELECT DISTINCT 1, 1, owner FROM entry")]  # fmt: skip
    keys += [digest(key, "subkey", "vault") for key in keys[:2]]
    found = rows(ward / "out.job/vault.db")
    mine = [row for row in found if any(entry(row, key) for key in keys)]
    assert {row[2] for row in mine} == {words["owner"]}
    assert len(mine) == sum(row[2] == words["owner"] for row in found) < len(found)
    text = b" ".join(entry(row, keys[0]) for row in mine)
    assert b"Lindqvist" in text
    assert not any(
        name.encode() in text for name in ("Okafor", "Takahashi", "MRN-778811", "MRN-5150")
    )
    uids = {row[1] for row in found if row[0] == "uid"}  # a frame of reference is everybody's
    shared = [uid for uid in uids if sum(row[:2] == ("uid", uid) for row in found) == 3]
    assert len(shared) == 1
    facts = [row[1] for row in found if row[0] == "facts"]
    assert len(set(facts)) == len(facts)
    digests = rows(ward / "out.job/vault.db", "SELECT digest FROM entry WHERE kind = 'uid'")
    assert len(set(digests)) == len(digests)  # nor does equality of what is hidden show


def test_of_files_that_name_nobody_no_patients_key_opens_a_row(ward):
    header = dcmread(ward / "in/3.dcm")
    header.PatientID = header.PatientName = header.StudyInstanceUID = ""
    header.save_as(ward / "in/3.dcm")
    assert run("deidentify", ward / "in", ward / "out").exit_code == 0
    nobody = [row for row in rows(ward / "out.job/vault.db") if row[2] == ""]
    assert {"series", "instance", "facts"} <= {row[0] for row in nobody}
    for code in {row[1] for row in nobody}:
        refused = run("key", "patient", ward / "out", code, ward / "one", *WHY)
        assert refused.exit_code == 1
    assert not (ward / "one").exists()


def test_the_auditors_key_finds_what_was_done_to_a_log_and_opens_no_entry(ward):
    locked = shares(ward, "abc")
    run("deidentify", ward / "in", ward / "out", *locked)
    run("reidentify", ward / "out", ward / "back", *WHY, *shares(ward, "ac"))
    assert run("key", "audit", ward / "out", ward / "auditor", *shares(ward, "bc")).exit_code == 0
    auditor = ("--key-file", ward / "auditor")
    key = bytes.fromhex(json.loads((ward / "auditor").read_text())["key"])
    found = rows(ward / "out.job/vault.db")
    keys = [key, digest(key, "subkey", "vault"), digest(key, "subkey", "audit")]
    keys += [digest(one, "subkey", f"patient {row[2]}") for one in keys for row in found]
    assert not any(entry(row, one) for row in found for one in keys)
    refused = run("reidentify", ward / "out", ward / "no", *WHY, *auditor)
    assert refused.exit_code == 1
    assert not (ward / "no").exists()
    assert run("deidentify", ward / "in", ward / "new", *auditor).exit_code == 1
    assert not (ward / "new.job").exists()
    log = ward / "out.job/vault.db.log"
    lines = log.read_bytes().splitlines(keepends=True)
    assert run("audit", log, *auditor).output == f"the log is whole up to line {len(lines)}\n"
    first = json.loads(lines[0])
    changed = {key: value for key, value in first.items() if key not in ("hash", "seal")}
    changed["reason"] = "another"
    changed["hash"] = hashlib.sha256(
        json.dumps(changed, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()  # a hash made anew, so that the seal alone tells
    forged = json.dumps(changed | {"seal": first["seal"]}).encode() + b"\n"
    for touched in (lines[:-1], lines[1:], [*lines[:2], *lines[3:]], [forged, *lines[1:]], []):
        log.write_bytes(b"".join(touched))
        assert run("audit", log, *auditor).exit_code == 1
    log.write_bytes(b"".join(lines))
    assert run("audit", log, *auditor).exit_code == 0
    assert run("audit", ward / "out.job/audit.jsonl", *auditor).exit_code == 0


def test_restoring_needs_a_reason_and_every_read_is_a_line_with_it(ward):
    locked = ("--passphrase-file", ward / "words")
    run("deidentify", ward / "in", ward / "out", *locked)
    log = ward / "out.job/vault.db.log"
    for reason in ([], ["--reason", ""], ["--reason", "  "]):
        done = run("reidentify", ward / "out", ward / "back", *locked, *reason)
        assert done.exit_code == 2
    assert not (ward / "back").exists()
    assert not log.exists()
    code = code_of(ward, "MRN-5150", *locked)
    run("key", "patient", ward / "out", code, ward / "one", *locked, *WHY)
    run("reidentify", ward / "out", ward / "one-back", "--key-file", ward / "one", *WHY)
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert {line["reason"] for line in lines} == {"incidental finding"}
    assert [line["codes"] for line in lines if line["event"] == "patient key made"] == [[code]]
    assert {line.get("role") for line in lines} == {"all", "patient", None}
    read = {line["codes"][0] for line in lines if line.get("role") == "patient"}
    assert {dcmread(p).SOPInstanceUID for p in ward.glob("out/**/*.dcm")} <= read
    assert not any(name in log.read_text() for name in (*NAMES, *NAMES.values()))
    assert run("audit", log, *locked).exit_code == 0


def test_rotation_takes_the_key_in_clear_away_and_ends_the_keys_of_patients(ward):
    done = run("deidentify", ward / "in", ward / "out")
    assert "a copy of this folder restores everything" in done.output.splitlines()[-1]
    assert (
        "a copy of this folder restores everything" in (ward / "out.job/report.html").read_text()
    )
    run("key", "patient", ward / "out", code_of(ward, "MRN-5150"), ward / "one", *WHY)
    run("key", "audit", ward / "out", ward / "auditor")
    for wrong in ([ward / "out.job/k"], [ward / "k", ward / "l"]):
        words = [word for path in wrong for word in ("--rotate-to", path)]
        assert run("reidentify", ward / "out", *words).exit_code == 2
    assert not (ward / "k").exists()
    assert run("reidentify", ward / "out", "--rotate-to-passphrase", ward / "words").exit_code == 0
    assert not (ward / "out.job/key").exists()
    assert key_behind_passphrase(ward / "out.job/vault.db")
    assert run("deidentify", ward / "in", ward / "out").exit_code == 1
    assert not (ward / "out.job/key").exists()
    refused = run("reidentify", ward / "out", ward / "no", *WHY, "--key-file", ward / "one")
    assert refused.exit_code == 1
    assert "get a new one" in refused.output
    to_shares = [word for name in "abc" for word in ("--rotate-to", ward / name)]
    locked = ("--passphrase-file", ward / "words")
    assert run("reidentify", ward / "out", *locked, *to_shares).exit_code == 0
    assert run("reidentify", ward / "out", ward / "no", *WHY, *locked).exit_code == 1
    assert not (ward / "no").exists()
    assert run("reidentify", ward / "out", ward / "yes", *WHY, *shares(ward, "bc")).exit_code == 0
    again = run("deidentify", ward / "in", ward / "out", *shares(ward, "ac"))
    assert "0 done in this run" in again.output  # codes and outputs stay
    for log in ("audit.jsonl", "vault.db.log"):
        checked = run("audit", ward / "out.job" / log, "--key-file", ward / "auditor")
        assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize(
    "words",
    [
        ["--no-vault", "--passphrase-file", "words"],
        ["--passphrase-file", "absent"],
        ["--passphrase-file", "short"],
        ["--passphrase-file", "bytes"],
        ["--passphrase-file", "words", "--shares", "a"],
        ["--passphrase-file", "words", "--key-file", "a"],
        ["--shares", "a"],
        ["--shares", "a", "--shares", "b"],
        ["--shares", "a", "--shares", "b", "--shares", "a"],
        ["--key-file", "absent"],
    ],
)
def test_a_bad_opener_is_one_sentence_and_leaves_nothing(ward, words):
    shares(ward, "ab")
    for name, content in (("short", b"seven77\n"), ("bytes", b"\xff" * 20)):
        (ward / name).write_bytes(content)
        (ward / name).chmod(0o600)
    words = [word if word.startswith("--") else ward / word for word in words]
    done = run("deidentify", ward / "in", ward / "out", *words)
    assert done.exit_code in (1, 2)
    assert len(done.output.splitlines()) == 1
    assert not list(ward.glob("out*"))


def test_a_lock_comes_at_the_start_of_a_job_and_its_secret_not_into_the_folder(ward):
    (ward / "new.job").mkdir()
    shutil.copy(ward / "words", ward / "new.job/words")
    locked = ("--passphrase-file", ward / "new.job/words")
    assert run("deidentify", ward / "in", ward / "new", *locked).exit_code == 2
    assert [path.name for path in ward.glob("new*/*")] == ["words"]
    run("deidentify", ward / "in", ward / "plain", "--no-vault")
    run("deidentify", ward / "in", ward / "out")
    shutil.copy(ward / "words", ward / "out.job/words")
    for target, secret in (("plain", "words"), ("out", "words"), ("out", "out.job/words")):
        before = (ward / f"{target}.job/key").read_bytes()
        done = run("deidentify", ward / "in", ward / target, "--passphrase-file", ward / secret)
        assert done.exit_code in (1, 2)
        assert (ward / f"{target}.job/key").read_bytes() == before
