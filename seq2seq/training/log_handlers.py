"""Where a training's log lines go: the console, and train.log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from seq2seq.utils.console import is_quiet


class _ConsoleHandler(logging.Handler):
    """Print log lines on a rich console, below which a progress bar may stand."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        self.console.print(record.getMessage(), soft_wrap=True, markup=False)


def console_handler(console: Console) -> logging.Handler:
    """Print log lines on the console, or with -q warnings alone on standard error."""
    if not is_quiet():
        return _ConsoleHandler(console)
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    return handler


def file_handler(path: Path) -> logging.Handler:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    return handler


@contextmanager
def logging_to(handler: logging.Handler) -> Iterator[None]:
    """Let a handler receive what the package logs."""
    package = logging.getLogger("seq2seq")
    level, propagate = package.level, package.propagate
    package.addHandler(handler)
    package.setLevel(min(level or logging.INFO, logging.INFO))  # train.log is whole.
    package.propagate = False
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        package.propagate = propagate
        handler.close()
