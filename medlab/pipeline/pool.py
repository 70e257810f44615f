"""Many tasks, by a bounded number of processes of this machine, or of a Dask cluster.

One that dies harms no other. A cluster's machines see the same folders under the same paths. Its
workers get the key of the job and send back what the vault keeps, so it is either on this machine
or spoken to over TLS. It needs the extra ``scale``.
"""

from __future__ import annotations

import multiprocessing
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import islice, takewhile
from time import perf_counter
from typing import Any, TypeVar
from uuid import uuid4

from medlab import __version__
from medlab.disk import end_with_parent
from medlab.errors import RefusedError, UsageError, not_installed

_T = TypeVar("_T")
_R = TypeVar("_R")
#: Called like `each_done`.
EachDone = Callable[..., Iterator[tuple[Any, Any]]]
_AHEAD = 8  # tasks under way for each process
_BATCHES_AHEAD = 4  # batches under way for each worker
_LARGEST = 50  # tasks of a batch: what a client that dies has to do again, for each worker
_BATCH_S = 1.0  # what a batch is to take, so that a bar moves and heavy tasks spread evenly
_HERE = re.compile(r"(?:tcp://)?(?:127\.0\.0\.1|localhost|\[::1\]):\d+|inproc://.*")
_SECONDS = 15  # how long a scheduler may take to answer, or have no worker
_phase: list[str] = []


def each_done(
    work: Callable[[_T], _R],
    tasks: Iterator[_T],
    jobs: int,
    start: Callable[..., None],
    *args: Any,
) -> Iterator[tuple[_T, _R | None]]:
    """Give every task with its result, as they come; None where the process died on it.

    Parameters
    ----------
    work : callable
        Of one task; must not raise.
    tasks : iterator
        Taken only as fast as they are done.
    jobs : int
        Processes. 1 works in this one.
    start : callable
        Called with `args` once in every process.
    """
    if jobs == 1:
        start(*args)
        for task in tasks:
            yield task, work(task)
        return
    yield from _in_processes(work, tasks, jobs, start, args)


def _in_processes(
    work: Callable[[_T], _R], tasks: Iterator[_T], jobs: int, start: Callable[..., None], args: Any
) -> Iterator[tuple[_T, _R | None]]:
    pool = _pool(jobs, start, args)
    under_way: dict[Future[_R], _T] = {}
    try:
        while True:
            for task in islice(tasks, jobs * _AHEAD - len(under_way)):
                under_way[pool.submit(work, task)] = task
            if not under_way:
                return
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            broken = [under_way.pop(future) for future in done if _died(future)]
            for future in done - {future for future in done if _died(future)}:
                yield under_way.pop(future), future.result()
            if broken:
                suspects = broken + list(under_way.values())
                under_way.clear()
                pool.shutdown(cancel_futures=True)
                yield from _one_by_one(work, suspects, start, args)
                pool = _pool(jobs, start, args)
    finally:
        pool.shutdown(cancel_futures=True)


def _one_by_one(
    work: Callable[[_T], _R], tasks: list[_T], start: Callable[..., None], args: Any
) -> Iterator[tuple[_T, _R | None]]:
    """Do again, one after the other, the tasks that were under way when a process died."""
    pool = None
    for task in tasks:
        pool = pool or _pool(1, start, args)
        try:
            yield task, pool.submit(work, task).result()
        except BrokenProcessPool:
            pool.shutdown()
            pool = None
            yield task, None
    if pool is not None:
        pool.shutdown()


def _died(future: Future[_R]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


def _pool(jobs: int, start: Callable[..., None], args: Any) -> ProcessPoolExecutor:
    # "spawn": no open database of this process is shared with a child
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(start, args))


def _begin(start: Callable[..., None], args: Any) -> None:
    """Start in a new process, which ends when the one that made it does, however that ended."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    start(*args)


@contextmanager
def cluster(address: str) -> Iterator[EachDone]:
    """Give what is called like `each_done` and works on a cluster: `each` of a job.

    Parameters
    ----------
    address : str
        Of a Dask scheduler, such as ``"tls://node1:8786"``; certificates are taken from
        Dask's own configuration (``distributed.comm.tls``).

    Raises
    ------
    UsageError
        If nobody answers there.
    RefusedError
        If keys would travel in the clear, or the workers are not fit for the job.
    UnavailableError
        If Dask is not installed.
    """
    try:
        from distributed import Client
    except ImportError:
        raise not_installed("Dask", "scale") from None
    if not (address.startswith("tls://") or _HERE.fullmatch(address)):
        raise RefusedError("the key would travel in the clear; use a tls:// address")
    try:
        client: Any = Client(address, timeout=_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError):
        raise UsageError("no Dask scheduler answers at that address") from None
    with client:
        _check_workers(client)
        yield partial(_each_in_batches, client)


def _check_workers(client: Any) -> None:
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    if not workers or any(worker["nthreads"] != 1 for worker in workers):
        raise RefusedError("the cluster needs workers of one thread each: --nthreads 1")
    if set(client.run(_version).values()) != {__version__}:
        raise RefusedError(f"every worker needs medlab {__version__}, as this machine has")


def _version() -> str:
    return __version__


def _each_in_batches(
    client: Any,
    work: Callable[[_T], _R],
    tasks: Iterator[_T],
    _jobs: int,
    start: Callable[..., None],
    *args: Any,
) -> Iterator[tuple[_T, _R | None]]:
    """Give every task with its result, as batches come back; None where the workers died on it.

    Dask spends milliseconds on whatever is submitted, as long as a small file takes. The tasks of
    a batch on which workers died are submitted anew, each by itself: only the deadly one is lost.
    """
    from distributed import KilledWorker

    phase, size = uuid4().hex, 1
    ahead = _BATCHES_AHEAD * len(client.scheduler_info(n_workers=-1)["workers"])
    under_way: dict[Any, list[_T]] = {}
    suspects: list[_T] = []
    submit = partial(client.submit, _on_worker, phase, work, start, args, pure=False)
    while True:
        suspect = None
        if not suspects:
            free = ahead - len(under_way)
            for batch in takewhile(len, (list(islice(tasks, size)) for _ in range(free))):
                under_way[submit(batch)] = batch
        elif not under_way:  # alone: Dask blames whatever waits on the worker that dies
            batch = [suspects.pop()]
            suspect = submit(batch)
            under_way[suspect] = batch
        if not under_way:
            return
        future = _first_done(client, under_way)
        batch = under_way.pop(future)
        try:
            results, seconds = future.result()
        except KilledWorker:
            if future == suspect:
                yield batch[0], None
            else:
                suspects += batch
            continue
        size = max(1, min(_LARGEST, int(_BATCH_S * len(batch) / max(seconds, 1e-6))))
        yield from zip(batch, results, strict=True)


def _first_done(client: Any, under_way: Iterable[Any]) -> Any:
    """Return a future that is done.

    Raises
    ------
    RefusedError
        If the scheduler is gone, or has been without a worker for a while: Dask would wait.
    """
    from asyncio import CancelledError

    from distributed import wait as _wait

    wait: Any = _wait
    gone = "the cluster has no workers any more, or no scheduler; start it and run the job again"
    idle = False
    while True:
        try:
            with client.as_current():
                return next(iter(wait([*under_way], _SECONDS, "FIRST_COMPLETED").done))
        except TimeoutError:
            try:
                workers = client.scheduler_info(n_workers=-1)["workers"]
            except (OSError, ValueError):
                workers = {}
            if idle and not workers:  # twice in a row: a worker that died is started again
                raise RefusedError(gone) from None
            idle = not workers
        except CancelledError:
            raise RefusedError(gone) from None


def _on_worker(
    phase: str, work: Callable[[_T], _R], start: Callable[..., None], args: Any, batch: list[_T]
) -> tuple[list[_R], float]:
    """Do some tasks in a worker process, which starts anew with every phase of the job.

    The second result is how many seconds they took by the clock.
    """
    if _phase != [phase]:
        start(*args)
        _phase[:] = [phase]
    begun = perf_counter()
    return [work(task) for task in batch], perf_counter() - begun
