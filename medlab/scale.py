"""A job's files on a Dask cluster: machines that see the same folders under the same paths.

The workers get the key of the job and send back what the vault keeps, so the cluster is
either on this machine or spoken to over TLS. Needs the extra ``scale``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from uuid import uuid4

from medlab import __version__
from medlab.errors import RefusedError, UsageError, not_installed

_T = TypeVar("_T")
_R = TypeVar("_R")
_AHEAD = 8  # tasks under way for each worker
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
    """Give every task with its result; None where the workers died on it."""
    from distributed import KilledWorker, as_completed

    phase = uuid4().hex
    ahead = _AHEAD * len(client.scheduler_info(n_workers=-1)["workers"])
    under_way: dict[Any, _T] = {}

    def submit() -> list[Any]:
        found = []
        for task in islice(tasks, ahead - len(under_way)):
            found.append(client.submit(_on_worker, phase, work, start, args, task, pure=False))
            under_way[found[-1].key] = task
        return found

    finished: Any = as_completed(submit(), loop=client.loop)  # type: ignore[no-untyped-call]
    for future in finished:
        task = under_way.pop(future.key)
        try:
            result = future.result()
        except KilledWorker:
            result = None
        yield task, result
        finished.update(submit())


def _on_worker(
    phase: str, work: Callable[[_T], _R], start: Callable[..., None], args: Any, task: _T
) -> _R:
    """Do one task in a worker process, which starts anew with every phase of the job."""
    if _phase != [phase]:
        start(*args)
        _phase[:] = [phase]
    return work(task)
