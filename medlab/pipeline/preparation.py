"""A job begins: places checked, private folder made, key and vault opened, earlier work found."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from medlab.crypto import Lock, Vault
from medlab.crypto.audit import AuditLog, sealing_key
from medlab.crypto.keys import read_key
from medlab.errors import RefusedError, UsageError
from medlab.pipeline.job_files import check_apart, check_places, held, private_folder
from medlab.pipeline.ledger import Ledger
from medlab.pipeline.pool import EachDone, each_done
from medlab.pipeline.reidentification import job_key
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
    lock: Lock | None = None,
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
    if lock is not None:
        _check_lock(lock, settings, target, folder)
    elif key_file is not None:
        read_key(key_file)  # a bad one ends the job before there is a folder
    private_folder(target)
    stack.enter_context(held(folder))
    new = not any((folder / name).exists() for name in ("vault.db", "ledger.db"))
    key = b"" if lock else job_key(folder, key_file, new=new)
    vault = Vault(folder / "vault.db", lock or key) if settings.vault else None
    if vault is not None:
        stack.enter_context(vault)
    code_key = key if vault is None else vault.code_key
    single = source.is_file()
    work = Work(
        settings=settings,
        source=source.parent if single else source,
        target=target.parent if single else target,
        folder=folder,
        key=code_key,
        vault_key=key if vault is None else vault.key,
        single=(source.name, target.name) if single else None,
    )
    ledger = Ledger(work.ledger)
    stack.callback(ledger.close)
    audit = stack.enter_context(AuditLog(folder / "audit.jsonl", sealing_key(code_key)))
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


def _check_lock(lock: Lock, settings: Settings, target: Path, folder: Path) -> None:
    """Refuse what would leave a key in clear beside the vault, before anything is written."""
    if not settings.vault:
        raise UsageError("passphrase and shares lock a vault; a job without one takes a key file")
    check_apart(lock.files, target)
    if not (folder / "vault.db").exists():
        lock.check_whole()
        if (folder / "ledger.db").exists() or (folder / "key").exists():
            raise RefusedError("this job began without a lock; choose another DST")


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
    work = job.work  # what a later run needs to do the same job again
    source = work.source / work.single[0] if work.single else work.source
    order = {"source": str(source.resolve()), "settings": asdict(work.settings)}
    job.ledger.setting("asked", json.dumps(order))
