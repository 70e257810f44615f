"""Many tasks, few processes, a bounded number under way, and one that dies harms no other."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, TypeVar

from medlab.disk import end_with_parent

_T = TypeVar("_T")
_R = TypeVar("_R")
#: Called like `each_done`.
EachDone = Callable[..., Iterator[tuple[Any, Any]]]
_AHEAD = 8  # tasks under way for each process


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
