"""Where uploads live: one private folder a server, one in it a session, wiped at the end.

The server holds a lock in its folder for as long as it lives. A folder whose lock can be had
was left by one that was killed; the next start sweeps it.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from medlab.disk import hold
from medlab.errors import RefusedError

_VARIABLE = "MEDLAB_APP_FOLDER"  # tells the kernels where the folder of their server is
_PREFIX = "medlab-app-"
SESSION = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
RESULTS = ("result.zip", "private.zip", "key.txt")  # what a session hands out
_LOCK = "lock"
CAP = 50_000_000  # bytes of one upload, all its files together


@contextmanager
def server_folder() -> Iterator[Path]:
    """Give the folder of a new server (mode 0700) and take it away at the end.

    Folders that killed servers left are swept first. The kernels of this process find it.
    """
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = hold(folder / _LOCK)
    os.environ[_VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        if lock is not None:
            lock.release()
        _remove(folder)


def _sweep() -> int:
    """Take away the folders of servers that live no more; return how many."""
    swept = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if not _is_own(folder) or (lock := hold(folder / _LOCK)) is None:
            continue
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)
        swept += 1
    return swept


def wipe_ended(folder: Path, living: Iterable[str]) -> None:
    """Take away the session folders whose kernel is not among the `living`."""
    alive = set(living)
    for session in folder.iterdir():
        if re.fullmatch(SESSION, session.name) and session.name not in alive:
            shutil.rmtree(session, ignore_errors=True)


def session_folder() -> Path:
    """Return the private folder of this kernel's session, with ``inbox`` and ``files`` in it.

    Temporary files of this process and of its children go there too.
    """
    session = Path(os.environ[_VARIABLE]) / os.environ["VOILA_KERNEL_ID"]
    for name in ("inbox", "files", "tmp", "out"):
        (session / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    session.chmod(0o700)
    os.environ["TMPDIR"] = tempfile.tempdir = str(session / "tmp")
    return session


def safe_path(name: str) -> PurePosixPath:
    """Return the path of an upload or of an entry of a zip, below the folder it goes to.

    Raises
    ------
    RefusedError
        If it leads elsewhere or can't be a file name.
    """
    path = PurePosixPath(name)
    parts = path.parts
    bad = any(part == ".." or len(part.encode("utf-8", "replace")) > 200 for part in parts)
    if (
        bad
        or not parts
        or path.is_absolute()
        or PureWindowsPath(name).drive
        or set(name) & {"\\", "\0"}
    ):
        raise RefusedError("a file name in it leads out of its folder, or can't be a file name")
    return path


def upload_place(session: str, name: str, length: int) -> Path:
    """Return where an upload of some bytes goes, in the inbox of a session.

    Raises
    ------
    RefusedError
        If its name leads elsewhere or is taken, or what waits would rise above the cap.
    """
    inbox = Path(os.environ[_VARIABLE]) / session / "inbox"
    place = inbox / safe_path(name)
    waiting = sum(path.stat().st_size for path in inbox.rglob("*") if path.is_file())
    if waiting + length > CAP:
        raise RefusedError(
            f"an upload may hold {CAP // 1_000_000} MB in all; give the path of the folder on "
            "this computer instead"
        )
    if place.exists():
        raise RefusedError("a file of that name is waiting already; send it on its own")
    return place


def wipe(session: Path, *names: str) -> None:
    """Empty some folders of a session, and take its results away."""
    for name in names:
        shutil.rmtree(session / name, ignore_errors=True)
        (session / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in RESULTS:
        (session / name).unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Take a folder away; a kernel that is just dying may still write into it for a moment."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def _is_own(folder: Path) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    return os.name != "posix" or folder.stat().st_uid == os.getuid()
