"""Ciphers: text to a Fernet token and back, bytes sealed with AES-GCM, signatures.

A Fernet token is 100 characters and more, so it fits no DICOM name or ID; it stands in a
private block or in a table. It also tells, in clear, when it was made.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from medlab.crypto.keys import KEY_BYTES
from medlab.errors import InputError, RefusedError

_NONCE = 12  # bytes, NIST SP 800-38D
_WRONG = "wrong key, or the {} was altered; use the key it was made with"


def encrypt(value: str | bytes, key: bytes) -> str:
    """Return `value` as a Fernet token under a 32-byte key.

    Examples
    --------
    >>> key = bytes(32)
    >>> decrypt(encrypt("Doe^Jane", key), key)
    'Doe^Jane'
    """
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return _fernet(key).encrypt(data).decode("ascii")


def decrypt(token: str, key: bytes) -> str:
    """Return the text of a Fernet token.

    Raises
    ------
    RefusedError
        If the key is another one, or the token was altered.
    """
    try:
        return _fernet(key).decrypt(token).decode("utf-8", "surrogatepass")
    except (InvalidToken, TypeError, ValueError):
        raise RefusedError(_WRONG.format("token")) from None


def rotate(token: str, old_key: bytes, new_key: bytes) -> str:
    """Return the token under `new_key`; it keeps the time at which it was first made."""
    keys = MultiFernet([_fernet(new_key), _fernet(old_key)])
    try:
        return keys.rotate(token).decode("ascii")
    except (InvalidToken, TypeError, ValueError):
        raise RefusedError(_WRONG.format("token")) from None


def seal(data: bytes, key: bytes, associated: bytes = b"") -> bytes:
    """Return `data` under AES-256-GCM: 12 bytes of nonce, the ciphertext, 16 of tag.

    `associated` is not hidden but bound: what was sealed for one place (say a SOP
    Instance UID and a tag) can't be opened at another.
    """
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, associated)


def unseal(sealed: bytes, key: bytes, associated: bytes = b"") -> bytes:
    """Return what `seal` hid; RefusedError if key, place or bytes are not the same."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], associated)
    except (InvalidTag, ValueError):
        raise RefusedError(_WRONG.format("sealed value")) from None


def sign(data: bytes, secret: bytes) -> str:
    """Return the Ed25519 signature (RFC 8032) of `data` by 32 secret bytes, as 128 hex digits."""
    return Ed25519PrivateKey.from_private_bytes(secret).sign(data).hex()


def public_key(secret: bytes) -> bytes:
    """Return the 32 bytes that check the signatures of `secret`, and can make none."""
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def is_signed(data: bytes, signature: Any, public: bytes) -> bool:
    """Return whether the holder of the secret behind `public` signed `data`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _fernet(key: bytes) -> Fernet:
    if len(key) != KEY_BYTES:
        raise InputError(f"a key has {KEY_BYTES} bytes, this one {len(key)}; use load_key()")
    return Fernet(base64.urlsafe_b64encode(key))
