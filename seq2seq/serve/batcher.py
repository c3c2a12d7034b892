"""Who waits, who shares a batch, who left: the queue of one model and its thread.

Segments of lines are queued, not requests. Whenever the engine is free, its thread
takes all that waits, up to a batch, a segment of each request in turn, so that one of a
thousand lines does not delay one of a single line. There is no timer, and the text does
not depend on who shares a batch.
"""

from __future__ import annotations

import math
import threading
import time
from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

from seq2seq.errors import UserError
from seq2seq.translate.input_splitting import Segment, SegmentedLine
from seq2seq.translate.options import Translation

FIRST_RATE = 2_000.0
"""Tokens a second, until batches have been measured."""


class Pipeline(Protocol):
    """What a batcher needs of `LinePipeline`."""

    def segment(self, lines: Sequence[str], /) -> list[SegmentedLine]:
        """Split lines into segments."""

    def search(self, segments: Sequence[Segment], /) -> list[Any]:
        """Return hypotheses, or an error, for each segment."""

    def join(self, line: SegmentedLine, results: Sequence[Any], /) -> Translation:
        """Return the translation of a line."""


class QueueFullError(Exception):
    """Too much waits; the argument is when to come back, in whole seconds."""


class ClosingError(Exception):
    """The server ends; what has not begun is not done."""


class Piece(NamedTuple):
    """A segment of a line of a job, all by index."""

    job: Job
    line: int
    segment: int


@dataclass(eq=False)
class Job:
    """A request's lines, or one call with the engine for itself, until it is done.

    Attributes:
        pipeline: Translates the lines; None for a call.
        work: The lines, or the call.
        future: Gets the lines' translations, or what the call returns.
        cost: Estimated tokens of what has not begun.
        left: Whether nobody waits for the answer any more.
        next_line: Index of the first line that is not segmented.
        pending: Segments to search.
        opened: Lines in work, and the results of their segments by index.
        done: Translations by the index of the line.
    """

    pipeline: Pipeline | None
    work: Any
    future: Future[Any]
    cost: int
    left: bool = False
    next_line: int = 0
    pending: deque[Piece] = field(default_factory=deque)
    opened: dict[int, tuple[SegmentedLine, dict[int, Any]]] = field(
        default_factory=dict
    )
    done: dict[int, Translation] = field(default_factory=dict)

    @property
    def has_more(self) -> bool:
        """Whether something of it has not begun."""
        if self.left or self.pipeline is None:  # A call that has begun is not queued.
            return not self.left
        return bool(self.pending) or self.next_line < len(self.work)


def estimated_tokens(line: str) -> int:
    """Estimate a line's tokens by its UTF-8 bytes; at least one."""
    return 1 + len(line.encode("utf-8", "replace")) // 4


class Batcher:
    """The queue of one model, and the thread that computes.

    Args:
        batch_size: Maximal number of segments in a batch.
        queue_tokens: Maximal estimated tokens of what waits. A request that comes when
            nothing waits is admitted whatever its size.
        on_batch: Called in the thread with the number of segments of a batch.
    """

    def __init__(
        self,
        *,
        batch_size: int,
        queue_tokens: int = 50_000,
        on_batch: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.batch_size = batch_size
        self.queue_tokens = queue_tokens
        self.waiting_tokens = 0
        self._on_batch = on_batch
        self._rate = FIRST_RATE
        self._arrived: list[Job] = []
        self._jobs: list[Job] = []  # The thread's own.
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def translate(self, pipeline: Pipeline, lines: Sequence[str]) -> Job:
        """Queue lines; the job's future gets their translations.

        Raises:
            QueueFullError: If too much waits.
            ClosingError: If the server ends.
        """
        cost = sum(map(estimated_tokens, lines))
        return self._add(Job(pipeline, lines, get_running_loop().create_future(), cost))

    def run(self, call: Callable[[], Any], *, cost: int) -> Job:
        """Queue a call; the job's future gets what it returns or raises.

        Raises:
            QueueFullError: If too much waits.
            ClosingError: If the server ends.
        """
        return self._add(Job(None, call, get_running_loop().create_future(), cost))

    def _add(self, job: Job) -> Job:
        with self._changed:
            total = self.waiting_tokens + job.cost
            if self._closed:
                raise ClosingError
            if self.waiting_tokens and total > self.queue_tokens:
                raise QueueFullError(math.ceil(self.waiting_tokens / self._rate))
            self.waiting_tokens = total
            self._arrived.append(job)
            self._changed.notify()
        return job

    def leave(self, job: Job) -> None:
        """Drop what has not begun of a job that nobody waits for."""
        job.left = True
        self._begin(job, job.cost)

    def close(self) -> None:
        """Answer all that waits by `ClosingError`; the thread ends after its batch."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def join(self, timeout: float) -> bool:
        """Wait for the thread; return whether it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._jobs = [job for job in self._jobs if job.has_more]
            with self._changed:
                while not (self._arrived or self._jobs or self._closed):
                    self._changed.wait()
                self._jobs += self._arrived
                self._arrived.clear()
            if self._closed:
                return _answer((job, ClosingError()) for job in self._jobs)
            first = next((job for job in self._jobs if not job.left), None)
            if first is None:
                continue
            if first.pipeline is None:
                self._jobs.remove(first)
                self._begin(first, first.cost)
                _answer([(first, _catch(first.work))])
            else:
                for batch in _by_length(self._choose(first.pipeline)):
                    self._search(first.pipeline, batch)

    def _choose(self, pipeline: Pipeline) -> list[Piece]:
        """Take a segment of each job in turn, until a batch is full."""
        chosen: list[Piece] = []
        sharing = [job for job in self._jobs if job.pipeline is pipeline]
        while len(chosen) < self.batch_size:
            sharing = [job for job in sharing if job.has_more]
            turn = sharing[: self.batch_size - len(chosen)]
            if not turn:
                break
            self._segment(pipeline, [job for job in turn if not job.pending])
            chosen += [job.pending.popleft() for job in turn if job.pending]
        served = {piece.job for piece in chosen}
        self._jobs.sort(key=lambda job: job in served)  # They go to the end.
        return chosen

    def _segment(self, pipeline: Pipeline, jobs: list[Job]) -> None:
        """Split the next line of jobs into segments."""
        texts = [job.work[job.next_line] for job in jobs]
        split = _one_by_one(pipeline.segment, texts)
        for job, text, line in zip(jobs, texts, split, strict=True):
            index, job.next_line = job.next_line, job.next_line + 1
            self._begin(job, estimated_tokens(text))
            if isinstance(line, Exception):
                self._fail(job, line)
                continue
            job.opened[index] = (line, {})
            job.pending += [Piece(job, index, n) for n in range(len(line.segments))]
            if not line.segments:  # A blank line.
                self._finish(job, index)

    def _search(self, pipeline: Pipeline, batch: list[Piece]) -> None:
        """Search the segments of a batch, and answer the jobs that are complete."""
        batch = [piece for piece in batch if not piece.job.left]
        if not batch:
            return
        self._on_batch(len(batch))
        started = time.perf_counter()
        segments = [job.opened[line][0].segments[index] for job, line, index in batch]
        results = _one_by_one(pipeline.search, segments)
        tokens = sum(len(segment.ids) for segment in segments)
        rate = tokens / max(time.perf_counter() - started, 1e-6)
        self._rate += 0.1 * (rate - self._rate)
        for (job, line, index), result in zip(batch, results, strict=True):
            if isinstance(result, Exception) and not isinstance(result, UserError):
                self._fail(job, result)
            elif not job.left:
                job.opened[line][1][index] = result
        for job, line in dict.fromkeys(piece[:2] for piece in batch):
            if not job.left:
                self._finish(job, line)

    def _finish(self, job: Job, index: int) -> None:
        """Join a line whose segments are all done; answer a job whose lines are."""
        line, results = job.opened[index]
        count = len(line.segments)
        if len(results) < count:
            return
        del job.opened[index]
        ordered = [results[number] for number in range(count)]
        assert job.pipeline is not None
        translation = _catch(partial(job.pipeline.join, line, ordered))
        if isinstance(translation, Exception):
            return self._fail(job, translation)
        job.done[index] = translation
        if len(job.done) == len(job.work):
            _answer([(job, [job.done[number] for number in range(len(job.work))])])

    def _fail(self, job: Job, error: Exception) -> None:
        _answer([(job, error)])
        self.leave(job)

    def _begin(self, job: Job, cost: int) -> None:
        """Count tokens of a job as not waiting any more."""
        with self._changed:
            cost = min(cost, job.cost)
            job.cost -= cost
            self.waiting_tokens -= cost


def _by_length(pieces: list[Piece]) -> list[list[Piece]]:
    """Sort segments by length, and part those from others more than twice as long."""

    def length(piece: Piece) -> int:
        return len(piece.job.opened[piece.line][0].segments[piece.segment].ids)

    groups: list[list[Piece]] = []
    for piece in sorted(pieces, key=length):
        if not groups or length(piece) > 2 * length(groups[-1][0]) + 8:
            groups.append([])
        groups[-1].append(piece)
    return groups


def _one_by_one(function: Callable[[list[Any]], list[Any]], items: list[Any]) -> Any:
    """Apply a function to all items, or to each alone where that fails.

    Returns:
        Its results; in the place of an item that fails alone, the exception.
    """
    results = _catch(lambda: function(items))
    if not isinstance(results, Exception):
        return results
    if len(items) == 1:
        return [results]
    return [_one_by_one(function, [item])[0] for item in items]


def _catch(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the exception that it raises."""
    try:
        return call()
    except Exception as error:
        return error


def _answer(answers: Iterable[tuple[Job, Any]]) -> None:
    """Set the futures of jobs, in their loop; an exception is raised there."""

    def resolve(future: Future[Any], result: Any) -> None:
        if future.done():
            return
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)

    for job, result in answers:
        with suppress(RuntimeError):  # The loop is closed: nobody waits.
            job.future.get_loop().call_soon_threadsafe(resolve, job.future, result)
