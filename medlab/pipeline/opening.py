"""A job begins: places checked, private folder made, key and vault opened, earlier work found."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medlab.crypto import AuditLog, Vault, load_key, subkey
from medlab.disk import hold
from medlab.errors import RefusedError
from medlab.pipeline.files import check_places, private_folder
from medlab.pipeline.ledger import Ledger
from medlab.pipeline.pool import EachDone, each_done
from medlab.pipeline.settings import Progress, Settings, Work


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


def begin(
    stack: ExitStack,
    source: Path,
    target: Path,
    settings: Settings,
    key_file: Path | str | None = None,
    overwrite: bool = False,
) -> Job:
    """Open a job and whatever an earlier run of it left; `stack` closes it again.

    Raises
    ------
    RefusedError
        If there are outputs that are not this job's, or it is being done already.
    """
    check_places(source, target)
    source, target = source.absolute(), target.absolute()  # a worker may stand elsewhere
    folder = target.with_name(target.name + ".job")
    _check_unclaimed(target, folder, overwrite)
    private_folder(target)
    _lock(stack, folder)
    key = load_key(key_file, fallback=folder / "key")
    vault = stack.enter_context(Vault(folder / "vault.db", key)) if settings.vault else None
    code_key = key if vault is None else vault.code_key
    single = source.is_file()
    work = Work(
        settings=settings,
        source=source.parent if single else source,
        target=target.parent if single else target,
        folder=folder,
        key=code_key,
        vault_key=key,
        single=(source.name, target.name) if single else None,
    )
    ledger = Ledger(work.ledger)
    stack.callback(ledger.close)
    audit = stack.enter_context(AuditLog(folder / "audit.jsonl", subkey(code_key, "audit")))
    job = Job(work, ledger, vault, audit)
    _take_up(job, f"{settings.fingerprint(code_key)} {source.resolve()}", overwrite)
    return job


def _check_unclaimed(target: Path, folder: Path, overwrite: bool) -> None:
    if overwrite or not target.exists():
        return
    if target.is_file():
        raise RefusedError("DST exists; choose another name or say --overwrite")
    if any(target.iterdir()) and not (folder / "ledger.db").exists():
        raise RefusedError("DST is not empty; choose an empty folder or say --overwrite")


def _lock(stack: ExitStack, folder: Path) -> None:
    lock = hold(folder / "lock")
    if lock is None:
        raise RefusedError("another run is at work on this DST; wait until it has ended")
    stack.callback(lock.release)


def _take_up(job: Job, mark: str, overwrite: bool) -> None:
    """Go on with an earlier run of the same settings, or forget it."""
    earlier = job.ledger.setting("mark")
    if earlier is not None and earlier != mark and not overwrite:
        raise RefusedError(
            "DST was made with another SRC, other settings or another key; "
            "choose another DST, or say --overwrite to do it anew"
        )
    if earlier is not None and overwrite:
        for row in job.ledger.rows():
            if row.target:
                (job.work.target / row.target).unlink(missing_ok=True)
        job.ledger.forget()
    elif earlier is not None and job.work.target.is_dir() and not job.work.single:
        for part in job.work.target.rglob(".*.part"):  # what a run that was killed left
            part.unlink()
    job.ledger.setting("mark", mark)
    job.ledger.setting("asked", json.dumps(_asked(job.work)))


def _asked(work: Work) -> dict[str, Any]:
    """Return what a later run needs to do the same job again."""
    source = work.source / work.single[0] if work.single else work.source
    return {"source": str(source.resolve()), "settings": asdict(work.settings)}
