"""A job: a folder of DICOM to a clean folder, in steps that can be taken up again.

begin -> plan (what is there, whose is it) -> clean (one file after the other) -> finish
(map, review table, report, audit log).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from medlab import __version__, dicom
from medlab.crypto import Lock, Vault, load_key, write_key
from medlab.crypto.audit import AuditLog, sealing_key
from medlab.dicom.profile import SAFE_HARBOR
from medlab.disk import appearing, clear_parts
from medlab.errors import InputError, RefusedError, UsageError
from medlab.pipeline import cohort_in_headers, job_report, owners, pictures, steps
from medlab.pipeline.job_files import (
    Job,
    check_apart,
    check_places,
    digest_of,
    give_output_time,
    held,
    job_key,
    kind_of,
    private_folder,
    walk,
    write_csv,
)
from medlab.pipeline.job_report import Summary
from medlab.pipeline.ledger import Entry, Ledger
from medlab.pipeline.owners import keep_ids, read_ids
from medlab.pipeline.pool import EachDone, each_done
from medlab.pipeline.settings import Outcome, Progress, Settings, Work

_R = TypeVar("_R")
_T = TypeVar("_T")
_TOGETHER = 64  # results written to the ledger at once
_CLEANED = ("dicom", "nifti", "sidecar")  # kinds that get an output


def _plan(job: Job) -> None:
    """Write all source files into the ledger, look at each, and find those seen twice."""
    with job.ledger.together():
        for place in _found(job.work):
            job.ledger.add(*place)
        if not job.work.settings.stream:
            job.ledger.settle_gone()
        job.ledger.reopen()
    job.ledger.write_phrases(job.work.phrases)
    if not job.work.settings.stream:
        _reopen_missing(job)
    pictures.reopen_approved(job)
    _look(job)


def _take_in(job: Job) -> None:
    """Write what came into the queue of a stream since into the ledger, and look at it."""
    with job.ledger.together():
        for place in _found(job.work):
            job.ledger.add(*place)
    _look(job)


def _look(job: Job) -> None:
    for batch in chain(*(_worked(job, steps.examine, k, "looking") for k in ("file", "nifti"))):
        with job.ledger.together():
            for entry, look in batch:
                job.ledger.examined(*(look or (entry.row, "crashed")))
    owners.join(job)
    for target in job.ledger.withdraw():
        (job.work.target / target).unlink(missing_ok=True)
    with job.ledger.together():
        job.ledger.settle_kinds(_CLEANED)
        for group in job.ledger.same_instances():
            _settle_copies(job, group)
    job.ledger.write_phrases(job.work.phrases)
    if job.work.settings.head != "leave":
        spaces, total = job.ledger.open_spaces(), job.ledger.count_spaces()
        done = job.each(steps.cut_heads, spaces, job.jobs, steps.start, job.work)
        for _, measured in _shown(job, done, "cutting heads", total):
            for row, report in (measured or {}).items():
                job.ledger.note_head(row, report)


def _worked(
    job: Job, work: Callable[[Entry], _R], kind: str, words: str
) -> Iterator[list[tuple[Entry, _R | None]]]:
    """Give the results of `work` on all open files of a kind, some at a time, with a bar."""
    entries = job.ledger.open_entries(kind)
    done = job.each(work, entries, job.jobs, steps.start, job.work)
    bar = _shown(job, done, words, job.ledger.count_open(kind))
    while batch := list(islice(bar, _TOGETHER)):
        yield batch


def _shown(job: Job, done: Iterator[_T], words: str, total: int) -> Iterator[_T]:
    """Give what is done, with a bar or to whoever asked to be told."""
    if callable(job.progress):
        return _told(done, words, total, job.progress)
    return iter(tqdm(done, words, total, unit="file", disable=not job.progress or not total))


def _told(
    done: Iterator[_T], words: str, total: int, tell: Callable[[str, int, int], None]
) -> Iterator[_T]:
    for number, result in enumerate(done, start=1):
        tell(words, number, total)
        yield result


def _found(work: Work) -> Iterator[tuple[Path, str, int, int]]:
    if work.single is None:
        stream = work.settings.stream  # into which files are being written
        there = False
        for place in walk(work.source):
            there = True
            if not (stream and place[0].suffix == ".part"):
                yield place
        if there and work.decoys.is_dir():  # decoys alone are no source that is mounted
            yield from ((work.decoys / place[0], *place[1:]) for place in walk(work.decoys))
        return
    path = work.source / work.single[0]
    yield Path(work.single[0]), *kind_of(path, path.resolve().parent)


def _reopen_missing(job: Job) -> None:
    """Have outputs made again that were taken away, or cut, since they were made."""
    for row in job.ledger.rows():
        if row.status != "done":
            continue
        output = job.work.target / row.target
        if not output.is_file() or output.stat().st_size != row.size:
            job.ledger.reopen(row.row)


def _settle_copies(job: Job, group: list[Entry]) -> None:
    """Of files with one SOP Instance UID, let each different content be written once."""
    numbers: dict[bytes, int] = {}
    for entry in group:
        # what left the queue of a stream had the digest of its content for a name
        stream, source = job.work.settings.stream, entry.source
        digest = source.stem.encode() if stream else digest_of(job.work.source / source)
        is_copy = digest in numbers
        number = numbers.setdefault(digest, len(numbers))
        job.ledger.number_copy(entry.row, number)
        if is_copy:
            job.ledger.settle(entry.row, "duplicate")


_Place = tuple[str, str, str]  # kind, code and owner of a row of the vault
_REMEMBERED = 4096  # rows of the vault, a few megabytes


def deidentify(
    source: Path | str,
    target: Path | str,
    settings: Settings | None = None,
    *,
    key_file: Path | str | None = None,
    lock: Lock | None = None,
    map_file: Path | str | None = None,
    ids_file: Path | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress = False,
    each: EachDone | None = None,
) -> Summary:
    """De-identify a file, or all DICOM files of a folder, and report what was done.

    Parameters
    ----------
    source, target : path
        Two folders apart from one another, or two files. Nothing is written into `source`.
    settings : Settings, optional
        Policy ``basic`` without options by default.
    key_file : path, optional
        See `medlab.crypto.load_key`; without it, and without ``MEDLAB_KEY_FILE``, the job
        makes a key in its private folder ``<target>.job``.
    lock : Lock, optional
        A passphrase or shares in place of a key file (see `medlab.crypto.lock`); the vault
        then keeps the key, sealed.
    map_file : path, optional
        Where to put a copy of the map ``source,target,status``. It holds the old names.
    ids_file : path, optional
        New patient IDs, see `medlab.pipeline.owners.read_ids`.
    jobs : int
        Worker processes.
    overwrite : bool
        Do everything anew, though there are outputs.
    progress : bool or callable
        Show a bar on standard error; or what is called with a step in words, how many files
        are done with it, and how many there are.
    each : callable, optional
        Who works on the files, such as a cluster (`medlab.pipeline.pool.cluster`); by default
        `jobs` processes of this machine.

    Returns
    -------
    Summary

    Raises
    ------
    MedlabError
        If the job as a whole can't be done. A single file that fails is withheld and
        listed in the report instead.
    """
    source, target = Path(source), Path(target)
    settings = Settings() if settings is None else settings
    _check_map(map_file, source, target, overwrite)
    with _opened(source, target, settings, key_file, lock, ids_file, overwrite, each) as job:
        job.jobs, job.progress = jobs, progress
        _plan(job)
        cohort_in_headers.plan_cohort(job)
        new = _clean(job)
        shutil.rmtree(job.work.masks, ignore_errors=True)  # they show the faces that were cut
        return _finish(job, new, map_file)


@contextmanager
def _opened(
    source: Path,
    target: Path,
    settings: Settings,
    key_file: Path | str | None = None,
    lock: Lock | None = None,
    ids_file: Path | None = None,
    overwrite: bool = False,
    each: EachDone | None = None,
) -> Iterator[Job]:
    """Check what is asked for, open a job and note its start; see `deidentify`."""
    pairs = None if ids_file is None else read_ids(ids_file)
    if pairs is not None:
        digest = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()
        settings = replace(settings, ids=digest)
    header_plan = steps.plan_of(settings)  # an unknown option ends the job before it begins
    pictures.check_available(settings)
    if settings.cohort_k is not None:
        cohort_in_headers.check_quasi(settings.quasi)
    if (key_file or lock) and settings.policy == SAFE_HARBOR:
        raise UsageError("Safe Harbor draws its codes and keeps no key; leave out the key or lock")
    if lock is not None and dicom.own_rules.encrypted(header_plan):
        raise UsageError("what own rules encrypt opens by a key file, not by a lock; name one")
    if each is not None and settings.codes == "random":
        raise UsageError("random codes are drawn from one vault on one machine; use jobs")
    with ExitStack() as stack:
        if settings.policy == SAFE_HARBOR:
            job = _begin_safe_harbor(stack, source, target, settings, overwrite)
        else:
            job = _begin(stack, source, target, settings, key_file, overwrite, lock)
        stack.callback(steps.stop)
        if pairs is not None:
            keep_ids(job.work.ids, pairs, job.work.key)
        job.each = each or each_done
        job.audit.append(
            "job started",
            policy=settings.policy,
            options=sorted(header_plan.options),
            rules=dicom.own_rules.lines(settings.rules),
            allow_identifiers=list(settings.allow_identifiers),
            recipients=len(settings.recipients),
            edition=dicom.EDITION,
            version=__version__,
        )
        yield job


def _begin(
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
    folder = private_folder(target)
    _check_unclaimed(target, folder, overwrite)
    if lock is not None:
        _check_lock(lock, settings, target, folder)
    elif key_file is not None:
        load_key(Path(key_file))  # a bad one ends the job before there is a folder
    private_folder(target, make=True)
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
    if earlier is not None and not job.work.single:
        clear_parts(job.work.target)
    job.ledger.setting("mark", mark)
    work = job.work  # what a later run needs to do the same job again
    source = work.source / work.single[0] if work.single else work.source
    order = {"source": str(source.resolve()), "settings": asdict(work.settings)}
    job.ledger.setting("asked", json.dumps(order))


def rerun(
    target: Path | str,
    *,
    key_file: Path | str | None = None,
    lock: Lock | None = None,
    jobs: int = 1,
    progress: Progress = False,
) -> Summary:
    """Run the job that made `target` again, with the source and the settings it had.

    Only what is missing, changed or newly approved is done.

    Parameters
    ----------
    target : path
        The DST of an earlier job.
    key_file, lock : path, Lock, optional
        The key, when it does not stand in the private folder, or what locks it.
    jobs, progress
        As in `deidentify`.

    Returns
    -------
    Summary

    Raises
    ------
    InputError
        If no job has left its notes beside `target`.
    """
    target = Path(target)
    if not (private_folder(target) / "ledger.db").is_file():
        raise InputError("no job stands beside this folder; run deidentify first")
    noted = asked_of(target)
    if noted is None:
        raise InputError("the job does not say what it was asked for; run deidentify again")
    words: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in noted["settings"].items()
    }
    return deidentify(
        noted["source"],
        target,
        Settings(**words),
        key_file=key_file,
        lock=lock,
        jobs=jobs,
        progress=progress,
    )


def _begin_safe_harbor(
    stack: ExitStack, source: Path, target: Path, settings: Settings, overwrite: bool
) -> Job:
    """Open a job whose codes are drawn anew in each run: its key lives in memory only.

    45 CFR 164.514(c): a code is not derived from what it stands for, and no key leads back.
    What an earlier run of the same job left cannot be gone on with, so it is made anew.
    """
    folder = private_folder(target)
    if any((folder / name).exists() for name in ("key", "vault.db")):
        raise RefusedError("an earlier job left its key or vault beside DST; choose another DST")
    order = asked_of(target)
    same = order is not None and (
        order["source"] == str(source.resolve())
        and order["settings"] == json.loads(json.dumps(asdict(settings)))
    )
    with tempfile.TemporaryDirectory() as place:
        write_key(Path(place, "key"))
        return _begin(stack, source, target, settings, Path(place, "key"), overwrite or same)


def asked_of(target: Path) -> dict[str, Any] | None:
    """Return what an earlier job on `target` was asked for, if there was one."""
    path = private_folder(target) / "ledger.db"
    if not path.is_file():
        return None
    ledger = Ledger(path)
    order = ledger.setting("asked")
    ledger.close()
    return None if order is None else dict(json.loads(order))


def _check_map(map_file: Path | str | None, source: Path, target: Path, overwrite: bool) -> None:
    if map_file is None:
        return
    parents = Path(map_file).resolve().parents
    if any(root.is_dir() and root.resolve() in parents for root in (source, target)):
        raise RefusedError("the map holds the old names; put it neither into SRC nor into DST")
    goes_on = private_folder(target).exists()  # and writes its own map again
    if Path(map_file).exists() and not overwrite and not goes_on:
        raise RefusedError("the map file exists; choose another name or add --overwrite")


def _clean(job: Job) -> int:
    """Clean every open file and return how many outputs appeared."""
    new = 0
    recent: dict[_Place, str] = {}  # what the vault got, while it is likely to come again
    for batch in _worked(job, steps.clean, "%", "cleaning"):
        outcomes = [done or Outcome(entry.row, "crashed") for entry, done in batch]
        if job.vault is not None:
            _remember(job.vault, outcomes, recent)
        with job.ledger.together():
            for done in outcomes:
                job.ledger.record(done)
        job.audit.extend("file", map(_audited, outcomes))
        new += sum(done.status == "done" for done in outcomes)
    return new


def _remember(vault: Vault, outcomes: list[Outcome], recent: dict[_Place, str]) -> None:
    """Put into the vault what it did not get before: the files of a study say much the same."""
    rows = {
        (kind, code, owner): original
        for done in outcomes
        for kind, code, original, owner in done.ways_back
    }
    new = {place: original for place, original in rows.items() if recent.get(place) != original}
    vault.remember((kind, code, original, owner) for (kind, code, owner), original in new.items())
    if len(recent) > _REMEMBERED:
        recent.clear()
    recent |= new


def _audited(done: Outcome) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for (code, _), n in done.actions.items():
        counts[code] = counts.get(code, 0) + n
    return {
        "row": done.row,
        "status": done.status,
        "actions": counts,
        "source_digest": done.source_digest,
        "target_digest": done.target_digest,
    }


def _finish(job: Job, new: int, map_file: Path | str | None = None) -> Summary:
    """Write map, review table, report and audit log of a job, and sum it up."""
    folder = job.work.folder
    job.ledger.point_copies()
    rows = ((str(row.source), row.target, row.status) for row in job.ledger.rows())
    write_csv(folder / "map.csv", ("source", "target", "status"), rows)
    if map_file is not None:
        with appearing(Path(map_file), 0o600) as part:
            shutil.copyfile(folder / "map.csv", part)
    if job.work.settings.review:
        # rare ones first: a name is rarer than a clinical word
        texts = job.ledger.kept_texts()
        write_csv(folder / "review-text.csv", ("element", "text", "files", "first_row"), texts)
    pictures.write_reviews(job)
    cohort = None
    if job.work.settings.cohort_k is not None and not job.work.single:
        cohort = cohort_in_headers.check(job.work.target, folder / "cohort-release.csv")
    statuses = job.ledger.statuses()
    strangers = _close_target(job)
    head = job.audit.append("job ended", new=new, statuses=statuses, strangers=strangers)
    return job_report.write(job, head, new, cohort, strangers)


def _close_target(job: Job) -> int:
    """Give all outputs one time; count the files in DST that are none of this job's.

    A run with another key, say, leaves such files.
    """
    target = job.work.target
    if job.work.single:
        output = target / job.work.single[1]
        names: tuple[Path, ...] = (output,)
        if output.suffix.lower() in (".hdr", ".img"):
            from medlab.neuro.nifti_header import halves

            names = halves(output)
        for path in filter(Path.is_file, names):
            give_output_time(path)
        return 0
    folders, strangers = {target}, 0
    for path, kind, _, _ in walk(target):
        if kind != "closed" and job.ledger.made(os.fsencode(path).decode("utf-8", "replace")):
            give_output_time(target / path)
            folders |= {target / folder for folder in path.parents}
        else:
            strangers += kind != "closed"
    for folder in folders if target.is_dir() else ():
        give_output_time(folder)
    return strangers


_LEFT = ("done", "duplicate")  # what became of files that leave the queue; withheld ones stay


class _Stream:
    """The open job of a queue, see `stream`; `work` says where it is done."""

    def __init__(self, job: Job) -> None:
        self.work = job.work
        self._job = job
        self._new = 0
        self._withheld: set[str] = set()
        _plan(job)
        self._clean()

    def work_off(self) -> None:
        """Clean and verify all that came; what is done leaves the queue, what is withheld stays.

        A file in the queue is named by a digest of its content.
        """
        if self._waiting() - self._withheld:
            self._settle()  # what was done before and came again
            _take_in(self._job)
            self._clean()

    def finish(self) -> tuple[Summary, tuple[int, int, int]]:
        """Write map and report; return their sum, and how many outputs were sent on.

        These are the numbers of outputs that were taken, refused, and not yet sent.
        """
        return _finish(self._job, self._new), self._job.ledger.count_sent()

    def _waiting(self) -> set[str]:
        return {path.name for path in self.work.source.iterdir() if path.suffix != ".part"}

    def _clean(self) -> None:
        self._new += _clean(self._job)
        self._settle()

    def _settle(self) -> None:
        """Take what is done out of the queue, and note what is withheld."""
        for name in self._waiting():
            status = self._job.ledger.status(Path(name))
            if status in _LEFT:
                (self.work.source / name).unlink()
            elif status:
                self._withheld.add(name)


@contextmanager
def stream(target: Path, settings: Settings, *, jobs: int = 1, **opener: Any) -> Iterator[_Stream]:
    """Open the job of the queue in the private folder of `target`, and do what waits there.

    Names of patients that come later are not looked for in files that are done. A study whose
    files spell their patient in two ways is joined as far as they wait together.

    Parameters
    ----------
    target : path
        DST, as in `medlab.pipeline.deidentify`.
    settings : Settings
        Nothing that needs all files at once.
    jobs : int
        Worker processes.
    **opener
        ``key_file``, ``lock``, ``ids_file`` as in `medlab.pipeline.deidentify`.

    Raises
    ------
    MedlabError
        If the job can't be opened; then nothing is left behind.
    """
    settings = replace(settings, stream=True)
    folder = private_folder(target)
    new = not folder.exists()
    queue = private_folder(target, make=True) / "queue"
    queue.mkdir(mode=0o700, exist_ok=True)
    try:
        with _opened(queue, target, settings, **opener) as job:
            job.jobs, new = jobs, False
            for part in queue.glob("*.part"):  # never acknowledged
                part.unlink()
            yield _Stream(job)
    finally:
        if new:
            shutil.rmtree(folder)
