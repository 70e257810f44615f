"""Keys, codes and ciphers: what every reversible or repeatable protection rests on."""

from __future__ import annotations

from medlab.crypto.audit import audit_key
from medlab.crypto.keys import keyed_digest, load_key, new_key, write_key
from medlab.crypto.vault import Lock, Vault, lock

__all__ = [
    "Lock",
    "Vault",
    "audit_key",
    "keyed_digest",
    "load_key",
    "lock",
    "new_key",
    "write_key",
]
