"""Standard output whose reader may leave: `seq2seq ... | head -1` ends quietly."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class OutputClosed(BaseException):
    """Nobody reads standard output any more.

    Like KeyboardInterrupt it is no Exception, so that no handler swallows it: Typer and
    rich end with status 1 on a BrokenPipeError.
    """

    exit_status = 141
    """As a shell reports a process that SIGPIPE ended."""


@contextmanager
def closable_output() -> Iterator[None]:
    """Let a write to standard output raise OutputClosed when its reader has left.

    What is written afterwards is dropped, and the buffer is flushed at the end. Text is
    UTF-8, as in files; a terminal shows what it cannot encode as question marks.
    """
    output = sys.stdout
    try:
        number = -1 if output.isatty() else output.fileno()
    except (AttributeError, OSError, ValueError):
        number = -1  # No standard output, or one without a file.
    if number < 0:
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="replace")
        yield
        return
    output.flush()
    encoding = output.encoding if os.environ.get("PYTHONIOENCODING") else "utf-8"
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Pipe(number, "wb", closefd=False)),
        encoding=encoding,
        errors="surrogateescape",
        line_buffering=getattr(output, "write_through", False),  # python -u
    )
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        finally:
            sys.stdout = output


class _Pipe(io.FileIO):
    """A file that tells when its reader has left, once."""

    closed_by_reader = False

    def write(self, data: Any) -> int | None:  # type: ignore[override]
        if self.closed_by_reader:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            # Windows says EINVAL.
            if error.errno != errno.EPIPE and (
                os.name != "nt" or error.errno != errno.EINVAL
            ):
                raise
            self.closed_by_reader = True
            raise OutputClosed from None
