"""Memory: its peak, out-of-memory errors, garbage collection during start-up."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def is_oom_error(error: BaseException) -> bool:
    """Return whether an error means that memory is full, on the CPU or a device."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU's allocator has no class of its own; Windows has other words.
    full = ("can't allocate memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in full
    )


def peak_rss_mib() -> int | None:
    """Return this process's peak resident memory in MiB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**20 if sys.platform == "darwin" else 2**10)


@contextmanager
def gc_disabled() -> Iterator[None]:
    """Disable garbage collection while modules are imported and runs loaded.

    Imports make half a million objects that live as long as the process. Traversing
    them takes an eighth of the time until the first line is translated
    (docs/experiments.md); afterwards they are frozen, so never traversed again.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
