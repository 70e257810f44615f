"""Parts of a shipped folder: a tar of whole files each, encrypted by age, and their manifest.

The formats are those of age-encryption.org/v1 and of POSIX tar, so that `age` and `tar` open a
part without medlab. A tar holds no owner, no time and one mode for all.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import pyrage  # type: ignore[import-untyped]

from medlab.crypto.keys import read_secret, write_secret
from medlab.disk import appearing, write_whole
from medlab.errors import InputError, RefusedError

Identity = pyrage.x25519.Identity
MANIFEST = "manifest.age"
CHANGED = "SRC is not as it was when packing began; choose another OUT"
_CHUNK = 1 << 16  # bytes; what a pipe holds, and age seals at a time
_DAMAGED = "a part or the manifest is damaged, cut or exchanged; get it anew"
_NO_MANIFEST = (ValueError, LookupError, TypeError, AttributeError)  # of JSON in another form
# How files begin that open something: keys of medlab, Fernet, roles and age; PEM; a vault.
_SECRET = re.compile(
    rb'\A\s*[\w-]{43}=\s*\Z|\A\s*\{"medlab key": |^AGE-SECRET-KEY-|^-----BEGIN [A-Z ]*PRIVATE KEY'
    rb"|\ASQLite format 3\0.*CREATE TABLE about",
    re.DOTALL | re.MULTILINE,
)


class Member(NamedTuple):
    """One file of a part: its path below the folder, its size in bytes, its SHA-256."""

    name: str
    size: int
    sha256: str


def new_identity(path: Path) -> str:
    """Write an age identity to a new file of mode 0600, and return its recipient."""
    identity = Identity.generate()
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
        return [Identity.from_str(word) for word in _lines(content)]
    except pyrage.IdentityError:
        raise InputError("the file holds no identity of age or SSH, or a locked one") from None


def is_secret(path: Path) -> bool:
    """Tell whether a file is a key or a vault by how it begins."""
    with path.open("rb") as file:
        return _SECRET.search(file.read(4096)) is not None


def encrypt_to(
    target: Path, recipients: Sequence[Any], write: Callable[[BinaryIO], object]
) -> None:
    """Encrypt what a function writes into a file that appears whole or not at all."""
    with appearing(target) as path, path.open("wb") as sink, _piped(write) as plain:
        try:
            pyrage.encrypt_io(plain, sink, recipients)
        except pyrage.EncryptError as error:  # an OSError in words, without its number
            why = str(error).rpartition("] ")[2]
            raise InputError(f"a part cannot be written: {why}") from None


def write_tar(
    files: Iterable[tuple[str, Path, int]], note: Callable[[Member], object], sink: BinaryIO
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
            member = Member(name, *_copied(file, sink))
        if member.size != size:
            raise RefusedError(CHANGED)
        note(member)
        sink.write(bytes(-size % tarfile.BLOCKSIZE))
    sink.write(bytes(2 * tarfile.BLOCKSIZE))


def read_part(
    part: Path, members: Iterable[Member], identities: Sequence[Any], target: Path
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
            if not is_right(target, member):
                path = appearing(target / member.name, 0o600, replace=False)
                name = whole.enter_context(path)
            with name.open("wb") as sink:
                if _copied(tar.extractfile(info), sink) != member[1:]:
                    raise RefusedError(_DAMAGED)
            tar.members.clear()  # type: ignore[attr-defined]  # a stream never goes back
        if tar.next() is not None:
            raise RefusedError(_DAMAGED)


def is_right(folder: Path, member: Member) -> bool:
    """Tell whether a file is there already; RefusedError if another one or a way out is."""
    path = folder / member.name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RefusedError("a link in DST leads out of it; choose an empty folder")
    if not path.exists():
        return False
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != member.sha256:
            raise RefusedError("DST holds something else of that name; choose an empty folder")
    return True


def write_manifest(
    target: Path, parts: Iterable[tuple[str, Iterable[Member]]], recipients: Sequence[Any]
) -> None:
    """Write the members of each part as JSON, encrypted to recipients."""
    encrypt_to(target, recipients, partial(_write_json, parts, None))


def write_locked_manifest(
    target: Path, parts: Iterable[tuple[str, Iterable[Member]]], identity: Any, passphrase: str
) -> None:
    """Write a manifest under a passphrase, and in it the identity that opens the parts.

    age takes a passphrase for what fits into memory; a part is larger.
    """
    _write_json(parts, str(identity), content := io.BytesIO())
    write_whole(target, pyrage.passphrase.encrypt(content.getvalue(), passphrase))


def _write_json(
    parts: Iterable[tuple[str, Iterable[Member]]], identity: str | None, sink: BinaryIO
) -> None:
    sink.write(f'{{"identity": {json.dumps(identity)}, "parts": {{'.encode())
    for number, (part, members) in enumerate(parts):
        sink.write(f"{',' * (number > 0)}\n{json.dumps(part)}: [".encode())
        for place, member in enumerate(members):
            sink.write(f"{',' * (place > 0)}\n{json.dumps(member._asdict())}".encode())
        sink.write(b"]")
    sink.write(b"}}\n")


def read_manifest(
    path: Path, identities: Sequence[Any], passphrase: str | None
) -> tuple[dict[str, list[Member]], Sequence[Any]]:
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
            identities = [Identity.from_str(content["identity"])]
        parts = {
            part: [Member(**member) for member in members]
            for part, members in content["parts"].items()
        }
        names = [PurePosixPath(m.name) for members in parts.values() for m in members]
        if any(name.is_absolute() or ".." in name.parts or not name.parts for name in names):
            raise RefusedError("a name in the manifest leads out of DST")
    return parts, identities


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
