"""Batches side by side, each on a thread of its own.

Knows threads; not what is done on them. Small matrices gain little from being cut up
among cores, at every product anew; whole batches gain nearly all that there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


def map_threads(
    do: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], *, threads: int
) -> Iterator[ResultT]:
    """Do the tasks on so many threads; yield what comes of them, in their order.

    What torch computes within a task stays on its thread; one task at a time has all
    of torch's own, and the caller's thread.

    Args:
        do: Releases Python's lock for most of the time, as torch's and ONNX Runtime's
            operators do.
        tasks: What to do.
        threads: How many at once, where there are as many.

    Raises:
        Exception: What the first failing task raised; those not begun are left.
    """
    threads = min(threads, len(tasks))
    if threads <= 1:
        yield from map(do, tasks)
        return

    # Torch sets threads for the calling thread, and for those that are new to it.
    whole = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield from pool.map(do, tasks)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(whole)
