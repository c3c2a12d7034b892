"""Standard input and output redirected to files, as by a shell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def redirected(
    *, stdin: Path | None = None, stdout: Path | None = None
) -> Iterator[None]:
    """Point the file descriptors 0 and 1 to files; the output is appended to."""
    saved = os.dup(0), os.dup(1)
    try:
        for number, path, flags in (
            (0, stdin, os.O_RDONLY),
            (1, stdout, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
        ):
            if path is not None:
                descriptor = os.open(path, flags)
                os.dup2(descriptor, number)
                os.close(descriptor)
        yield
    finally:
        for number, descriptor in enumerate(saved):
            os.dup2(descriptor, number)
            os.close(descriptor)
