"""A folder is packed for shipping and unpacked again: checked, in parts, going on after a stop.

A part is a tar of whole files, encrypted by age; the manifest tells what each holds. The formats
are those of age-encryption.org/v1 and of POSIX tar, so that `age` and `tar` open a part without
medlab. A tar holds no owner, no time and one mode for all.

What the packer needs to go on stands in the private folder ``OUT.job``, since the manifest is
encrypted to others.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sqlite3
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import pyrage  # type: ignore[import-untyped]
from tqdm import tqdm

from medlab.crypto import Lock
from medlab.crypto.keys import named_key_file, read_secret, write_secret
from medlab.disk import appearing, clear_parts, write_whole
from medlab.errors import InputError, RefusedError, UsageError
from medlab.pipeline.job_files import (
    PRIVATE_NOTE,
    check_apart,
    check_places,
    digest_of,
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
_MANIFEST = "manifest.age"
_CHANGED = "SRC is not as it was when packing began; choose another OUT"
_CHUNK = 1 << 16  # bytes; what a pipe holds, and age seals at a time
_DAMAGED = "a part or the manifest is damaged, cut or exchanged; get it anew"
_NO_MANIFEST = (ValueError, LookupError, TypeError, AttributeError)  # of JSON in another form
# How files begin that open something: keys of medlab, Fernet, roles and age; PEM; a vault.
_SECRET = re.compile(
    rb'\A\s*[\w-]{43}=\s*\Z|\A\s*\{"medlab key": |^AGE-SECRET-KEY-|^-----BEGIN [A-Z ]*PRIVATE KEY'
    rb"|\ASQLite format 3\0.*CREATE TABLE about",
    re.DOTALL | re.MULTILINE,
)


class _Member(NamedTuple):
    """One file of a part: its path below the folder, its size in bytes, its SHA-256."""

    name: str
    size: int
    sha256: str


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
        See `read_recipients`.
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
    if named := named_key_file():
        keys.append(Path(named))
    _check_source(source, keys)
    notes = private_folder(target) / "packing.db"
    if target.exists() and any(target.iterdir()) and not notes.exists():
        raise RefusedError("OUT is not empty; choose an empty folder")
    private_folder(target, make=True)
    notes.touch(0o600)
    with held(notes.parent, "OUT"), closing(sqlite3.connect(notes, check_same_thread=False)) as db:
        db.executescript(_NOTES)
        public = " ".join(sorted(map(str, recipients))).encode()
        to_whom = "passphrase" if lock else hashlib.sha256(public).hexdigest()
        _check_same(db, f"{part_mb} {to_whom}")
        identity = _identity(db, lock) if lock else None
        to = [identity.to_public()] if identity else recipients
        files, parts = _plan(db, source, int(part_mb * 2**20))
        clear_parts(target)
        for number in tqdm(range(1, parts + 1), unit="part", disable=not progress):
            if not (target / _name(number)).exists():
                write = partial(_write_part, db, source, number)
                _encrypt_to(target / _name(number), to, write)
        if not (target / _MANIFEST).exists():
            if lock is None:
                write = partial(_write_manifest, _members(db), None)
                _encrypt_to(target / _MANIFEST, recipients, write)
            else:
                _write_manifest(_members(db), str(identity), content := io.BytesIO())
                words = lock.secrets[0].decode()
                sealed = pyrage.passphrase.encrypt(content.getvalue(), words)
                write_whole(target / _MANIFEST, sealed)
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
    if not (source / _MANIFEST).is_file():
        raise RefusedError("there is no manifest in OUT; get it, or name the right folder")
    passphrase = lock.secrets[0].decode() if lock else None
    parts, identities = _read_manifest(source / _MANIFEST, identities, passphrase)
    there = {path.name for path in source.glob("part-*")}
    if there != set(parts):
        raise RefusedError(
            f"{len(set(parts) - there)} of {len(parts)} parts are missing, and "
            f"{len(there - set(parts))} are not of this manifest; get the right ones"
        )
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, members in tqdm(parts.items(), unit="part", disable=not progress):
        if not all(_is_right(target, member) for member in members):
            _read_part(source / name, members, identities, target)
    return _Packed(sum(map(len, parts.values())), len(parts))


def new_identity(path: Path) -> str:
    """Write an age identity to a new file of mode 0600, and return its recipient."""
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    write_secret(path, f"# public key: {recipient}\n{identity}\n".encode())
    return recipient


def read_recipients(path: Path) -> list[Any]:
    """Return the recipients in a file: public keys of age or SSH, one a line."""
    words = _lines(path.read_bytes())
    if not words:
        raise InputError("the file names no recipient; write one public key a line")
    try:
        return [
            (pyrage.ssh if word.startswith("ssh-") else pyrage.x25519).Recipient.from_str(word)
            for word in words
        ]
    except pyrage.RecipientError:
        raise InputError("a line of the recipients is no public key of age or SSH") from None


def read_identities(path: Path) -> list[Any]:
    """Return the identities in a file of age, or the one of an SSH private key."""
    content = read_secret(path, "identity file")
    try:
        if content.startswith(b"-----BEGIN "):
            return [pyrage.ssh.Identity.from_buffer(content)]
        return [pyrage.x25519.Identity.from_str(word) for word in _lines(content)]
    except pyrage.IdentityError:
        raise InputError("the file holds no identity of age or SSH, or a locked one") from None


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
        with (source / path).open("rb") as file:  # a key or a vault is known by how it begins
            begins_secret = _SECRET.search(file.read(4096)) is not None
        private |= path.name == PRIVATE_NOTE or begins_secret
    if private:
        raise RefusedError(
            "SRC holds a key, a vault or the private folder of a job; they are sent apart, "
            "so take them out first"
        )


def _identity(db: sqlite3.Connection, lock: Lock) -> Any:
    """Return the identity that opens the parts, drawn once and kept under the passphrase."""
    noted = db.execute("SELECT value FROM about WHERE name = 'identity'").fetchone()
    if noted is not None:
        try:
            return pyrage.x25519.Identity.from_str(lock.open(noted[0].encode()).decode())
        except RefusedError:
            raise RefusedError("OUT was begun under another passphrase; take that one") from None
    identity = pyrage.x25519.Identity.generate()
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
            raise RefusedError(_CHANGED)
    files, parts = db.execute("SELECT count(*), max(part) FROM file").fetchone()
    if not files:
        raise InputError("SRC holds no file; check the path")
    return _Packed(files, parts)


def _in_parts(db: sqlite3.Connection, most: int) -> Iterator[tuple[bytes, int, int, int]]:
    part, room = 0, 0
    for name, size, changed in db.execute("SELECT * FROM met ORDER BY name"):
        needed = tarfile.BLOCKSIZE * (1 - size // -tarfile.BLOCKSIZE)  # one for its header
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
                raise RefusedError(_CHANGED)

    def note(member: _Member) -> None:
        row = os.fsencode(member.name), member.sha256
        db.execute("INSERT OR REPLACE INTO digest VALUES (?, ?)", row)

    with db:  # what a part holds is noted before it gets its name
        _write_tar(files(), note, sink)


def _members(db: sqlite3.Connection) -> Iterator[tuple[str, Iterator[_Member]]]:
    query = "SELECT part, name, size, sha256 FROM file JOIN digest USING (name) ORDER BY name"
    for number, rows in groupby(db.execute(query), itemgetter(0)):
        yield _name(number), (_Member(os.fsdecode(name), *rest) for _, name, *rest in rows)


def _write_manifest(
    parts: Iterable[tuple[str, Iterable[_Member]]], identity: str | None, sink: BinaryIO
) -> None:
    """Write the members of each part as JSON, and the identity that opens the parts if it is kept.

    Under a passphrase it is: age takes one for what fits into memory, and a part is larger.
    """
    sink.write(f'{{"identity": {json.dumps(identity)}, "parts": {{'.encode())
    for number, (part, members) in enumerate(parts):
        sink.write(f"{',' * (number > 0)}\n{json.dumps(part)}: [".encode())
        for place, member in enumerate(members):
            sink.write(f"{',' * (place > 0)}\n{json.dumps(member._asdict())}".encode())
        sink.write(b"]")
    sink.write(b"}}\n")


def _write_tar(
    files: Iterable[tuple[str, Path, int]], note: Callable[[_Member], object], sink: BinaryIO
) -> None:
    """Write files (name, path, size in bytes) as a tar; note what each held.

    Raises
    ------
    RefusedError
        If a file has another size.
    """
    for name, path, size in files:
        info = tarfile.TarInfo(name)
        info.size = size
        sink.write(info.tobuf(tarfile.PAX_FORMAT))
        with path.open("rb") as file:
            member = _Member(name, *_copied(file, sink))
        if member.size != size:
            raise RefusedError(_CHANGED)
        note(member)
        sink.write(bytes(-size % tarfile.BLOCKSIZE))
    sink.write(bytes(2 * tarfile.BLOCKSIZE))


def _encrypt_to(
    target: Path, recipients: Sequence[Any], write: Callable[[BinaryIO], object]
) -> None:
    """Encrypt what a function writes into a file that appears whole or not at all."""
    with appearing(target) as path, path.open("wb") as sink, _piped(write) as plain:
        try:
            pyrage.encrypt_io(plain, sink, recipients)
        except pyrage.EncryptError as error:  # an OSError in words, without its number
            why = str(error).rpartition("] ")[2]
            raise InputError(f"a part cannot be written: {why}") from None


def _read_manifest(
    path: Path, identities: Sequence[Any], passphrase: str | None
) -> tuple[dict[str, list[_Member]], Sequence[Any]]:
    """Return the members of each part, and the identities that open these.

    Raises
    ------
    RefusedError
        If identities or passphrase do not open it, it is damaged, or a name leads out.
    """
    sealed = path.read_bytes()
    with _verified():
        if passphrase is None:
            content = json.loads(pyrage.decrypt(sealed, identities))
        else:
            content = json.loads(pyrage.passphrase.decrypt(sealed, passphrase))
            identities = [pyrage.x25519.Identity.from_str(content["identity"])]
        parts = {
            part: [_Member(**member) for member in members]
            for part, members in content["parts"].items()
        }
        names = [PurePosixPath(m.name) for members in parts.values() for m in members]
        if any(name.is_absolute() or ".." in name.parts or not name.parts for name in names):
            raise RefusedError("a name in the manifest leads out of DST")
    return parts, identities


def _read_part(
    part: Path, members: Iterable[_Member], identities: Sequence[Any], target: Path
) -> None:
    """Write the files of a part below `target`; they get their names when all of it is verified.

    What is there already and right stays.

    Raises
    ------
    RefusedError
        If the part is not, byte for byte, what the members tell.
    """
    with (
        ExitStack() as whole,
        _verified(),
        part.open("rb") as sealed,
        _piped(lambda sink: pyrage.decrypt_io(sealed, sink, identities)) as plain,
        tarfile.open(fileobj=plain, mode="r|") as tar,
    ):
        for member in members:
            info = tar.next()
            if info is None or not info.isreg() or (info.name, info.size) != member[:2]:
                raise RefusedError(_DAMAGED)
            name = Path(os.devnull)
            if not _is_right(target, member):
                path = appearing(target / member.name, 0o600, replace=False)
                name = whole.enter_context(path)
            with name.open("wb") as sink:
                if _copied(tar.extractfile(info), sink) != member[1:]:
                    raise RefusedError(_DAMAGED)
            tar.members.clear()  # type: ignore[attr-defined]  # a stream never goes back
        if tar.next() is not None:
            raise RefusedError(_DAMAGED)


def _is_right(folder: Path, member: _Member) -> bool:
    """Tell whether a file is there already; RefusedError if another one or a way out is."""
    path = folder / member.name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RefusedError("a link in DST leads out of it; choose an empty folder")
    if not path.exists():
        return False
    if digest_of(path).hex() != member.sha256:
        raise RefusedError("DST holds something else of that name; choose an empty folder")
    return True


@contextmanager
def _verified() -> Iterator[None]:
    """Turn all that a wrong identity, a cut or a changed byte bring about into one refusal."""
    try:
        yield
    except pyrage.DecryptError:
        raise RefusedError(
            "this identity or passphrase does not open what was packed, or it is damaged"
        ) from None
    except (tarfile.TarError, pyrage.IdentityError, *_NO_MANIFEST):
        raise RefusedError(_DAMAGED) from None
    except OSError as error:
        if error.errno is None:  # a chunk that age cannot verify
            raise RefusedError(_DAMAGED) from None
        raise


@contextmanager
def _piped(write: Callable[[BinaryIO], object]) -> Iterator[BinaryIO]:
    """Give what a function writes in a thread, as a file to read; all of it must go well."""
    reader, writer = os.pipe()

    def work() -> None:
        with os.fdopen(writer, "wb") as sink:
            write(sink)

    with ThreadPoolExecutor(1) as pool, os.fdopen(reader, "rb", _CHUNK) as source:
        written = pool.submit(work)
        yield source
        while source.read(_CHUNK):
            pass
        written.result()


def _lines(content: bytes) -> list[str]:
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _copied(source: Any, sink: BinaryIO) -> tuple[int, str]:
    """Copy a file; return its size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        size += sink.write(chunk)
    return size, digest.hexdigest()
