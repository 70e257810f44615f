"""The audit log: JSON lines, only ever added to, each holding the hash of the one before.

A line that was changed, removed or put in between breaks the chain. Lines cut off at the
end do not: a vault keeps the last hash of its log sealed; of other logs keep it
(`AuditLog.head`, also in every report) somewhere else and give it to `check`. With a key,
each line also carries a seal: a signature that only its holder can make, and that everyone
can check who has its public half (`audit_key`).
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medlab.crypto import cipher
from medlab.crypto.keys import subkey
from medlab.disk import alone
from medlab.errors import InputError, MissingError

START = "0" * 64
_OURS = frozenset({"n", "time", "who", "event", "previous", "hash", "seal"})
_TAIL = 65536  # bytes; a line is far shorter


class AuditLog:
    """One log file, open for adding. Not for values of patients: counts and digests only.

    Parameters
    ----------
    path : path
        Made with mode 0600 when it is not there.
    key : bytes, optional
        Signs every line (Ed25519); see `sealing_key`.
    """

    def __init__(self, path: Path | str, key: bytes | None = None) -> None:
        self.path = Path(path)
        self._key = key
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(handle, "ab+", buffering=0)
        self._lock = self.path.with_name(f"{self.path.name}.lock")
        self._size = -1
        self.count, self.head = 0, START
        self.refresh()

    def refresh(self) -> None:
        """Read `count` and `head` anew: another process may have added lines."""
        with alone(self._lock):
            self._catch_up()

    def append(self, event: str, **fields: Any) -> str:
        """Add one line and return its hash; see `extend`."""
        return self.extend(event, [fields])

    def extend(self, event: str, entries: Iterable[dict[str, Any]]) -> str:
        """Add a line for each of `entries`, the fields of one event, and return the last hash.

        Raises
        ------
        InputError
            If a field has the name of one that the log itself writes.
        """
        entries = list(entries)
        if any(_OURS & set(fields) for fields in entries):
            raise InputError("an audit field can't be named as one that the log itself writes")
        with alone(self._lock):
            self._catch_up()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            common = {"time": now, "who": _who(), "event": event}
            lines = b"".join([self._line({**common, **fields}) for fields in entries])
            self._file.write(lines)
            self._size += len(lines)
        return self.head

    def close(self) -> None:
        """Write everything to the disk and close the file."""
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _line(self, fields: dict[str, Any]) -> bytes:
        entry = {"n": self.count + 1, **fields, "previous": self.head}
        entry["hash"] = _hash(entry)
        self.count, self.head = self.count + 1, entry["hash"]
        if self._key is not None:
            entry["seal"] = cipher.sign(_sealed(self.head), self._key)
        return _text(entry) + b"\n"

    def _catch_up(self) -> None:
        """Go on from the last whole line; another process may have added some."""
        size = os.fstat(self._file.fileno()).st_size
        if size == self._size:
            return
        self._file.seek(max(0, size - _TAIL))
        tail = self._file.read()
        if tail and not tail.endswith(b"\n"):  # the power went in the middle of a line
            self._file.write(b"\n")
            size += 1
        self.count, self.head = 0, START  # of a log that was emptied while it was open
        for line in reversed(tail.splitlines()):
            entry = _parsed(line)
            if entry is not None:
                self.count, self.head = entry["n"], entry["hash"]
                break
        self._size = size


def sealing_key(code_key: bytes) -> bytes:
    """Return the 32 secret bytes that sign the logs of a job with this code key."""
    return subkey(code_key, "audit")


def audit_key(code_key: bytes) -> bytes:
    """Return the key of an auditor: it checks every seal of a job's logs and makes none."""
    return cipher.public_key(sealing_key(code_key))


def check(path: Path | str, key: bytes | None = None, *heads: str | None) -> list[str]:
    """Return what is wrong with a log, one sentence each; an empty list if nothing is.

    Parameters
    ----------
    path : path
        The log.
    key : bytes, optional
        Of the auditor (`audit_key`); checks the seals too.
    *heads : str, optional
        The last hash as it was noted elsewhere. Lines may have been added since; if it is not
        in the log, lines are missing at the end.
    """
    if not Path(path).is_file():
        raise MissingError("there is no audit log at that path")
    problems, previous, number = [], START, 0
    noted = set(heads) - {None, START}
    for place, entry in _entries(Path(path)):
        if entry is None:
            problems.append(f"line {place} is not a whole line of the log")
            continue
        problems += _line_problems(place, entry, previous, number, key)
        previous, number = entry["hash"], entry["n"]
        noted.discard(previous)
    if noted:
        problems.append("the line that was noted as the last is not there: lines are missing")
    return problems


def _line_problems(
    place: int, entry: dict[str, Any], previous: str, number: int, key: bytes | None
) -> list[str]:
    problems = []
    plain = {name: value for name, value in entry.items() if name not in ("hash", "seal")}
    if _hash(plain) != entry["hash"]:
        problems.append(f"line {place} was changed after it was written")
    if entry.get("previous") != previous or entry["n"] != number + 1:
        problems.append(f"line {place} does not follow the line before it")
    if key is not None and not cipher.is_signed(_sealed(entry["hash"]), entry.get("seal"), key):
        problems.append(f"line {place} was not sealed with this key")
    return problems


def _entries(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    with path.open("rb") as file:
        for place, line in enumerate(file, start=1):
            yield place, _parsed(line)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
        good = isinstance(entry["n"], int) and isinstance(entry["hash"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return entry if good else None


def _text(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":")).encode("ascii")


def _hash(entry: dict[str, Any]) -> str:
    return hashlib.sha256(_text(entry)).hexdigest()


def _sealed(value: str) -> bytes:
    return b"medlab line " + value.encode("utf-8", "replace")


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container user without a name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
