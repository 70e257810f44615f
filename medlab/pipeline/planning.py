"""The first pass: every source file into the ledger, looked at once, copies found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from medlab.pipeline import face_removal, owners, steps, text_removal
from medlab.pipeline.job_files import digest_of, kind_of, walk
from medlab.pipeline.ledger import Entry
from medlab.pipeline.preparation import Job
from medlab.pipeline.settings import Work

_R = TypeVar("_R")
_T = TypeVar("_T")
_TOGETHER = 64  # results written to the ledger at once
_CLEANED = ("dicom", "nifti", "sidecar")  # kinds that get an output


def plan(job: Job) -> None:
    """Write all source files into the ledger, look at each, and find those seen twice."""
    with job.ledger.together():
        for found in _found(job.work):
            job.ledger.add(*found)
        if not job.work.settings.stream:
            job.ledger.settle_gone()
        job.ledger.reopen()
    job.ledger.write_phrases(job.work.phrases)
    if not job.work.settings.stream:
        _reopen_missing(job)
    text_removal.reopen_approved(job)
    face_removal.reopen_approved(job)
    _look(job)


def take_in(job: Job) -> None:
    """Write what came into the queue of a stream since into the ledger, and look at it."""
    with job.ledger.together():
        for found in _found(job.work):
            job.ledger.add(*found)
    _look(job)


def _look(job: Job) -> None:
    for batch in chain(*(worked(job, steps.examine, k, "looking") for k in ("file", "nifti"))):
        with job.ledger.together():
            for entry, seen in batch:
                job.ledger.examined(*(seen or (entry.row, "crashed")))
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


def worked(
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
    for number, one in enumerate(done, start=1):
        tell(words, number, total)
        yield one


def _found(work: Work) -> Iterator[tuple[Path, str, int, int]]:
    if work.single is None:
        stream = work.settings.stream  # into which files are being written
        there = False
        for found in walk(work.source):
            there = True
            if not (stream and found[0].suffix == ".part"):
                yield found
        if there and work.decoys.is_dir():  # decoys alone are no source that is mounted
            yield from ((work.decoys / found[0], *found[1:]) for found in walk(work.decoys))
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
        seen = digest in numbers
        number = numbers.setdefault(digest, len(numbers))
        job.ledger.number_copy(entry.row, number)
        if seen:
            job.ledger.settle(entry.row, "duplicate")
