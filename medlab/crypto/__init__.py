"""Keys, codes and ciphers: what every reversible or repeatable protection rests on."""

from __future__ import annotations

from medlab.crypto.keys import (
    KEY_BYTES,
    KEY_VARIABLE,
    keyed_digest,
    load_key,
    new_key,
    read_key,
    subkey,
    write_key,
)

__all__ = [
    "KEY_BYTES",
    "KEY_VARIABLE",
    "keyed_digest",
    "load_key",
    "new_key",
    "read_key",
    "subkey",
    "write_key",
]
