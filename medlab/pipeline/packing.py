"""A folder is packed for shipping and unpacked again: checked, in parts, going on after a stop.

What the packer needs to go on stands in the private folder ``OUT.job``, since the manifest is
encrypted to others.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tqdm import tqdm

from medlab.crypto import Lock, shipping
from medlab.crypto.keys import KEY_VARIABLE
from medlab.crypto.shipping import MANIFEST, Member
from medlab.errors import InputError, RefusedError, UsageError
from medlab.pipeline.job_files import (
    PRIVATE_NOTE,
    check_apart,
    check_places,
    held,
    kind_of,
    private_folder,
    walk,
)

_NOTES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS file (
    name BLOB PRIMARY KEY, size INTEGER, changed INTEGER, part INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS digest (name BLOB PRIMARY KEY, sha256 TEXT) WITHOUT ROWID;
CREATE TEMP TABLE met (name BLOB PRIMARY KEY, size INTEGER, changed INTEGER) WITHOUT ROWID;
"""
_BLOCK = 512  # bytes, of a tar: each file takes one more than its content


class _Packed(NamedTuple):
    """How many files there are, and in how many parts."""

    files: int
    parts: int


def pack(
    source: Path,
    target: Path,
    recipients: Sequence[Any] = (),
    lock: Lock | None = None,
    *,
    part_mb: float = 1024,
    progress: bool = False,
) -> _Packed:
    """Encrypt a folder into parts of whole files and a manifest; go on where it was stopped.

    Parameters
    ----------
    source, target : Path
        The notes of what is done stand in the private folder of `target`.
    recipients : sequence
        See `medlab.crypto.shipping.read_recipients`.
    lock : Lock, optional
        A passphrase, in place of recipients.
    part_mb : float
        Largest size of a part in MiB; a larger file gets a part of its own.

    Raises
    ------
    RefusedError
        If `source` holds keys, a vault or a private folder; links, or what cannot be read. If it
        changed since packing began, or this is not the same command.
    """
    check_places(source, target)
    keys = [*(lock.files if lock else ())]
    if named := os.environ.get(KEY_VARIABLE):
        keys.append(Path(named))
    _check_source(source, keys)
    notes = target.with_name(target.name + ".job") / "packing.db"
    if target.exists() and any(target.iterdir()) and not notes.exists():
        raise RefusedError("OUT is not empty; choose an empty folder")
    private_folder(target)
    notes.touch(0o600)
    with held(notes.parent, "OUT"), closing(sqlite3.connect(notes, check_same_thread=False)) as db:
        db.executescript(_NOTES)
        public = " ".join(sorted(map(str, recipients))).encode()
        to_whom = "passphrase" if lock else hashlib.sha256(public).hexdigest()
        _check_same(db, f"{part_mb} {to_whom}")
        identity = _identity(db, lock) if lock else None
        to = [identity.to_public()] if identity else recipients
        files, parts = _plan(db, source, int(part_mb * 2**20))
        for stale in target.glob(".*.part"):  # what a run that was killed left
            stale.unlink()
        for number in tqdm(range(1, parts + 1), unit="part", disable=not progress):
            if not (target / _name(number)).exists():
                write = partial(_write_part, db, source, number)
                shipping.encrypt_to(target / _name(number), to, write)
        if not (target / MANIFEST).exists():
            if lock is None:
                shipping.write_manifest(target / MANIFEST, _members(db), recipients)
            else:
                words = lock.secrets[0].decode()
                shipping.write_locked_manifest(target / MANIFEST, _members(db), identity, words)
    return _Packed(files, parts)


def unpack(
    source: Path,
    target: Path,
    identities: Sequence[Any] = (),
    lock: Lock | None = None,
    *,
    progress: bool = False,
) -> _Packed:
    """Write the files of what `pack` made below a folder, each when its part is verified.

    Files that are there already and right stay, so that what was stopped goes on.

    Raises
    ------
    RefusedError
        If a part is missing, damaged, exchanged or not for these identities. Files of the parts
        before it are whole and right.
    """
    check_places(source, target)
    if not (source / MANIFEST).is_file():
        raise RefusedError("there is no manifest in OUT; get it, or name the right folder")
    passphrase = lock.secrets[0].decode() if lock else None
    parts, identities = shipping.read_manifest(source / MANIFEST, identities, passphrase)
    there = {path.name for path in source.glob("part-*")}
    if there != set(parts):
        raise RefusedError(
            f"{len(set(parts) - there)} of {len(parts)} parts are missing, and "
            f"{len(there - set(parts))} are not of this manifest; get the right ones"
        )
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, members in tqdm(parts.items(), unit="part", disable=not progress):
        if not all(shipping.is_right(target, member) for member in members):
            shipping.read_part(source / name, members, identities, target)
    return _Packed(sum(map(len, parts.values())), len(parts))


def _check_source(source: Path, secrets: Sequence[Path]) -> None:
    """Refuse a folder with what must be sent apart, or what a tar of plain files cannot hold."""
    if not source.is_dir():
        raise UsageError("SRC is one file; a folder is packed")
    check_apart(secrets, source)
    private = any((folder / PRIVATE_NOTE).exists() for folder in source.resolve().parents)
    for path, kind, _, _ in walk(source):
        if kind not in ("file", "nifti"):
            raise RefusedError(
                "SRC holds links, devices, a version control store or folders that cannot be "
                "read; pack plain files"
            )
        private |= path.name == PRIVATE_NOTE or shipping.is_secret(source / path)
    if private:
        raise RefusedError(
            "SRC holds a key, a vault or the private folder of a job; they are sent apart, "
            "so take them out first"
        )


def _identity(db: sqlite3.Connection, lock: Lock) -> Any:
    """Return the identity that opens the parts, drawn once and kept under the passphrase.

    age takes a passphrase for what fits into memory; parts are larger.
    """
    noted = db.execute("SELECT value FROM about WHERE name = 'identity'").fetchone()
    if noted is not None:
        try:
            return shipping.Identity.from_str(lock.open(noted[0].encode()).decode())
        except RefusedError:
            raise RefusedError("OUT was begun under another passphrase; take that one") from None
    identity = shipping.Identity.generate()
    with db:
        closed = lock.close(str(identity).encode()).decode()
        db.execute("INSERT INTO about VALUES ('identity', ?)", (closed,))
    return identity


def _check_same(db: sqlite3.Connection, mark: str) -> None:
    with db:
        db.execute("INSERT OR IGNORE INTO about VALUES ('mark', ?)", (mark,))
    if db.execute("SELECT value FROM about WHERE name = 'mark'").fetchone() != (mark,):
        raise RefusedError("OUT was begun for others or in another size; choose another OUT")


def _plan(db: sqlite3.Connection, source: Path, most: int) -> _Packed:
    """Note each file with its part, in the order of names, or compare with what was noted."""
    with db:
        db.executemany(
            "INSERT INTO met VALUES (?, ?, ?)",
            ((os.fsencode(path.as_posix()), *status) for path, _, *status in walk(source)),
        )
        if not db.execute("SELECT 1 FROM file LIMIT 1").fetchone():
            db.executemany("INSERT INTO file VALUES (?, ?, ?, ?)", _in_parts(db, most))
    noted, met = "SELECT name, size, changed FROM file", "SELECT * FROM met"
    for entries, other in ((noted, met), (met, noted)):
        if db.execute(f"{entries} EXCEPT {other} LIMIT 1").fetchone():
            raise RefusedError(shipping.CHANGED)
    files, parts = db.execute("SELECT count(*), max(part) FROM file").fetchone()
    if not files:
        raise InputError("SRC holds no file; check the path")
    return _Packed(files, parts)


def _in_parts(db: sqlite3.Connection, most: int) -> Iterator[tuple[bytes, int, int, int]]:
    part, room = 0, 0
    for name, size, changed in db.execute("SELECT * FROM met ORDER BY name"):
        needed = _BLOCK - size // -_BLOCK * _BLOCK
        if needed > room:
            part, room = part + 1, max(most, needed)
        room -= needed
        yield name, size, changed, part


def _name(number: int) -> str:
    return f"part-{number:04d}.tar.age"


def _write_part(db: sqlite3.Connection, source: Path, number: int, sink: BinaryIO) -> None:
    query = "SELECT name, size, changed FROM file WHERE part = ? ORDER BY name"

    def files() -> Iterator[tuple[str, Path, int]]:
        for name, size, changed in db.execute(query, (number,)):
            path = source / os.fsdecode(name)
            yield os.fsdecode(name), path, size
            if kind_of(path, source.resolve())[1:] != (size, changed):  # it was read by now
                raise RefusedError(shipping.CHANGED)

    def note(member: Member) -> None:
        row = os.fsencode(member.name), member.sha256
        db.execute("INSERT OR REPLACE INTO digest VALUES (?, ?)", row)

    with db:  # what a part holds is noted before it gets its name
        shipping.write_tar(files(), note, sink)


def _members(db: sqlite3.Connection) -> Iterator[tuple[str, Iterator[Member]]]:
    query = "SELECT part, name, size, sha256 FROM file JOIN digest USING (name) ORDER BY name"
    for number, rows in groupby(db.execute(query), itemgetter(0)):
        yield _name(number), (Member(os.fsdecode(name), *rest) for _, name, *rest in rows)
