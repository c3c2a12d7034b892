"""Progress displays of preprocessing, a rich task per stage, and of lines translated.

Progress of training is shown by training/callbacks/metrics_logger.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TextIO

from rich.console import Console
from rich.progress import (
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from seq2seq.utils.text import with_noun


class PreprocessingProgress:
    """A rich `Progress` of pairs per stage, without totals: a stream has no length.

    Args:
        console: Where to display it; nothing is displayed unless it is a terminal.
    """

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description} {task.completed:,} pairs"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=console.quiet or not console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> PreprocessingProgress:
        """Start the display."""
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the display and erase it."""
        self.progress.stop()

    def __call__(self, stage: str, pairs: int) -> None:
        """Advance the task of this stage by so many pairs."""
        if stage not in self.tasks:
            self.tasks[stage] = self.progress.add_task(stage, total=None)
        self.progress.advance(self.tasks[stage], pairs)


REFRESH_SECONDS = 0.5
"""Seconds between two refreshes of a terminal's line."""

LOG_SECONDS = 60.0
"""Seconds between two lines where standard error is no terminal."""


class LineProgress:
    """Lines done, their total, lines per second and time left.

    A terminal has a line that is refreshed and in the end replaced by the totals. A log
    has a line a minute, and the totals where it has any.

    Args:
        screen: Where to display it; nowhere if None.
        clock: Returns seconds.

    Attributes:
        done: Lines that are written, those of an interrupted process included.
        total: Lines of the input; None if unknown, as of a pipe.
    """

    def __init__(
        self, screen: TextIO | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.done = 0
        self.total: int | None = None
        self._screen = screen
        self._refreshes = screen is not None and screen.isatty()
        self._clock = clock
        self._translated = 0
        self._shown = False
        self._start = self._last = clock()

    def start(self, *, total: int | None = None, visible: bool = True) -> None:
        """Start the clock.

        Args:
            total: Lines of the input, if known.
            visible: Whether to display anything.
        """
        self.total = total
        self._screen = self._screen if visible else None
        self._start = self._last = self._clock()

    def show(self, done: int, translated: int, *, pending: int = 0) -> None:
        """Refresh the display, unless it is too soon.

        Args:
            done: Lines that are written.
            translated: Lines of these that this process translated.
            pending: Further lines that are translated, but not yet written.
        """
        self.done, self._translated = done, translated + pending
        now = self._clock()
        pause = REFRESH_SECONDS if self._refreshes else LOG_SECONDS
        if now - self._last < pause:
            return
        self._last = now
        text = f"{self.describe(pending)}, {self._rate(now):,.3g} a second"
        if self.total is not None and self._translated:
            left = max(self.total - done - pending, 0) / self._rate(now)
            text += f", {_duration(left)} left"
        self._write(f"\r{text}\x1b[K" if self._refreshes else f"{text}\n")

    def close(self, *, complete: bool) -> None:
        """Leave the totals, or nothing if the lines are not complete."""
        if self._refreshes:
            self._write("\r\x1b[K")
        if complete and (self._shown or self._refreshes):
            now = self._clock()
            self._write(
                f"{with_noun(self.done, 'line')} in {_duration(now - self._start)}, "
                f"{self._rate(now):,.3g} a second\n"
            )

    def describe(self, pending: int = 0) -> str:
        """Return how many lines are done, and of how many if that is known."""
        done = self.done + pending
        if self.total is None:
            return with_noun(done, "line")
        done = min(done, self.total)
        share = done / self.total if self.total else 1.0
        return f"{done:,} of {with_noun(self.total, 'line')} ({share:.0%})"

    def _rate(self, now: float) -> float:
        return self._translated / max(now - self._start, 1e-9)

    def _write(self, text: str) -> None:
        if self._screen is not None:
            self._shown = True
            self._screen.write(text)
            self._screen.flush()


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
