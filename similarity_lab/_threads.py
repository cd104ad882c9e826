"""The cores of this process, and threads that work a bounded number of items ahead."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

__all__ = ["in_order", "overlapping_workers", "usable_cores"]

S = TypeVar("S")
T = TypeVar("T")


def usable_cores() -> int:
    """Return the number of cores that this process may use.

    ``PYTHON_CPU_COUNT`` lowers it, as of Python 3.13 for `os.process_cpu_count`.
    """
    n_cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        n_cores = len(os.sched_getaffinity(0))
    limit = os.environ.get("PYTHON_CPU_COUNT", "")
    return min(n_cores, max(1, int(limit))) if limit.isdecimal() else n_cores


def overlapping_workers(calls: int) -> int:
    """Return how many threads keep that many calls running at a time, if they also do other work.

    Half as many more than calls: so that no core is idle while a call begins or ends.
    """
    return calls + calls // 2


def in_order(
    function: Callable[[S], T], items: Iterable[S], *, workers: int, ahead: int | None = None
) -> Iterator[T]:
    """Yield ``function(item)`` for each item in order, computed in threads.

    Parameters
    ----------
    function : callable
    items : iterable
    workers : int
        Number of threads.
    ahead : int, optional
        Maximum number of results that wait to be consumed, which bounds memory; default: `workers`.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ahead")
    remaining = iter(items)
    pending: deque[Future[T]] = deque()
    try:
        pending.extend(pool.submit(function, item) for item in islice(remaining, ahead or workers))
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(function, item) for item in islice(remaining, 1))
            yield result
    finally:  # also on an interrupt: cancel the calls that have not started
        pool.shutdown(wait=False, cancel_futures=True)
