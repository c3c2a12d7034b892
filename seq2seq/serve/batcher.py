"""Who waits, who shares a batch, who left: the queue, and the thread that computes.

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
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

from seq2seq.errors import UserError
from seq2seq.translate.input_splitting import Segment, SegmentedLine
from seq2seq.translate.options import Translation

BATCHES_ALONE = 20
"""A request has an eighth of a batch at most, unless so many before were its alone: who
comes next would wait for the batch."""

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


@dataclass(eq=False)
class Job:
    """A request's lines, or one call with the engine for itself, until it is done.

    Attributes:
        work: The pipeline of the lines, or the call.
        lines: The lines.
        future: Gets the lines' translations, or what the call returns.
        cost: Estimated tokens of what has not begun.
        left: Whether nobody waits for the answer any more.
        next_line: Index of the first line that is not segmented.
        pending: Segments to search.
        done: Translations by the index of the line.
    """

    work: Any
    lines: Sequence[str]
    future: Future[Any]
    cost: int
    left: bool = False
    next_line: int = 0
    pending: deque[_Piece] = field(default_factory=deque)
    done: dict[int, Translation] = field(default_factory=dict)

    @property
    def has_more(self) -> bool:
        """Whether something of it has not begun."""
        all_started = not self.pending and self.next_line == len(self.lines)
        return not self.left and not all_started


class _Line(NamedTuple):
    """A line in work, and the results of its segments by index."""

    job: Job
    number: int
    segmented: SegmentedLine
    results: dict[int, Any]


class _Piece(NamedTuple):
    """A segment of a line."""

    line: _Line
    number: int

    @property
    def segment(self) -> Segment:
        return self.line.segmented.segments[self.number]


def estimated_tokens(line: str) -> int:
    """Estimate a line's tokens by its UTF-8 bytes; at least one."""
    return 1 + len(line.encode("utf-8", "replace")) // 4


class Batcher:
    """The queue, and the thread that computes.

    Args:
        batch_size: Maximal number of segments in a batch.
        queue_tokens: Maximal estimated tokens that are searched before a new job is
            done, its own left out.

    Attributes:
        waiting_tokens: Estimated tokens of what waits.
        on_batch: Called in the thread with the number of segments of a batch.
    """

    def __init__(self, *, batch_size: int, queue_tokens: int) -> None:
        self.batch_size, self.queue_tokens = batch_size, queue_tokens
        self.waiting_tokens = 0
        self.on_batch: Callable[[int], None] = lambda count: None
        self._rate = FIRST_RATE
        self._arrived: list[Job] = []
        self._jobs: list[Job] = []  # The thread's own, as is the next.
        self._answers: list[tuple[Future[Any], Any]] = []
        self._batches_alone, self._only_new = BATCHES_ALONE, False
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def queue(
        self,
        work: Pipeline | Callable[[], Any],
        lines: Sequence[str],
        *,
        cost_factor: int = 1,
    ) -> Job:
        """Queue lines, or a call that has the engine for itself.

        Args:
            work: Translates the lines; or the call.
            lines: The lines; those of a call are to estimate its cost.
            cost_factor: How many times a token costs what one in a batch does.

        Returns:
            The job. Its future gets the lines' translations, or what the call returns
            or raises.

        Raises:
            QueueFullError: If too much waits.
            ClosingError: If the server ends.
        """
        cost = cost_factor * sum(map(estimated_tokens, lines))
        job = Job(work, lines, get_running_loop().create_future(), cost)
        if not lines:
            job.future.set_result([])
            return job
        with self._changed:
            if self._closed:
                raise ClosingError
            if self.waiting_tokens > self.queue_tokens:
                # They take turns: no other is served more than this one before its end.
                waiting = [*self._jobs, *self._arrived]
                ahead = sum(min(other.cost, cost) for other in waiting)
                if ahead > self.queue_tokens:
                    raise QueueFullError(math.ceil(ahead / self._rate))
            self.waiting_tokens += cost
            self._arrived.append(job)
            self._changed.notify()
        return job

    def leave(self, job: Job) -> None:
        """Drop what has not begun of a job, in the loop's thread."""
        self._drop(job)
        job.future.cancel()

    def close(self) -> None:
        """Answer all that waits by `ClosingError`; the thread ends after its batch."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            waiting = [job for job in (*self._jobs, *self._arrived) if job.has_more]
        # At once, since a call may take longer than the server's end.
        _send([(job.future, ClosingError()) for job in waiting])

    def join(self, timeout: float) -> bool:
        """Wait for the thread; return whether it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        was_call = False
        while not self._closed:
            with self._changed:
                while not (self._arrived or self._jobs or self._closed):
                    self._changed.wait()
                self._jobs += self._arrived
                self._arrived.clear()
            self._jobs = [job for job in self._jobs if job.has_more]
            if not self._jobs or self._closed:
                continue
            # Calls and batches take turns: many calls do not shut out who translates.
            others = (job for job in self._jobs if callable(job.work) != was_call)
            first = next(others, self._jobs[0])
            was_call = callable(first.work)
            if was_call:
                first.next_line = len(first.lines)
                self._begin(first, first.cost)
                self._answers.append((first.future, _catch(first.work)))
            else:
                for batch in _by_length(self._choose(first.work)):
                    self._search(first.work, batch)
            self._answer()
        waiting = self._jobs + self._arrived
        self._answers += [(job.future, ClosingError()) for job in waiting]
        self._answer()

    def _choose(self, pipeline: Pipeline) -> list[_Piece]:
        """Take a segment of each job in turn, until a batch is full."""
        chosen: list[_Piece] = []
        sharing = [job for job in self._jobs if job.work is pipeline]
        self._batches_alone = self._batches_alone + 1 if len(sharing) == 1 else 0
        new = [job for job in sharing if not job.next_line]
        # Who comes beside a long job has every other batch to itself.
        self._only_new = 0 < len(new) < len(sharing) and not self._only_new
        sharing = new if self._only_new else sharing
        turns = self.batch_size
        if self._batches_alone < BATCHES_ALONE:
            turns = max(1, turns // 8)
        for _ in range(turns):
            turn = sharing[: self.batch_size - len(chosen)]
            if not turn:
                break
            self._segment(pipeline, [job for job in turn if not job.pending])
            chosen += [job.pending.popleft() for job in turn if job.pending]
            sharing = [job for job in sharing if job.has_more]
        served = {piece.line.job for piece in chosen}
        self._jobs.sort(key=lambda job: job in served)  # They go to the end.
        return chosen

    def _segment(self, pipeline: Pipeline, jobs: list[Job]) -> None:
        """Split the next line of jobs into segments."""
        texts = [job.lines[job.next_line] for job in jobs]
        split = _one_by_one(pipeline.segment, texts)
        for job, text, segmented in zip(jobs, texts, split, strict=True):
            line = _Line(job, job.next_line, segmented, {})
            job.next_line += 1
            self._begin(job, estimated_tokens(text))
            if isinstance(segmented, Exception):
                self._fail(job, segmented)
                continue
            job.pending += [_Piece(line, n) for n in range(len(segmented.segments))]
            if not segmented.segments:  # A blank line.
                self._join(line)

    def _search(self, pipeline: Pipeline, batch: list[_Piece]) -> None:
        """Search a batch, and join the lines that are complete."""
        batch = [piece for piece in batch if not piece.line.job.left]
        if not batch:
            return
        self.on_batch(len(batch))
        started = time.perf_counter()
        segments = [piece.segment for piece in batch]
        results = _one_by_one(pipeline.search, segments)
        seconds = max(time.perf_counter() - started, 1e-6)
        tokens = sum(len(segment.ids) for segment in segments)
        self._rate += 0.1 * (tokens / seconds - self._rate)
        for (line, index), result in zip(batch, results, strict=True):
            if isinstance(result, Exception) and not isinstance(result, UserError):
                self._fail(line.job, result)
            line.results[index] = result
            if len(line.results) == len(line.segmented.segments) and not line.job.left:
                self._join(line)
        self._answer()

    def _join(self, line: _Line) -> None:
        """Join a line's segments; answer its job if that was the last line."""
        job, results = line.job, [line.results[n] for n in range(len(line.results))]
        translation = _catch(partial(job.work.join, line.segmented, results))
        if isinstance(translation, Exception):
            return self._fail(job, translation)
        job.done[line.number] = translation
        if len(job.done) == len(job.lines):
            done = [job.done[index] for index in range(len(job.done))]
            self._answers.append((job.future, done))

    def _fail(self, job: Job, error: Exception) -> None:
        self._answers.append((job.future, error))
        self._drop(job)

    def _drop(self, job: Job) -> None:
        job.left = True
        self._begin(job, job.cost)

    def _begin(self, job: Job, cost: int) -> None:
        """Count tokens of a job as not waiting any more."""
        with self._changed:
            cost = min(cost, job.cost)
            job.cost -= cost
            self.waiting_tokens -= cost

    def _answer(self) -> None:
        """Set the futures of jobs in their loop; an exception is raised there."""
        answers, self._answers = self._answers, []
        _send(answers)


def _send(answers: list[tuple[Future[Any], Any]]) -> None:
    if answers:
        with suppress(RuntimeError):  # The loop is closed: nobody waits.
            answers[0][0].get_loop().call_soon_threadsafe(_resolve, answers)


def _resolve(answers: list[tuple[Future[Any], Any]]) -> None:
    for future, result in answers:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)


def _by_length(pieces: list[_Piece]) -> list[list[_Piece]]:
    """Sort segments by length, and part those from others more than twice as long."""
    groups: list[list[_Piece]] = []
    shortest = 0
    for piece in sorted(pieces, key=lambda piece: len(piece.segment.ids)):
        length = len(piece.segment.ids)
        if not groups or length > 2 * shortest + 20:
            groups.append([])
            shortest = length
        groups[-1].append(piece)
    return groups


def _one_by_one(function: Callable[[list[Any]], list[Any]], items: list[Any]) -> Any:
    """Apply a function to all items, or to each alone where that fails.

    Returns:
        Its results; in the place of an item that fails alone, the exception.
    """
    results = _catch(partial(function, items))
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
