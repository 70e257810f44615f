"""A job's places: what is in the source, the private folder, and a job that is open there."""

from __future__ import annotations

import csv
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medlab.crypto import Vault, load_key
from medlab.crypto.audit import AuditLog
from medlab.crypto.keys import named_key_file
from medlab.disk import appearing, hold
from medlab.errors import MissingError, RefusedError, UsageError
from medlab.pipeline.ledger import Ledger
from medlab.pipeline.pool import EachDone, each_done
from medlab.pipeline.settings import Progress, Work

PRIVATE_NOTE = "PATIENT-DATA.txt"  # marks the private folder of a job
_README = """This folder holds patient data: the key, the vault, the map from old to new names
and tables for review. Keep it apart from the folder beside it, and never pass it on.
"""
_STORES = {".git", ".hg", ".svn", ".datalad"}  # behind a tree of files, and no part of it
_NIFTI = (".nii", ".nii.gz", ".hdr", ".img", ".img.gz", ".hdr.gz")

# 2000-01-01 00:00 UTC, the time of every output: times would give away the order of the source
_OUTPUT_TIME_NS = 946_684_800 * 10**9


def check_places(source: Path, target: Path) -> None:
    """Refuse a source that is not there, and places that lie within one another.

    Raises
    ------
    UsageError, RefusedError
    """
    if not source.exists():
        raise UsageError("SRC does not exist; check the path")
    if not (source.is_dir() or source.is_file()):
        raise UsageError("SRC is neither a folder nor a file")
    old, new = source.resolve(), target.resolve()
    if old == new:
        raise RefusedError("SRC and DST are the same; nothing is ever written into the input")
    if source.is_file():
        if target.is_dir():
            raise UsageError("SRC is one file, so DST must be a file and not a folder")
        return
    if old in new.parents or new in old.parents:
        raise RefusedError("SRC and DST lie within one another; choose a DST elsewhere")
    if target.is_file():
        raise UsageError("SRC is a folder, so DST must be a folder and not a file")


def check_apart(secrets: Iterable[Path], target: Path) -> None:
    """Refuse secret files in an output or its private folder, which they would open.

    Raises
    ------
    UsageError
    """
    places = {target.resolve(), private_folder(target).resolve()}
    if any(places & set(secret.resolve().parents) for secret in secrets):
        raise UsageError("keep keys, shares and passphrases out of DST and DST.job")


@contextmanager
def held(folder: Path, place: str = "DST") -> Iterator[None]:
    """Keep other runs out of a private folder while this one is at work.

    Raises
    ------
    RefusedError
        If another run holds it, a gateway's included.
    """
    lock = hold(folder / "lock")
    if lock is None:
        raise RefusedError(f"another run is at work on this {place}; wait until it has ended")
    with lock:
        yield


def private_folder(target: Path, *, make: bool = False) -> Path:
    """Return the private folder of a job, ``DST.job``; where asked made (0700) and marked."""
    folder = target.with_name(target.name + ".job")
    if not make:
        return folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    note = folder / PRIVATE_NOTE
    if not note.exists():
        note.write_text(_README, encoding="utf-8")
    return folder


def walk(root: Path) -> Iterator[tuple[Path, str, int, int]]:
    """Give path below `root`, kind, size and time of change of everything in it, in order.

    Kinds: ``file``; ``nifti`` (by name); ``link`` (one that leads out of the folder, or to a
    folder: never followed); ``special`` (pipes, devices). Folders that can't be listed are
    given as ``closed``, the stores of version control as ``store``.
    """
    inside = root.resolve()
    closed: list[str] = []
    for folder, names, files in os.walk(root, onerror=lambda e: closed.append(str(e.filename))):
        for store in sorted(_STORES & set(names)):
            names.remove(store)
            yield Path(folder, store).relative_to(root), "store", 0, 0
        names.sort()
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        for name in sorted(files + links):
            path = Path(folder) / name
            yield path.relative_to(root), *kind_of(path, inside)
        while closed:
            yield Path(closed.pop()).relative_to(root), "closed", 0, 0


def kind_of(path: Path, inside: Path) -> tuple[str, int, int]:
    """Return the kind of one path (see `walk`), its size and its time of change."""
    if path.is_symlink() and (path.is_dir() or not _leads_into(path, inside)):
        return "link", 0, 0
    try:
        status = path.stat()
    except OSError:
        return "link", 0, 0  # a link to nothing, or a file that went away
    if not stat.S_ISREG(status.st_mode):
        return "special", 0, 0
    kind = "nifti" if path.name.lower().endswith(_NIFTI) else "file"
    # outputs of a job all bear one time of modification: only the inode tells that one changed
    neutral = status.st_mtime_ns == _OUTPUT_TIME_NS
    return kind, status.st_size, status.st_ctime_ns if neutral else status.st_mtime_ns


def _leads_into(path: Path, inside: Path) -> bool:
    try:
        return inside in path.resolve().parents
    except (OSError, RuntimeError):  # a circle of links
        return False


def give_output_time(path: Path) -> None:
    """Give a file or folder the one time that all outputs bear."""
    if path.stat().st_mtime_ns != _OUTPUT_TIME_NS:
        os.utime(path, ns=(_OUTPUT_TIME_NS, _OUTPUT_TIME_NS))


def write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    """Write a table of the private folder, which its owner alone may read."""
    with (
        appearing(path, 0o600) as part,
        part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def digest_of(path: Path) -> bytes:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@dataclass
class Job:
    """One job with its ledger, vault and audit log open; `each` has the files worked on.

    `owners` counts the files that follow the owner of their study, and the studies whose files
    name several patients.
    """

    work: Work
    ledger: Ledger
    vault: Vault | None
    audit: AuditLog
    jobs: int = 1
    progress: Progress = False
    each: EachDone = each_done
    owners: tuple[int, int] = (0, 0)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


def job_key(folder: Path, key_file: Path | str | None, *, new: bool = False) -> bytes:
    """Return the key of the job with this private folder, which a new job may make there.

    Raises
    ------
    MissingError
        If no key is there or was named.
    """
    own = folder / "key"
    if not (new or own.is_file() or named_key_file(key_file)):
        raise MissingError(
            "no key: name the key file, passphrase or shares that the job began with"
        )
    return load_key(key_file, fallback=own)
