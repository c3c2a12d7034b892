"""A thread pool for batches: one thread each, with one of torch's threads.

Small matrix products gain little from several threads; whole batches in parallel gain
nearly all that there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


def map_threads(
    function: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], *, threads: int
) -> Iterator[ResultT]:
    """Apply a function to tasks in parallel; yield the results in order.

    In a pool, torch uses one thread for each task; a single task at a time runs on the
    caller's thread, with all of torch's.

    Args:
        function: Releases the GIL for most of the time, as the operators of torch and
            of ONNX Runtime do.
        tasks: Its arguments.
        threads: Maximal number of tasks at once.

    Raises:
        Exception: What the first failing task raised; tasks not yet started are
            cancelled.
    """
    threads = min(threads, len(tasks))
    if threads <= 1:
        yield from map(function, tasks)
        return

    # Torch sets the number for the calling thread, and for threads started later.
    torch_threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield from pool.map(function, tasks)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(torch_threads)
