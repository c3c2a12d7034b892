"""Buffers of lines, and batches of sentences of similar length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seq2seq.translate.batching import (
    MAX_BUFFER_CHARACTERS,
    batch_by_length,
    read_buffers,
)


def test_buffers_grow_and_end_at_many_characters() -> None:
    sizes = [
        len(w) for w in read_buffers(["x"] * 5000, num_characters=len, buffer_size=2000)
    ]
    assert sizes == [1, 8, 64, 512, 2000, 2000, 415]
    sizes = [
        len(w)
        for w in read_buffers(
            ["x"] * 50, num_characters=len, buffer_size=20, first_buffer_size=20
        )
    ]
    assert sizes == [20, 20, 10]
    long = read_buffers(["x" * MAX_BUFFER_CHARACTERS] * 20, num_characters=len)
    assert [len(window) for window in long] == [1] * 20


@given(st.lists(st.integers(1, 400), max_size=200), st.integers(1, 64))
def test_batches_hold_every_sentence_once(lengths: list[int], max_count: int) -> None:
    batches = batch_by_length(lengths, batch_size=max_count)
    assert sorted(n for batch in batches for n in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= max_count
        padded = len(batch) * max(lengths[number] for number in batch)
        assert padded <= max_count * 100 or len(batch) == 1
