"""The vault: the linkage table from codes to persons, encrypted, every read logged.

A SQLite file. Values are sealed with AES-GCM, each patient's under a key of their own that is
derived from the vault's, and bound to their kind, code and patient, so that rows can't be
exchanged; what is needed to find a value again is a keyed digest. While a vault exists the
data are pseudonymized, not anonymous.

A passphrase or shares may lock it in place of a key file. Its key then lies nowhere in clear:
drawn by chance, it is kept in the vault itself, sealed under the passphrase, or once for each
pair of three shares.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from medlab.crypto import audit, cipher
from medlab.crypto.audit import START, AuditLog, check
from medlab.crypto.cipher import seal, unseal
from medlab.crypto.keys import (
    KEY_BYTES,
    PatientKey,
    keyed_digest,
    load_key,
    new_key,
    read_secret,
    subkey,
)
from medlab.disk import transaction
from medlab.errors import InputError, MedlabError, MissingError, RefusedError, UsageError

# N = 2**17 with the r = 8, p = 1 of RFC 7914, section 2: the least that OWASP's Password Storage
# Cheat Sheet asks of scrypt. 128 MB and about half a second, once each time a vault is opened.
_LOG_N = 17
_MOST_LOG_N = 20  # scrypt with more would take over a gigabyte
_PLACE = b"medlab vault key"
_WRONG_LOCK = {
    "passphrase": "this passphrase does not open the vault",
    "shares": "these shares do not open the vault; take two of the three it was locked with",
}


@dataclass(frozen=True)
class Lock:
    """What opens a vault in place of a key file; made by `lock`.

    Parameters
    ----------
    kind : {"passphrase", "shares"}
    files : tuple of Path
        Where the secrets were read from.
    secrets : tuple of bytes
        The passphrase, or the keys of two or three shares.
    """

    kind: str
    files: tuple[Path, ...]
    secrets: tuple[bytes, ...] = field(repr=False)

    def check_whole(self) -> None:
        """Refuse two shares where a vault is locked, which takes all three."""
        if self.kind == "shares" and len(self.secrets) != 3:
            raise UsageError("a vault is locked with three shares; any two open it afterwards")

    def close(self, key: bytes) -> bytes:
        """Return a key in the form that the vault keeps: sealed, with salt and cost (JSON)."""
        self.check_whole()
        salt = secrets.token_bytes(16)
        sealed = [seal(key, lock_key, _PLACE).hex() for lock_key in self._keys(salt, _LOG_N)]
        noted = {"kind": self.kind, "salt": salt.hex(), "log_n": _LOG_N, "sealed": sealed}
        return json.dumps(noted).encode()

    def open(self, closed: bytes) -> bytes:
        """Return the key that `close` sealed; RefusedError if this is not what opens it."""
        if _kind_of(closed) != self.kind:
            raise RefusedError(
                f"this vault opens by {_kind_of(closed) or 'a key file'}; name that"
            )
        noted = json.loads(closed)
        keys = self._keys(bytes.fromhex(noted["salt"]), noted["log_n"])
        for key, sealed in product(keys, noted["sealed"]):
            with suppress(RefusedError):
                return unseal(bytes.fromhex(sealed), key, _PLACE)
        raise RefusedError(_WRONG_LOCK[self.kind])

    def _keys(self, salt: bytes, log_n: int) -> list[bytes]:
        """Return the keys under which the vault's key is sealed: one, or one a pair."""
        if self.kind == "passphrase":
            return [_key_of_passphrase(self.secrets[0].decode(), salt, log_n)]
        pairs = combinations(sorted(self.secrets), 2)
        return [HKDF(SHA256(), KEY_BYTES, salt, _PLACE).derive(a + b) for a, b in pairs]


def _kind_of(closed: bytes) -> str:
    """Return what opens a lock as a vault keeps it; empty where there is none."""
    return str(json.loads(closed)["kind"]) if closed else ""


def lock(passphrase_file: Path | None = None, shares: Sequence[Path] = ()) -> Lock | None:
    """Return the lock of a passphrase or of shares; None where neither is named.

    Parameters
    ----------
    passphrase_file : Path, optional
        Text in UTF-8 of eight characters and more; the end of the line is no part of it.
    shares : sequence of Path
        Key files: three to lock a vault, any two of them to open it.

    Raises
    ------
    UsageError
        Both, or a number of shares that makes no sense.
    MissingError, InputError
        A file that is not there or cannot be a secret; a share that is named twice.
    """
    if passphrase_file is not None and shares:
        raise UsageError("a vault is locked by a passphrase or by shares; name one of them")
    if passphrase_file is not None:
        return Lock("passphrase", (passphrase_file,), (_passphrase(passphrase_file),))
    if not shares:
        return None
    if len(shares) not in (2, 3):
        raise UsageError("name three shares to lock a vault, two of them to open it")
    keys = tuple(load_key(path) for path in shares)
    if len(set(keys)) != len(keys):
        raise InputError("two of the shares hold the same key; take different ones")
    return Lock("shares", tuple(shares), keys)


def _passphrase(path: Path) -> bytes:
    try:
        text = read_secret(path, "passphrase file").decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise InputError("the passphrase file is not text in UTF-8") from None
    text = unicodedata.normalize("NFC", text)  # the same letters from every keyboard
    _check_passphrase(text)
    return text.encode()


def _check_passphrase(passphrase: str) -> None:
    if len(passphrase) < 8:
        raise InputError("a passphrase needs eight characters and more; take several words")


def _key_of_passphrase(passphrase: str, salt: bytes, log_n: int) -> bytes:
    """Return the 32-byte key of a passphrase by scrypt (RFC 7914), r = 8, p = 1.

    `log_n` is the base-2 logarithm of the cost: 15 takes about 32 MB and a tenth of a second.
    """
    _check_passphrase(passphrase)
    if len(salt) < 16 or not 14 <= log_n <= _MOST_LOG_N:
        raise InputError("scrypt needs a salt of 16 bytes and more, and log_n from 14 to 20")
    kdf = Scrypt(salt=salt, length=KEY_BYTES, n=2**log_n, r=8, p=1)
    return kdf.derive(passphrase.encode("utf-8"))


_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    kind TEXT NOT NULL, code TEXT NOT NULL, owner TEXT NOT NULL, digest BLOB NOT NULL,
    sealed BLOB NOT NULL, PRIMARY KEY (kind, code, owner)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_digest ON entry (kind, digest);
"""
_DAMAGE = (sqlite3.DatabaseError, ValueError, KeyError, TypeError)  # of the file, or of its lock
_KEEP = "INSERT OR REPLACE INTO about VALUES (?, ?)"
_ADD = "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)"
_PAGE = """SELECT kind, code, owner, sealed FROM entry WHERE (kind, code, owner) > (?, ?, ?)
    ORDER BY kind, code, owner LIMIT 1000"""
_FIND = "SELECT owner, sealed FROM entry WHERE kind = ? AND code = ? ORDER BY owner"


class Vault:
    """Codes and what they stand for, on disk, under a key.

    Parameters
    ----------
    path : path
        The SQLite file, made with mode 0600 when it is not there.
    key : bytes, Lock or PatientKey
        32 bytes, or what opens a vault that was made with it (a new vault draws its key then).
        The first key also becomes the *code key*, from which keyed codes are drawn; that one
        stays the same when the vault's key is rotated. A patient's key opens the entries of
        that patient, and writes none.
    log : path, optional
        The audit log for reads; by default ``<path>.log`` beside the vault, which keeps the
        hash of its last line sealed.

    Raises
    ------
    RefusedError
        If the vault was made with another key, or by a medlab before there were patients' keys.
    """

    def __init__(
        self,
        path: Path | str,
        key: bytes | Lock | PatientKey,
        *,
        log: Path | str | None = None,
    ) -> None:
        self.path = Path(path)
        self.log = Path(log) if log is not None else self.path.with_name(self.path.name + ".log")
        self.key = self.code_key = b""
        self._patient = key if isinstance(key, PatientKey) else None
        self._log: AuditLog | None = None
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        try:
            self._check_form()
            self._db.executescript(_TABLES)
            self._sealing = self._open_as(key)
        except BaseException as error:
            self._db.close()
            if isinstance(error, _DAMAGE) and not isinstance(error, MedlabError):
                raise InputError("this file is not a vault, or it is locked or damaged") from None
            raise

    @property
    def locked_by(self) -> str:
        """What opens the vault: ``"passphrase"``, ``"shares"``, or empty for a key file."""
        return _kind_of(self._about("lock"))

    def remember(self, rows: Iterable[tuple[str, str, str, str]]) -> None:
        """Keep rows of (kind, code, original, owner); a known code gets the newer original.

        The owner marks whose an entry is; without one the vault's key alone opens it.
        """
        with transaction(self._db):
            self._db.executemany(_ADD, (_row(self._secret, *row) for row in rows))

    def code_for(self, kind: str, original: str, draw: Callable[[], str]) -> str:
        """Return the code of `original`, drawn now if it has none yet.

        Several processes may ask at once: the first to write decides, all get its code.
        """
        with transaction(self._db):
            digest = _digest(_key_of("", self._secret), kind, original)
            row = self._db.execute(
                "SELECT code FROM entry WHERE kind = ? AND digest = ?", (kind, digest)
            ).fetchone()
            if row is not None:
                return str(row[0])
            code = draw()
            while self.owners(kind, code):
                code = draw()
            self._db.execute(_ADD, _row(self._secret, kind, code, original, ""))
            return code

    def originals(
        self, kind: str, codes: Iterable[str], *, reason: str, owner: str = ""
    ) -> dict[str, str]:
        """Return what `codes` stand for, with their `owner` where several patients share them.

        Left out are codes that are unknown, another patient's than this key's, or of several
        patients for whom they stand for different things.
        The read is logged: who, when, why, how many codes, and the first twenty of them.
        """
        wanted = list(codes)
        role = "all" if self._patient is None else "patient"
        said = {"kind": kind, "count": len(wanted), "codes": wanted[:20], "reason": reason}
        self._note("vault read", role=role, **said)
        values = ((code, self._find(kind, code, owner)) for code in wanted)
        return {code: original for code, original in values if original is not None}

    def original(self, kind: str, code: str, *, reason: str) -> str:
        """Return what one code stands for; MissingError if the vault does not know it."""
        values = self.originals(kind, [code], reason=reason)
        if code not in values:
            raise MissingError(f"the vault knows no such code of kind {kind!r}")
        return values[code]

    def count(self) -> dict[str, int]:
        """Return the number of entries of each kind."""
        return dict(self._db.execute("SELECT kind, count(*) FROM entry GROUP BY kind").fetchall())

    def codes(self, kind: str) -> list[str]:
        """Return the codes of a kind."""
        rows = self._db.execute("SELECT DISTINCT code FROM entry WHERE kind = ?", (kind,))
        return [code for (code,) in rows]

    def owners(self, kind: str, code: str) -> list[str]:
        """Return the marks of the patients who have a code."""
        return [owner for owner, _ in self._db.execute(_FIND, (kind, code))]

    def owner_of(self, code: str) -> str:
        """Return the mark of the patient with this code; empty where there is none, or several."""
        owners = self.owners("patient", code)
        return owners[0] if len(owners) == 1 else ""

    def patient_key(self, code: str, *, reason: str) -> PatientKey:
        """Return a key that opens the entries of one patient and no other; this is logged."""
        if not (owner := self.owner_of(code)):
            raise MissingError("the vault knows no patient of that code, or several")
        key = _key_of(owner, self._secret)
        self._note("patient key made", codes=[code], reason=reason)
        return PatientKey(code, owner, key, self._sealing)

    @property
    def audit_key(self) -> bytes:
        """What checks the logs of this vault and its job, and opens nothing."""
        return cipher.public_key(self._sealing)

    def rotate(self, new: bytes | Lock) -> int:
        """Put every value under a new key or lock, all or none; return how many there were.

        Codes stay as they are. The old key, and keys of patients, open nothing afterwards; the
        log says when, and a log with lines missing keeps everything as it is.
        """
        self._note("vault key rotates", entries=sum(self.count().values()))
        with transaction(self._db):
            key = self._put_under(new, self.code_key)
            rotated = self._reseal(subkey(key, "vault"))
            self.key = key
        self._db.execute("VACUUM")  # leaves no old ciphertext in free pages
        return rotated

    def close(self) -> None:
        """Close the file and its log."""
        self._db.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Vault:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def log_head(self) -> str:
        """The hash of the last line of the log, as the vault keeps it sealed."""
        return _head(self._about("log"), self.audit_key)

    def check_log(self) -> list[str]:
        """Return what is wrong with the log of reads; lines missing at its end, too."""
        return check(self.log, self.audit_key, self.log_head)

    def _note(self, event: str, **fields: Any) -> None:
        """Add a line to the log and keep its hash signed; refused if lines are missing."""
        if not fields.get("reason", event).strip():
            raise UsageError("give a reason; it goes into the log of the vault")
        with transaction(self._db):
            head = self.log_head
            if head != START and not self.log.is_file():
                raise RefusedError("the log of this vault is missing; put it back beside it")
            if self._log is None:
                self._log = AuditLog(self.log, self._sealing)
            self._log.refresh()
            # A crash may have left one line more in the log than the vault knows of.
            if self._log.head != head and self.check_log():
                raise RefusedError("lines of this vault's log are missing; see medlab audit")
            head = self._log.append(event, **fields)
            self._db.execute(_KEEP, ("log", _noted(head, self._sealing)))

    def _reseal(self, new_secret: bytes) -> int:
        count, last = 0, ("", "", "")
        while page := self._db.execute(_PAGE, last).fetchall():  # in steps: bounded memory
            for kind, code, owner, sealed in page:
                original = _open(_key_of(owner, self._secret), kind, code, owner, sealed)
                self._db.execute(_ADD, _row(new_secret, kind, code, original, owner))
            count, last = count + len(page), page[-1][:3]
        return count

    def _find(self, kind: str, code: str, owner: str) -> str | None:
        entries = dict(self._db.execute(_FIND, (kind, code)).fetchall())
        if self._patient is not None:
            mine = self._patient.owner
            if owner not in ("", mine) or mine not in entries:
                return None
            return _open(self._patient.key, kind, code, mine, entries[mine])
        some = {owner: entries[owner]} if owner in entries else entries
        secret = self._secret
        originals = {
            _open(_key_of(whose, secret), kind, code, whose, some[whose]) for whose in some
        }
        return originals.pop() if len(originals) == 1 else None

    @property
    def _secret(self) -> bytes:
        if not self.key:
            raise RefusedError("a patient's key does not do that; it takes the vault's key")
        return subkey(self.key, "vault")

    def _about(self, name: str) -> bytes:
        row = self._db.execute("SELECT sealed FROM about WHERE name = ?", (name,)).fetchone()
        return b"" if row is None else bytes(row[0])

    def _check_form(self) -> None:
        columns = {row[1] for row in self._db.execute("PRAGMA table_info(entry)")}
        if columns and "owner" not in columns:
            raise RefusedError(
                "this vault is from before patients had keys; use the medlab that wrote it"
            )

    def _open_as(self, opener: bytes | Lock | PatientKey) -> bytes:
        """Open with what there is, find the code key, and return what signs the log."""
        if isinstance(opener, PatientKey):
            self._check_patient(opener)
            return opener.sealing
        with transaction(self._db):
            if not self._about("code key"):
                self.key = self.code_key = self._put_under(opener)
                sealing = audit.sealing_key(self.code_key)
                self._db.execute(_KEEP, ("log", _noted(START, sealing)))
                return sealing
        self.key = opener.open(self._about("lock")) if isinstance(opener, Lock) else opener
        self.code_key = self._code_key()
        return audit.sealing_key(self.code_key)

    def _check_patient(self, patient: PatientKey) -> None:
        with suppress(RefusedError):
            if self._find("patient", patient.code, patient.owner) is not None:
                return
        raise RefusedError("this patient's key is not of this vault as it is now; get a new one")

    def _put_under(self, opener: bytes | Lock, code_key: bytes | None = None) -> bytes:
        """Keep the code key, at first the vault's own, under the key that is returned."""
        key = new_key() if isinstance(opener, Lock) else opener
        closed = opener.close(key) if isinstance(opener, Lock) else b""
        sealed = cipher.seal(code_key or key, subkey(key, "vault"), b"code key")
        self._db.executemany(_KEEP, [("code key", sealed), ("lock", closed)])
        return key

    def _code_key(self) -> bytes:
        try:
            return cipher.unseal(self._about("code key"), self._secret, b"code key")
        except RefusedError:
            made = f"locked by {self.locked_by}" if self.locked_by else "made with another key"
            raise RefusedError(
                f"this vault was {made}; use that, or what it was rotated to"
            ) from None


def log_head(path: Path, key: bytes) -> str:
    """Return the hash of the last line of a vault's log, for one with the auditor's key."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        row = db.execute("SELECT sealed FROM about WHERE name = 'log'").fetchone()
    except sqlite3.DatabaseError:
        raise InputError("this file is not a vault, or it is locked or damaged") from None
    finally:
        db.close()
    return _head(row[0] if row else b"", key)


def _noted(head: str, sealing: bytes) -> bytes:
    """Return the hash of a log's last line as the vault keeps it: signed."""
    return f"{head} {cipher.sign(b'medlab head ' + head.encode(), sealing)}".encode()


def _head(noted: bytes, key: bytes) -> str:
    head, _, signature = noted.decode("ascii", "replace").partition(" ")
    if not cipher.is_signed(b"medlab head " + head.encode(), signature, key):
        raise RefusedError("the vault does not say where its log ends: it was altered")
    return head


@lru_cache(maxsize=256)
def _key_of(owner: str, secret: bytes) -> bytes:
    return subkey(secret, f"patient {owner}")


def _row(secret: bytes, kind: str, code: str, original: str, owner: str) -> tuple[Any, ...]:
    data = original.encode("utf-8", "surrogatepass")
    key = _key_of(owner, secret)
    sealed = cipher.seal(data, key, _place(kind, code, owner))
    return kind, code, owner, _digest(key, kind, original), sealed


def _open(key: bytes, kind: str, code: str, owner: str, sealed: bytes) -> str:
    data = cipher.unseal(sealed, key, _place(kind, code, owner))
    return data.decode("utf-8", "surrogatepass")


def _digest(key: bytes, kind: str, original: str) -> bytes:
    return keyed_digest(key, "find", kind, original)[:16]


def _place(kind: str, code: str, owner: str) -> bytes:
    return keyed_digest(bytes(16), kind, code, owner)  # a fixed form of the three, not a secret
