"""A job's files on a Dask cluster: machines that see the same folders under the same paths.

The workers get the key of the job and send back what the vault keeps, so the cluster is
either on this machine or spoken to over TLS. Needs the extra ``scale``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice, takewhile
from time import perf_counter
from typing import Any, TypeVar
from uuid import uuid4

from medlab import __version__
from medlab.errors import RefusedError, UsageError, not_installed

_T = TypeVar("_T")
_R = TypeVar("_R")
_AHEAD = 4  # batches under way for each worker
_LARGEST = 50  # tasks of a batch: what a client that dies has to do again, for each worker
_BATCH_S = 1.0  # what a batch is to take, so that a bar moves and heavy tasks spread evenly
_HERE = re.compile(r"(?:tcp://)?(?:127\.0\.0\.1|localhost|\[::1\]):\d+|inproc://.*")
_SECONDS = 15
_phase: list[str] = []


@contextmanager
def cluster(address: str) -> Iterator[Callable[..., Iterator[tuple[Any, Any]]]]:
    """Give what `medlab.pipeline.deidentify` takes as `each`, working on a cluster.

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
        yield partial(_each_done, client)


def _check_workers(client: Any) -> None:
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    if not workers or any(worker["nthreads"] != 1 for worker in workers):
        raise RefusedError("the cluster needs workers of one thread each: --nthreads 1")
    if set(client.run(_version).values()) != {__version__}:
        raise RefusedError(f"every worker needs medlab {__version__}, as this machine has")


def _version() -> str:
    return __version__


def _each_done(
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
    ahead = _AHEAD * len(client.scheduler_info(n_workers=-1)["workers"])
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
