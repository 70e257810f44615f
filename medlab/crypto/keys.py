"""Keys: where they come from, whom they open, and the one keyed digest that codes are drawn from.

A key is 32 secret bytes. It stands in a file that only its owner may read, never on a
command line and never in a notebook cell.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from medlab.errors import InputError, MissingError, RefusedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


KEY_BYTES = 32
_VARIABLE = "MEDLAB_KEY_FILE"
#: How the file of a key of one patient or an auditor begins; no secret begins so.
_ROLE = b'{"medlab key": '
_LEAST_BYTES = 16
_log = logging.getLogger(__name__)


def keyed_digest(key: bytes, *parts: bytes | str) -> bytes:
    """Return the HMAC-SHA256 of `parts` under `key`.

    Every part is preceded by its length, so ``("ab", "c")`` and ``("a", "bc")`` differ.
    By custom the first part names the purpose (``"uid"``, ``"date"``, ``"patient"``):
    digests of different purposes then tell nothing about each other.

    Parameters
    ----------
    key : bytes
        The secret, at least 16 bytes.
    *parts : bytes or str
        What is digested; text is taken as UTF-8.

    Returns
    -------
    bytes
        32 bytes, the same on every machine for the same key and parts.

    Raises
    ------
    InputError
        If the key is shorter than 16 bytes.

    Notes
    -----
    RFC 2104. Unlike a plain hash it cannot be enumerated by someone without the key.

    Examples
    --------
    >>> keyed_digest(b"0" * 32, "uid", "1.2.3") == keyed_digest(b"0" * 32, "uid", "1.2.3")
    True
    """
    if len(key) < _LEAST_BYTES:
        raise InputError(
            f"a key of {len(key)} bytes is too short; use new_key() or a file of 16 bytes and more"
        )
    mac = hmac.new(key, b"medlab\x01", hashlib.sha256)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        mac.update(len(data).to_bytes(8, "big"))
        mac.update(data)
    return mac.digest()


def keyed_order(seed: bytes, count: int) -> NDArray[np.int64]:
    """Return a permutation of `count` things that follows from a secret seed of 32 bytes.

    The sorted order of the words of a keystream: AES-256 in counter mode, so that nobody
    without the seed can tell it from a drawn one.
    """
    import numpy as np

    stream = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor()
    words = np.frombuffer(stream.update(bytes(8 * count)), dtype=np.uint64)
    return np.argsort(words, kind="stable")


def new_key() -> bytes:
    """Return 32 random bytes from the operating system."""
    return secrets.token_bytes(KEY_BYTES)


def write_key(path: Path | str, key: bytes | None = None) -> bytes:
    """Write a key (a new one by default) to a new file of mode 0600 and return it.

    The text form is that of ``cryptography.fernet.Fernet.generate_key``.

    Raises
    ------
    RefusedError
        If the file exists: an overwritten key can never be had again.
    """
    key = new_key() if key is None else key
    if len(key) != KEY_BYTES:
        raise InputError(f"a key has {KEY_BYTES} bytes, this one {len(key)}; use new_key()")
    write_secret(path, base64.urlsafe_b64encode(key) + b"\n")
    return key


def write_secret(path: Path | str, content: bytes) -> None:
    """Write a new file that only its owner may read; RefusedError if there is one."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise RefusedError("the key file exists; choose another name or keep that key") from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def named_key_file(key_file: Path | str | None = None) -> Path | str | None:
    """Return the key file that was named, else by ``MEDLAB_KEY_FILE``; nothing if none was."""
    return key_file or os.environ.get(_VARIABLE)


def load_key(key_file: Path | str | None = None, *, fallback: Path | str | None = None) -> bytes:
    """Return the 32-byte key of a job.

    Looked for in this order: `key_file`; the file named by the environment variable
    ``MEDLAB_KEY_FILE``; the file `fallback`, which is made with a random key (mode 0600)
    when it is not there.

    Parameters
    ----------
    key_file : path, optional
        A file made by `write_key`, by Fernet, or any secret of 16 bytes and more, from
        which 32 bytes are then drawn.
    fallback : path, optional
        Where a job keeps its own key.

    Raises
    ------
    MissingError
        If no key was named, or the file named is not there.
    InputError
        If the file holds fewer than 16 bytes.
    """
    named = named_key_file() if key_file is None else key_file
    if named:
        return parse_key(read_secret(named))
    if fallback is None:
        raise MissingError(f"no key: name a key file or set {_VARIABLE} to its path")
    return parse_key(read_secret(fallback)) if Path(fallback).exists() else write_key(fallback)


def read_secret(path: Path | str, name: str = "key file") -> bytes:
    """Return what a secret file holds; MissingError calls it by `name` if it is not there."""
    path = Path(path)
    try:
        content = path.read_bytes()
        mode = path.stat().st_mode
    except (FileNotFoundError, IsADirectoryError):
        raise MissingError(f"the {name} is not there; check its path") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        _log.warning("the %s can be read by other users; set its mode to 0600", name)
    return content


def parse_key(content: bytes) -> bytes:
    """Return the key in the content of a key file; see `load_key` for its forms.

    Raises
    ------
    InputError
        If there are fewer than 16 bytes, or it is the key of a role.
    """
    text = content.strip()
    if text.startswith(_ROLE):
        raise InputError("this is the key of one patient or of an auditor, not that of a vault")
    if len(text) == 44:  # base64 of 32 bytes, as Fernet writes it
        with suppress(binascii.Error):
            return base64.b64decode(text, altchars=b"-_", validate=True)
    if len(text) < _LEAST_BYTES:
        raise InputError(f"the key holds {len(text)} bytes; it needs {_LEAST_BYTES} and more")
    return keyed_digest(text, "key file")


def subkey(key: bytes, purpose: str) -> bytes:
    """Return the 32-byte key for one purpose, so that no key serves two ends."""
    return keyed_digest(key, "subkey", purpose)


_T = TypeVar("_T")


@dataclass(frozen=True)
class PatientKey:
    """What restores one patient from a vault, and signs the log of doing so.

    `code` is the Patient ID of the clean files, `owner` the patient's mark in the vault,
    `key` opens the entries with that mark, `sealing` is the signing half of the audit key.
    """

    code: str
    owner: str
    key: bytes = field(repr=False)
    sealing: bytes = field(repr=False)

    def write(self, path: Path) -> None:
        """Write a new file of mode 0600."""
        words = {"code": self.code, "owner": self.owner}
        _write_role(
            path, "patient", words | {"key": self.key.hex(), "sealing": self.sealing.hex()}
        )

    @classmethod
    def read(cls, path: Path | str) -> PatientKey | None:
        """Return the key in a file that `write` made; None if it is another secret."""

        def made(words: dict[str, str]) -> PatientKey:
            secrets = _key_of(words["key"]), _key_of(words["sealing"])
            return cls(words["code"], words["owner"], *secrets)

        return _read_role(path, "patient", made)


def write_audit_key(path: Path, key: bytes) -> None:
    """Write an auditor's key (see `medlab.crypto.audit.audit_key`) to a new file."""
    _write_role(path, "audit", {"key": key.hex()})


def read_audit_key(path: Path | str) -> bytes | None:
    """Return the key in a file that `write_audit_key` made; None if it is another secret."""
    return _read_role(path, "audit", lambda words: _key_of(words["key"]))


def _write_role(path: Path, role: str, words: dict[str, str]) -> None:
    write_secret(path, json.dumps({"medlab key": role, **words}).encode() + b"\n")


def _read_role(path: Path | str, role: str, made: Callable[[dict[str, str]], _T]) -> _T | None:
    content = read_secret(path)
    if not content.startswith(_ROLE + f'"{role}"'.encode()):
        return None
    try:
        return made(json.loads(content))
    except (ValueError, KeyError, TypeError):
        raise InputError("this key of a patient or an auditor is damaged; get a new one") from None


def _key_of(text: str) -> bytes:
    if len(text) != 2 * KEY_BYTES:
        raise ValueError(text)
    return bytes.fromhex(text)
