"""Locks: a passphrase or shares in place of a key file; a vault's key then lies nowhere in clear.

The vault's key is then drawn by chance and kept in the vault itself, sealed under the
passphrase, or once for each pair of three shares.
"""

from __future__ import annotations

import json
import secrets
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from medlab.crypto.cipher import check_passphrase, key_from_passphrase, seal, unseal
from medlab.crypto.keys import KEY_BYTES, read_key, read_secret
from medlab.errors import InputError, RefusedError, UsageError

# N = 2**17 with the r = 8, p = 1 of RFC 7914, section 2: the least that OWASP's Password Storage
# Cheat Sheet asks of scrypt. 128 MB and about half a second, once each time a vault is opened.
_LOG_N = 17
_PLACE = b"medlab vault key"
_WRONG = {
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
        sealed = [seal(key, one, _PLACE).hex() for one in self._keys(salt, _LOG_N)]
        noted = {"kind": self.kind, "salt": salt.hex(), "log_n": _LOG_N, "sealed": sealed}
        return json.dumps(noted).encode()

    def open(self, closed: bytes) -> bytes:
        """Return the key that `close` sealed; RefusedError if this is not what opens it."""
        if kind_of(closed) != self.kind:
            raise RefusedError(f"this vault opens by {kind_of(closed) or 'a key file'}; name that")
        noted = json.loads(closed)
        keys = self._keys(bytes.fromhex(noted["salt"]), noted["log_n"])
        for key, sealed in product(keys, noted["sealed"]):
            with suppress(RefusedError):
                return unseal(bytes.fromhex(sealed), key, _PLACE)
        raise RefusedError(_WRONG[self.kind])

    def _keys(self, salt: bytes, log_n: int) -> list[bytes]:
        """Return the keys under which the vault's key is sealed: one, or one a pair."""
        if self.kind == "passphrase":
            return [key_from_passphrase(self.secrets[0].decode(), salt, log_n=log_n)]
        pairs = combinations(sorted(self.secrets), 2)
        return [HKDF(SHA256(), KEY_BYTES, salt, _PLACE).derive(a + b) for a, b in pairs]


def kind_of(closed: bytes) -> str:
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
    keys = tuple(read_key(path) for path in shares)
    if len(set(keys)) != len(keys):
        raise InputError("two of the shares hold the same key; take different ones")
    return Lock("shares", tuple(shares), keys)


def _passphrase(path: Path) -> bytes:
    try:
        text = read_secret(path, "passphrase file").decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise InputError("the passphrase file is not text in UTF-8") from None
    text = unicodedata.normalize("NFC", text)  # the same letters from every keyboard
    check_passphrase(text)
    return text.encode()
