"""SIGTERM and SIGINT during training: end after the step at hand is saved."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from seq2seq.errors import Interrupted

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class SignalHandler:
    """Remember that a signal came, or end where nothing would be lost.

    A context: within it SIGTERM and SIGINT raise Interrupted, unless `deferred` is set.
    Then the first is remembered in `received`, and a second one ends the process on the
    spot; checkpoints are written so that this harms none. In a thread other than the
    first, signals stay as they are.
    """

    def __init__(self) -> None:
        self.deferred = False
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> SignalHandler:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in SIGNALS}
            self.install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def install(self) -> None:
        """Handle the signals here, whoever does so now: Lightning wants SIGTERM."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if not self.deferred:
            raise Interrupted(number)
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        # Not print: the signal may have come amid a print.
        os.write(2, b"saving after this step; interrupt again to end at once\n")
