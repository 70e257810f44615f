"""Keys, codes and ciphers: what every reversible or repeatable protection rests on."""

from __future__ import annotations

from medlab.crypto.audit import AuditLog, audit_key
from medlab.crypto.cipher import decrypt, encrypt, key_from_passphrase, seal, unseal
from medlab.crypto.keys import (
    KEY_BYTES,
    KEY_VARIABLE,
    keyed_digest,
    keyed_order,
    load_key,
    new_key,
    parse_key,
    read_key,
    subkey,
    write_key,
)
from medlab.crypto.role_keys import PatientKey
from medlab.crypto.vault import Vault
from medlab.crypto.vault_lock import Lock, lock

__all__ = [
    "KEY_BYTES",
    "KEY_VARIABLE",
    "AuditLog",
    "Lock",
    "PatientKey",
    "Vault",
    "audit_key",
    "decrypt",
    "encrypt",
    "key_from_passphrase",
    "keyed_digest",
    "keyed_order",
    "load_key",
    "lock",
    "new_key",
    "parse_key",
    "read_key",
    "seal",
    "subkey",
    "unseal",
    "write_key",
]
