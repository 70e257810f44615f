"""Whole files or none, pages from templates, locks, and processes that end together."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from medlab.errors import RefusedError

_POLL_S = 0.01  # how often a lock that another process holds for a moment is tried


@contextmanager
def appearing(path: Path, mode: int | None = None, *, replace: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path`; it gets its name when all went well, else it goes.

    Nobody ever sees half a file under its own name.

    Parameters
    ----------
    path : Path
        Its folder is made where it is not there.
    mode : int, optional
        Of the file from its first byte, such as 0o600 for what its owner alone may read.
    replace : bool
        Whether a file of that name gives way. If not, of two processes that write it the first
        to end keeps the name, and RefusedError stops the other.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    part = path.with_name(f".{os.getpid()}-{threading.get_native_id()}-{name}.part")
    part.unlink(missing_ok=True)
    try:
        if mode is not None:
            part.touch(mode=mode)
        yield part
        if replace:
            part.replace(path)
        else:
            _name_new(part, path)
    finally:
        part.unlink(missing_ok=True)


def clear_parts(folder: Path) -> None:
    """Take away what a process that was killed left half made below a folder.

    That is what `appearing` gives, and temporary folders whose names are of that form.
    """
    for part in list(folder.rglob(".*.part")):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def page_from(
    template: Path,
    facts: Mapping[str, Any],
    filters: Mapping[str, Callable[..., Any]] | None = None,
) -> str:
    """Return a page from a Jinja template, with all that is put in escaped.

    Parameters
    ----------
    template : Path
    facts : mapping
        What the template speaks of, by name.
    filters : mapping, optional
        Functions that it applies, by name.
    """
    from jinja2 import Environment, FileSystemLoader

    loader = FileSystemLoader(template.parent)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= filters or {}
    return environment.get_template(template.name).render(facts)


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Write to a database at once what is done within it, or, on an error, nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _name_new(part: Path, path: Path) -> None:
    """Give a file its name in one step that fails where there is one of that name."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise RefusedError("an output exists already; choose another name") from None
    except OSError:  # a file system without hard links
        if path.exists():
            raise RefusedError("an output exists already; choose another name") from None
        part.replace(path)


def write_whole(path: Path, content: bytes, mode: int | None = None) -> Path:
    """Write a file at once or not at all, and return its path; `mode` as for `appearing`."""
    with appearing(path, mode) as part:
        part.write_bytes(content)
    return path


def hold(path: Path) -> FileLock | None:
    """Return a lock on `path`, to be released, or None where another process holds it."""
    lock = _lock(path)
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError):
        return None
    return lock


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep all others who ask for `path`, in this process or another, out for a moment."""
    with _lock(path):
        yield


def _lock(path: Path) -> FileLock:
    return FileLock(
        path,
        mode=0o600,
        thread_local=False,
        poll_interval=_POLL_S,
        fallback_to_soft=False,
        preserve_lock_file=True,
    )


def end_with_parent() -> None:
    """End this process when the one that made it ends, however that ended; for a thread."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
