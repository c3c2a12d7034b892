"""Importing at the start of a verb. Knows Python's collector of garbage; not verbs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_disabled() -> Iterator[None]:
    """Look for no garbage while modules are imported and runs loaded.

    Imports make half a million objects that stay, and Python would go through them time
    and again: an eighth of the time until the first line is translated
    (docs/experiments.md). They are never looked at again.
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
