"""Translation in this process, or in a pool of processes in parallel.

Every buffer goes whole to one process, so its batches, and the text, are those of a
single process. Processes are spawned, and each loads the run for itself.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Protocol, TypeVar

from seq2seq.errors import UserError
from seq2seq.translate.constraints import TranslationRequest
from seq2seq.translate.options import Translation, TranslationOptions

if TYPE_CHECKING:
    from seq2seq.translate.translator import Translator

BUFFERS_AHEAD = 2
"""Buffers that are read ahead, per process."""

EXIT_SECONDS = 60.0
"""Seconds that a process may take to exit before it is killed."""

T = TypeVar("T")
Lines = list[str | TranslationRequest]
Task = tuple[T, Lines | None]
"""An item, and its lines to translate; None if there is nothing to do."""

Result = tuple[T, list[Translation] | None]
Pending = Future[list[Translation]] | None
Submit = Callable[[Lines], Future[list[Translation]]]


class TranslatorFactory(Protocol):
    """Loads a translator; it is sent to other processes, so it must be picklable."""

    def __call__(self, *, device: str) -> Translator:
        """Load it on a device, as torch names it."""
        ...


class InlineTranslator:
    """A pool of one: translates in this process.

    Args:
        translator: The translator.
        options: Translation options.

    Attributes:
        on_progress: Called as `Translator.translate_batch` does; may be set.
    """

    def __init__(self, translator: Translator, options: TranslationOptions) -> None:
        self.translator = translator
        self.options = options
        self.on_progress: Callable[[int], None] | None = None

    def __enter__(self) -> InlineTranslator:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""

    def results(self, tasks: Iterable[Task[T]]) -> Iterator[Result[T]]:
        """Translate the tasks one after another."""
        for item, lines in tasks:
            if lines is None:
                yield item, None
            else:
                yield (
                    item,
                    self.translator.translate_batch(
                        lines, self.options, on_progress=self.on_progress
                    ),
                )


@dataclass(frozen=True)
class TranslatorProcess:
    """A process that translates.

    Attributes:
        name: Its name in error messages.
        process: The process.
        connection: The parent's end of the pipe to it.
    """

    name: str
    process: SpawnProcess
    connection: Connection

    def translate_batch(self, lines: Lines) -> list[Translation]:
        """Translate a buffer in the process.

        Raises:
            UserError: If the run does not support the options, or the process has died.
        """
        try:
            self.connection.send(lines)
            reply: list[Translation] | Exception = self.connection.recv()
        except (EOFError, OSError) as error:
            self.process.join(EXIT_SECONDS)
            raise self._exit_error(self.process.exitcode) from error
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _exit_error(self, status: int | None) -> UserError:
        reason = f"ended with status {status}"
        if status is not None and status < 0:
            reason = f"was killed by {signal.Signals(-status).name}"
        return UserError(
            f"{self.name} {reason} amid a translation. If memory is short, use fewer "
            "--devices or a smaller --batch-size; what goes to --output F can be "
            "resumed."
        )


class TranslatorPool:
    """Processes that translate buffers in parallel, ended when the context exits.

    Args:
        load: Loads the translator, in each process.
        options: Translation options.
        devices: The device of each process, as torch names it.
        threads: Number of torch's threads in each process.
    """

    def __init__(
        self,
        load: TranslatorFactory,
        options: TranslationOptions,
        devices: Sequence[str],
        *,
        threads: int,
    ) -> None:
        self.load = load
        self.options = options
        self.devices = devices
        self.threads = threads
        self.workers: list[TranslatorProcess] = []

    def __enter__(self) -> TranslatorPool:
        context = get_context("spawn")
        with _no_interrupt():
            for number, device in enumerate(self.devices, 1):
                parent_end, child_end = context.Pipe()
                process = context.Process(
                    target=_serve,
                    args=(child_end, self.load, self.options, device, self.threads),
                    daemon=True,
                )
                process.start()
                child_end.close()
                name = f"process {number} of {len(self.devices)} (id {process.pid})"
                self.workers.append(TranslatorProcess(name, process, parent_end))
        return self

    def __exit__(self, *error: object) -> None:
        """Terminate all processes, busy or not."""
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join(EXIT_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
        self.workers = []

    def results(self, tasks: Iterable[Task[T]]) -> Iterator[Result[T]]:
        """Translate the tasks in parallel; yield each result in order, once done.

        Tasks are read in a thread, so that finished results need not wait for input.

        Raises:
            UserError: What reading or translating a task raised, in the task's order.
        """
        free: queue.SimpleQueue[TranslatorProcess] = queue.SimpleQueue()
        for worker in self.workers:
            free.put(worker)

        def translate(lines: Lines) -> list[Translation]:
            worker = free.get()
            try:
                return worker.translate_batch(lines)
            finally:
                free.put(worker)

        pool = ThreadPoolExecutor(len(self.workers))
        pending = _read_ahead(
            tasks,
            lambda lines: pool.submit(translate, lines),
            max_pending=BUFFERS_AHEAD * len(self.workers),
        )
        try:
            for item, future in pending:
                yield item, None if future is None else future.result()
        finally:
            self.__exit__()  # Threads that wait for a process stop waiting.
            pool.shutdown(cancel_futures=True)


def _read_ahead(
    tasks: Iterable[Task[T]], submit: Submit, *, max_pending: int
) -> Iterator[tuple[T, Pending]]:
    """Read and submit tasks ahead, in a daemon thread.

    Args:
        tasks: The tasks.
        submit: Starts the translation of lines.
        max_pending: Number of tasks that are read ahead.
    """
    pending: queue.Queue[tuple[T, Pending] | BaseException | None]
    pending = queue.Queue(max_pending)
    closed = threading.Event()

    def read() -> None:
        end: BaseException | None = None
        try:
            for item, lines in tasks:
                if closed.is_set():
                    return
                pending.put((item, None if lines is None else submit(lines)))
        except BaseException as error:
            end = error
        pending.put(end)

    threading.Thread(target=read, daemon=True).start()
    try:
        while (entry := pending.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry
    finally:
        closed.set()
        # A thread that waits to put an entry continues, and sees that it is closed.
        while not pending.empty():
            pending.get_nowait()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Start processes that ignore Ctrl-C: the parent terminates them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _serve(
    connection: Connection,
    load: TranslatorFactory,
    options: TranslationOptions,
    device: str,
    threads: int,
) -> None:
    """Translate the buffers of the pipe until the parent closes it."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    translator = None
    while True:
        try:
            lines = connection.recv()
        except (EOFError, OSError):
            return
        reply: list[Translation] | Exception
        try:
            translator = translator or load(device=device)
            reply = translator.translate_batch(lines, options)
        except (UserError, MemoryError) as error:
            reply = error
        try:
            connection.send(reply)
        except OSError:
            return
