"""Keys with a role: one patient's, which opens nobody else; an auditor's, which opens nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from medlab.crypto.keys import KEY_BYTES, ROLE, read_secret, write_secret
from medlab.errors import InputError

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
        _write(path, "patient", words | {"key": self.key.hex(), "sealing": self.sealing.hex()})


def read_patient_key(path: Path | str) -> PatientKey | None:
    """Return the key in a file that `PatientKey.write` made; None if it is another secret."""

    def made(words: dict[str, str]) -> PatientKey:
        secrets = _key(words["key"]), _key(words["sealing"])
        return PatientKey(words["code"], words["owner"], *secrets)

    return _read(path, "patient", made)


def write_audit_key(path: Path, key: bytes) -> None:
    """Write an auditor's key (see `medlab.crypto.audit.audit_key`) to a new file."""
    _write(path, "audit", {"key": key.hex()})


def read_audit_key(path: Path | str) -> bytes | None:
    """Return the key in a file that `write_audit_key` made; None if it is another secret."""
    return _read(path, "audit", lambda words: _key(words["key"]))


def _write(path: Path, role: str, words: dict[str, str]) -> None:
    write_secret(path, json.dumps({"medlab key": role, **words}).encode() + b"\n")


def _read(path: Path | str, role: str, made: Callable[[dict[str, str]], _T]) -> _T | None:
    content = read_secret(path)
    if not content.startswith(ROLE + f'"{role}"'.encode()):
        return None
    try:
        return made(json.loads(content))
    except (ValueError, KeyError, TypeError):
        raise InputError("this key of a patient or an auditor is damaged; get a new one") from None


def _key(text: str) -> bytes:
    if len(text) != 2 * KEY_BYTES:
        raise ValueError(text)
    return bytes.fromhex(text)
