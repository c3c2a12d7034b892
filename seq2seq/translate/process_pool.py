"""Who translates windows: this process, or several others that share them out.

Knows processes, pipes and order; not forms of lines, files or networks. Every window
goes whole to one process, so each batch is what it would be in one process alone, and
so is the text. Processes are spawned, and each loads the run for itself.
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

AHEAD = 2
"""Windows that are read ahead, for each process."""

PATIENCE_SECONDS = 5.0
"""How long a process may take to end before it is killed."""

T = TypeVar("T")
Lines = list[str | TranslationRequest]
Task = tuple[T, Lines | None]
"""Something, and the lines of it to translate; None if nothing is to be done."""

Result = tuple[T, list[Translation] | None]
Pending = Future[list[Translation]] | None
Begin = Callable[[Lines], Future[list[Translation]]]


class TranslatorFactory(Protocol):
    """Loads a translator; it is sent to other processes, so it must be picklable."""

    def __call__(self, *, device: str) -> Translator:
        """Load it on a device, as torch names it."""
        ...


class InlineTranslator:
    """Translate in this process.

    Args:
        translator: Translates.
        options: How.
    """

    def __init__(self, translator: Translator, options: TranslationOptions) -> None:
        self.translator = translator
        self.options = options

    def __enter__(self) -> InlineTranslator:
        return self

    def __exit__(self, *error: object) -> None:
        """There is nothing to end."""

    def results(self, tasks: Iterable[Task[T]]) -> Iterator[Result[T]]:
        """Do the tasks, one after another."""
        for item, lines in tasks:
            if lines is None:
                yield item, None
            else:
                yield item, self.translator.translate_batch(lines, self.options)


def assign_devices(count: int, *, gpus: int) -> list[str]:
    """Say where so many processes compute: each on its own GPU, or all on the CPU.

    Args:
        count: How many there are to be.
        gpus: How many GPUs they may use.

    Raises:
        InputError: If there are GPUs, but not so many.
    """
    if gpus and count > gpus:
        raise UserError(
            f"--devices is {count}, but there are {gpus} GPUs, and each process needs "
            f"one of its own. Use --devices {gpus}, or hide the GPUs by setting "
            "CUDA_VISIBLE_DEVICES to nothing."
        )
    return [f"cuda:{number}" if gpus else "cpu" for number in range(count)]


@dataclass(frozen=True)
class TranslatorProcess:
    """A process that translates.

    Attributes:
        name: What an error message calls it.
        process: The process.
        connection: This end of the pipe to it.
    """

    name: str
    process: SpawnProcess
    connection: Connection

    def translate_batch(self, lines: Lines) -> list[Translation]:
        """Have it translate a window.

        Raises:
            InputError: If the options ask for what the run cannot do, or the process
                is no more.
        """
        try:
            self.connection.send(lines)
            reply: list[Translation] | Exception = self.connection.recv()
        except (EOFError, OSError) as error:
            self.process.join(PATIENCE_SECONDS)
            raise UserError(self._ended(self.process.exitcode)) from error
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _ended(self, status: int | None) -> str:
        how = f"ended with status {status}"
        if status is not None and status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        return (
            f"{self.name} {how} amid a translation. If memory is short, use fewer "
            "--devices or a smaller --batch; what goes to --output F can be continued."
        )


class TranslatorPool:
    """Processes that translate windows side by side. A context: they end with it.

    Args:
        load: Loads the translator, in each of them.
        options: How to translate.
        devices: Where each process computes.
        threads: Threads of each process.
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
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_work,
                    args=(theirs, self.load, self.options, device, self.threads),
                    daemon=True,
                )
                process.start()
                theirs.close()
                name = f"process {number} of {len(self.devices)} (id {process.pid})"
                self.workers.append(TranslatorProcess(name, process, ours))
        return self

    def __exit__(self, *error: object) -> None:
        """End all processes, whatever they are at."""
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join(PATIENCE_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
        self.workers = []

    def results(self, tasks: Iterable[Task[T]]) -> Iterator[Result[T]]:
        """Do the tasks side by side; give them back in order, each once it is done.

        Tasks are read in a thread, so that what is done need not wait for input.

        Raises:
            InputError: What reading the tasks or translating raised, in its turn.
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
        begun = _ahead(
            tasks,
            lambda lines: pool.submit(translate, lines),
            room=AHEAD * len(self.workers),
        )
        try:
            for item, future in begun:
                yield item, None if future is None else future.result()
        finally:
            self.__exit__()  # Whoever waits for a process stops waiting.
            pool.shutdown(cancel_futures=True)


def _ahead(
    tasks: Iterable[Task[T]], begin: Begin, *, room: int
) -> Iterator[tuple[T, Pending]]:
    """Read so many tasks ahead and begin them, in a thread that dies with the process.

    Args:
        tasks: What to read.
        begin: Begins to translate lines.
        room: How many tasks may wait.
    """
    read: queue.Queue[tuple[T, Pending] | BaseException | None] = queue.Queue(room)
    over = threading.Event()

    def run() -> None:
        end: BaseException | None = None
        try:
            for item, lines in tasks:
                if over.is_set():
                    return
                read.put((item, None if lines is None else begin(lines)))
        except BaseException as error:
            end = error
        read.put(end)

    threading.Thread(target=run, daemon=True).start()
    try:
        while (found := read.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        over.set()
        # A thread that waits to put something goes on, and sees that it is over.
        while not read.empty():
            read.get_nowait()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: this one ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(
    connection: Connection,
    load: TranslatorFactory,
    options: TranslationOptions,
    device: str,
    threads: int,
) -> None:
    """Translate what comes until nobody is there any more."""
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
