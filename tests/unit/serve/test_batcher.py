"""Who shares a batch, in which order, and who costs nothing: by events, not by time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from seq2seq.serve.batcher import Batcher, ClosingError, Job, QueueFullError
from tests.helpers.servers import StubPipeline

Test = Callable[[Batcher, StubPipeline], Coroutine[Any, Any, None]]


@pytest.fixture
def stub() -> StubPipeline:
    return StubPipeline()


@pytest.fixture
def batcher(stub: StubPipeline) -> Iterator[Batcher]:
    batcher = Batcher(batch_size=4, queue_tokens=100)
    yield batcher
    batcher.close()
    stub.proceed.set()
    assert batcher.join(10)


async def busy(batcher: Batcher, stub: StubPipeline) -> Job:
    """Occupy the engine until the test lets it proceed."""
    job = batcher.queue(stub, ["x"])
    await asyncio.to_thread(stub.began.acquire)
    return job


async def texts(job: Job) -> list[str]:
    return [translation.translation for translation in await job.future]


def test_all_that_waits_shares_a_batch(batcher: Batcher, stub: StubPipeline) -> None:
    async def test() -> None:
        first = await busy(batcher, stub)
        jobs = [batcher.queue(stub, [word]) for word in "abc"]
        stub.proceed.set()
        assert await texts(first) == ["X"]
        assert [await texts(job) for job in jobs] == [["A"], ["B"], ["C"]]

    asyncio.run(test())
    assert stub.batches == [["x"], ["a", "b", "c"]]


def test_a_request_of_many_lines_delays_others_by_no_more_than_a_batch(
    batcher: Batcher, stub: StubPipeline
) -> None:
    async def test() -> None:
        await busy(batcher, stub)
        many = batcher.queue(stub, ["a a a a a", *"abcdefgh"])
        one, two = batcher.queue(stub, ["y"]), batcher.queue(stub, ["z"])
        stub.proceed.set()
        assert [await texts(one), await texts(two)] == [["Y"], ["Z"]]
        assert not many.future.done() or len(stub.batches) > 2
        assert await texts(many) == ["A A A A A", *"ABCDEFGH"]

    asyncio.run(test())
    assert sorted(stub.batches[1]) == ["a", "y", "z"]
    assert max(map(len, stub.batches)) <= 4


def test_a_request_that_comes_beside_a_long_one_is_done_after_two_batches(
    batcher: Batcher, stub: StubPipeline
) -> None:
    async def test() -> None:
        first = await busy(batcher, stub)
        many = batcher.queue(stub, [*"abcdefgh"])
        stub.proceed.set()
        await first.future
        await asyncio.to_thread(stub.began.acquire)
        stub.proceed.clear()
        await asyncio.to_thread(stub.began.acquire)
        late, count = batcher.queue(stub, ["z"]), len(stub.batches)
        stub.proceed.set()
        assert await texts(late) == ["Z"]
        assert "z" in stub.batches[count]
        assert await texts(many) == [*"ABCDEFGH"]

    asyncio.run(test())


def test_a_request_alone_has_whole_batches(
    batcher: Batcher, stub: StubPipeline
) -> None:
    async def test() -> None:
        stub.proceed.set()
        await batcher.queue(stub, ["x"]).future
        await batcher.queue(stub, [*"abcdefgh"]).future

    asyncio.run(test())
    assert stub.batches == [["x"], [*"abcd"], [*"efgh"]]


def test_every_request_gets_its_turn_when_more_wait_than_share_a_batch(
    batcher: Batcher, stub: StubPipeline
) -> None:
    async def test() -> None:
        await busy(batcher, stub)
        jobs = [batcher.queue(stub, [word, word]) for word in "abcdef"]
        stub.proceed.set()
        for job in jobs:
            await job.future

    asyncio.run(test())
    assert stub.batches[1:] == [[*"abcd"], [*"ef"], [*"abcd"], [*"ef"]]


def test_who_waits_longest_is_next(batcher: Batcher, stub: StubPipeline) -> None:
    async def test() -> None:
        await busy(batcher, stub)
        jobs = [batcher.queue(stub, [word] * 3) for word in "abcdef"]
        stub.proceed.set()
        for job in jobs:
            await job.future

    asyncio.run(test())
    assert stub.batches[1:5] == [[*"abcd"], [*"ef"], [*"abcd"], [*"efab"]]


def test_long_segments_do_not_delay_the_short_ones_of_their_batch(
    batcher: Batcher, stub: StubPipeline
) -> None:
    async def test() -> None:
        await busy(batcher, stub)
        jobs = [batcher.queue(stub, [text]) for text in ("l" * 30, "s", "m" * 5)]
        stub.proceed.set()
        for job in jobs:
            await job.future

    asyncio.run(test())
    assert stub.batches[1:] == [["s", "m" * 5], ["l" * 30]]


def test_who_leaves_costs_nothing_that_has_not_begun(
    batcher: Batcher, stub: StubPipeline
) -> None:
    async def test() -> None:
        await busy(batcher, stub)
        jobs = [batcher.queue(stub, ["a", "b"]) for _ in range(20)]
        for job in jobs:
            batcher.leave(job)
        last = batcher.queue(stub, ["z"])
        stub.proceed.set()
        assert await texts(last) == ["Z"]

    asyncio.run(test())
    assert stub.batches == [["x"], ["z"]]
    assert batcher.waiting_tokens == 0


@pytest.mark.parametrize("bad", ["bad", "unsplittable", "no"])
def test_a_fault_harms_the_request_alone_that_caused_it(
    batcher: Batcher, stub: StubPipeline, bad: str
) -> None:
    async def test() -> None:
        await busy(batcher, stub)
        jobs = [batcher.queue(stub, [word]) for word in ("a", bad, "c")]
        stub.proceed.set()
        assert [await texts(jobs[0]), await texts(jobs[2])] == [["A"], ["C"]]
        if bad == "no":
            assert (await jobs[1].future)[0].error == "refused"
        else:
            with pytest.raises(RuntimeError, match="a fault of"):
                await jobs[1].future
        assert await texts(batcher.queue(stub, ["d"])) == ["D"]

    asyncio.run(test())


def test_what_waits_is_bounded_by_its_tokens(
    batcher: Batcher, stub: StubPipeline
) -> None:
    async def test() -> None:
        await busy(batcher, stub)
        big = batcher.queue(stub, ["w" * 1000])  # Nothing waits, so it may.
        with pytest.raises(QueueFullError) as refusal:
            batcher.queue(stub, ["w" * 1000])
        assert refusal.value.args[0] >= 1
        small = batcher.queue(stub, ["a", "", "b c"])  # Not after, but beside it.
        assert batcher.waiting_tokens > 2 * batcher.queue_tokens
        stub.proceed.set()
        assert await texts(small) == ["A", "", "B C"]
        await big.future
        assert batcher.waiting_tokens == 0

    asyncio.run(test())


def test_a_call_has_the_engine_for_itself(batcher: Batcher, stub: StubPipeline) -> None:
    async def test() -> None:
        await busy(batcher, stub)
        jobs = [
            batcher.queue(stub, ["a"]),
            batcher.queue(lambda: len(stub.batches), ["a"]),
            batcher.queue(lambda: 1 // 0, ["a"]),
            batcher.queue(stub, ["b"]),
        ]
        stub.proceed.set()
        assert await jobs[1].future == 1  # After x, before a with b.
        with pytest.raises(ZeroDivisionError):
            await jobs[2].future
        assert await texts(jobs[3]) == ["B"]

    asyncio.run(test())


def test_calls_take_turns_with_batches(batcher: Batcher, stub: StubPipeline) -> None:
    async def test() -> None:
        await busy(batcher, stub)
        calls = [batcher.queue(lambda: len(stub.batches), ["a"]) for _ in range(3)]
        job = batcher.queue(stub, ["z"])
        stub.proceed.set()
        assert await texts(job) == ["Z"]
        assert [await call.future for call in calls] == [1, 2, 2]

    asyncio.run(test())


def test_a_call_counts_as_what_it_costs(batcher: Batcher, stub: StubPipeline) -> None:
    async def test() -> None:
        await busy(batcher, stub)
        for _ in range(2):
            batcher.queue(lambda: 0, ["abc"], cost_factor=60)
        assert batcher.waiting_tokens == 120
        with pytest.raises(QueueFullError):
            batcher.queue(lambda: 0, ["abc"], cost_factor=60)

    asyncio.run(test())


def test_closing_answers_what_is_in_work_and_refuses_the_rest(
    batcher: Batcher, stub: StubPipeline
) -> None:
    async def test() -> None:
        first = await busy(batcher, stub)
        waiting = batcher.queue(stub, ["a"])
        batcher.close()
        with pytest.raises(ClosingError):
            batcher.queue(stub, ["b"])
        with pytest.raises(ClosingError):  # At once, not after the batch.
            await waiting.future
        stub.proceed.set()
        assert await texts(first) == ["X"]

    asyncio.run(test())
    assert batcher.join(10)
