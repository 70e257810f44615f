"""A job whose source is a queue: files come one by one, are done as in any job, and leave."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from medlab.pipeline.job import Summary, clean, finish, opened
from medlab.pipeline.job_files import private_folder
from medlab.pipeline.planning import plan, take_in
from medlab.pipeline.preparation import Job
from medlab.pipeline.settings import Settings

_LEFT = ("done", "duplicate")  # what became of files that leave the queue; withheld ones stay


class _Stream:
    """The open job of a queue, see `stream`; `work` says where it is done."""

    def __init__(self, job: Job) -> None:
        self.work = job.work
        self._job = job
        self._new = 0
        self._withheld: set[str] = set()
        plan(job)
        self._clean()

    def work_off(self) -> None:
        """Clean and verify all that came; what is done leaves the queue, what is withheld stays.

        A file in the queue is named by a digest of its content.
        """
        if self._waiting() - self._withheld:
            self._settle()  # what was done before and came again
            take_in(self._job)
            self._clean()

    def finish(self) -> tuple[Summary, tuple[int, int, int]]:
        """Write map and report; return their sum, and how many outputs were sent on.

        These are the numbers of outputs that were taken, refused, and not yet sent.
        """
        return finish(self._job, self._new), self._job.ledger.count_sent()

    def _waiting(self) -> set[str]:
        return {path.name for path in self.work.source.iterdir() if path.suffix != ".part"}

    def _clean(self) -> None:
        self._new += clean(self._job)
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
    folder = target.with_name(f"{target.name}.job")
    new = not folder.exists()
    queue = private_folder(target) / "queue"
    queue.mkdir(mode=0o700, exist_ok=True)
    try:
        with opened(queue, target, settings, **opener) as job:
            job.jobs, new = jobs, False
            for part in queue.glob("*.part"):  # never acknowledged
                part.unlink()
            yield _Stream(job)
    finally:
        if new:
            shutil.rmtree(folder)
