"""The vault: the one way back from a code to the person, encrypted, every read logged.

A SQLite file. Values are sealed with AES-GCM under a key that stands elsewhere and bound
to their kind and code, so that rows can't be exchanged; what is needed to find a value
again is a keyed digest. While a vault exists the data are pseudonymized, not anonymous.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medlab.crypto import cipher
from medlab.crypto.audit import START, AuditLog, check
from medlab.crypto.keys import keyed_digest, subkey
from medlab.errors import InputError, MissingError, RefusedError

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    kind TEXT NOT NULL, code TEXT NOT NULL, digest BLOB NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (kind, code)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_digest ON entry (kind, digest);
"""
_KEEP = "INSERT OR REPLACE INTO about VALUES (?, ?)"
_ADD = "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)"
_PAGE = """SELECT kind, code, sealed FROM entry WHERE (kind, code) > (?, ?)
    ORDER BY kind, code LIMIT 1000"""


class Vault:
    """Codes and what they stand for, on disk, under a key.

    Parameters
    ----------
    path : path
        The SQLite file, made with mode 0600 when it is not there.
    key : bytes
        32 bytes. The first key also becomes the *code key*, from which keyed codes are
        drawn; that one stays the same when the vault's key is rotated.
    log : path, optional
        The audit log for reads; by default ``<path>.log`` beside the vault, which keeps the
        hash of its last line sealed.

    Raises
    ------
    RefusedError
        If the vault was made with another key.
    """

    def __init__(self, path: Path | str, key: bytes, *, log: Path | str | None = None) -> None:
        self.path = Path(path)
        self.log = Path(log) if log is not None else self.path.with_name(self.path.name + ".log")
        self._key, self._secret = key, subkey(key, "vault")
        self._log: AuditLog | None = None
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        try:
            self._db.executescript(_TABLES)
            self.code_key = self._first_code_key()
        except BaseException as error:
            self._db.close()
            if isinstance(error, sqlite3.DatabaseError):
                raise InputError("this file is not a vault, or it is locked or damaged") from None
            raise

    def remember(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Keep rows of (kind, code, original); a known code gets the newer original."""
        with self._transaction():
            self._db.executemany(_ADD, (_row(self._secret, *row) for row in rows))

    def code_for(self, kind: str, original: str, draw: Callable[[], str]) -> str:
        """Return the code of `original`, drawn now if it has none yet.

        Several processes may ask at once: the first to write decides, all get its code.
        """
        with self._transaction():
            digest = _digest(self._secret, kind, original)
            found = self._db.execute(
                "SELECT code FROM entry WHERE kind = ? AND digest = ?", (kind, digest)
            ).fetchone()
            if found is not None:
                return str(found[0])
            code = draw()
            while self._sealed(kind, code) is not None:
                code = draw()
            self._db.execute(_ADD, _row(self._secret, kind, code, original))
            return code

    def originals(self, kind: str, codes: Iterable[str], *, reason: str = "") -> dict[str, str]:
        """Return what `codes` stand for; unknown codes are left out.

        The read is logged: who, when, why, how many codes, and the first twenty of them.
        """
        wanted = list(codes)
        self._note("vault read", kind=kind, count=len(wanted), codes=wanted[:20], reason=reason)
        found = ((code, self._sealed(kind, code)) for code in wanted)
        return {code: _open(self._secret, kind, code, sealed) for code, sealed in found if sealed}

    def original(self, kind: str, code: str, *, reason: str = "") -> str:
        """Return what one code stands for; MissingError if the vault does not know it."""
        found = self.originals(kind, [code], reason=reason)
        if code not in found:
            raise MissingError(f"the vault knows no such code of kind {kind!r}")
        return found[code]

    def count(self) -> dict[str, int]:
        """Return the number of codes of each kind."""
        return dict(self._db.execute("SELECT kind, count(*) FROM entry GROUP BY kind").fetchall())

    def rotate(self, new_key: bytes) -> int:
        """Put every value under `new_key`, all or none, and return how many there were.

        Codes stay as they are. The old key opens nothing afterwards; the log says when.
        """
        new_secret = subkey(new_key, "vault")
        with self._transaction():
            rotated = self._reseal(new_secret)
            code_key = cipher.seal(self.code_key, new_secret, b"code key")
            head = cipher.seal(self.log_head.encode(), new_secret, b"log")
            self._db.executemany(_KEEP, [("code key", code_key), ("log", head)])
            self._key, self._secret = new_key, new_secret
        self._note("vault key rotated", entries=rotated)
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
        found = self._db.execute("SELECT sealed FROM about WHERE name = 'log'").fetchone()
        if found is None:
            raise RefusedError("the vault does not say where its log ends; it was altered")
        return cipher.unseal(found[0], self._secret, b"log").decode()

    def check_log(self) -> list[str]:
        """Return what is wrong with the log of reads; lines missing at its end, too."""
        return check(self.log, subkey(self.code_key, "audit"), self.log_head)

    def _note(self, event: str, **fields: Any) -> None:
        """Add a line to the log and keep its hash sealed; refused if lines are missing."""
        with self._transaction():
            head = self.log_head
            if head != START and not self.log.is_file():
                raise RefusedError("the log of this vault is missing; put it back beside it")
            if self._log is None:
                self._log = AuditLog(self.log, subkey(self.code_key, "audit"))
            self._log.refresh()
            # A crash may have left one line more in the log than the vault knows of.
            if self._log.head != head and self.check_log():
                raise RefusedError("lines of this vault's log are missing; see medlab audit")
            head = self._log.append(event, **fields)
            self._db.execute(_KEEP, ("log", cipher.seal(head.encode(), self._secret, b"log")))

    def _reseal(self, new_secret: bytes) -> int:
        count, last = 0, ("", "")
        while page := self._db.execute(_PAGE, last).fetchall():  # in steps: bounded memory
            opened = [(kind, code, _open(self._secret, kind, code, s)) for kind, code, s in page]
            self._db.executemany(_ADD, [_row(new_secret, *entry) for entry in opened])
            count, last = count + len(page), page[-1][:2]
        return count

    def _sealed(self, kind: str, code: str) -> bytes | None:
        found = self._db.execute(
            "SELECT sealed FROM entry WHERE kind = ? AND code = ?", (kind, code)
        ).fetchone()
        return None if found is None else bytes(found[0])

    def _first_code_key(self) -> bytes:
        """Return the code key; the first key a vault is opened with becomes it."""
        with self._transaction():
            found = self._db.execute("SELECT sealed FROM about WHERE name = 'code key'").fetchone()
            if found is None:
                code_key = cipher.seal(self._key, self._secret, b"code key")
                head = cipher.seal(START.encode(), self._secret, b"log")
                self._db.executemany(_KEEP, [("code key", code_key), ("log", head)])
                return self._key
        try:
            return cipher.unseal(found[0], self._secret, b"code key")
        except RefusedError:
            raise RefusedError(
                "this vault was made with another key; use that one, or the one it was rotated to"
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _row(secret: bytes, kind: str, code: str, original: str) -> tuple[str, str, bytes, bytes]:
    data = original.encode("utf-8", "surrogatepass")
    return (
        kind,
        code,
        _digest(secret, kind, original),
        cipher.seal(data, secret, _place(kind, code)),
    )


def _open(secret: bytes, kind: str, code: str, sealed: bytes) -> str:
    return cipher.unseal(sealed, secret, _place(kind, code)).decode("utf-8", "surrogatepass")


def _digest(secret: bytes, kind: str, original: str) -> bytes:
    return keyed_digest(secret, "find", kind, original)[:16]


def _place(kind: str, code: str) -> bytes:
    return keyed_digest(bytes(16), kind, code)  # a fixed form of the pair, not a secret
