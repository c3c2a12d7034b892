"""Memory: out-of-memory errors, and Python's garbage collector during start-up."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def is_oom_error(error: BaseException) -> bool:
    """Return whether an error means that memory is full, on the CPU or a device."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU's allocator has no class of its own.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


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
