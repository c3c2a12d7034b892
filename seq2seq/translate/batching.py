"""Buffers of input lines, and batches of sentences of similar length.

Both are functions of the input alone: the same input gives the same buffers and batches
from wherever it is read, and an interrupted translation resumes with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from seq2seq.errors import UserError

FIRST_BUFFER_SIZE = 1
"""Default lines of the first buffer: interactive input gets an answer line by line."""

BUFFER_GROWTH = 8
"""Factor from the size of one buffer to the size of the next."""

BUFFER_SIZE = 2000
"""Default lines of the largest buffer."""

MAX_BUFFER_CHARACTERS = 2_000_000
"""A buffer ends with the line that brings it to this many characters."""

BATCH_SIZE = 128
"""Default maximal number of sentences in a batch."""

MAX_TOKENS_PER_SENTENCE = 100
"""Times batch_size: the maximal number of padded source tokens in a batch."""

T = TypeVar("T")


def read_buffers(
    items: Iterable[T],
    *,
    num_characters: Callable[[T], int],
    buffer_size: int = BUFFER_SIZE,
    first_buffer_size: int = FIRST_BUFFER_SIZE,
) -> Iterator[list[T]]:
    """Read an endless input buffer by buffer, in bounded memory.

    Args:
        items: Lines, or records of them.
        num_characters: Returns the length of an item.
        buffer_size: Maximal number of items in a buffer.
        first_buffer_size: Number of items in the first buffer; small buffers leave
            cores idle.

    Yields:
        Buffers of at least one item. Items before a faulty one are a buffer of their
        own.

    Raises:
        UserError: What reading the items raised, after that buffer.
    """
    iterator = iter(items)
    size, error = min(first_buffer_size, buffer_size), None
    while error is None:
        buffer: list[T] = []
        characters_left = MAX_BUFFER_CHARACTERS
        try:
            for item in iterator:
                buffer.append(item)
                characters_left -= num_characters(item)
                if len(buffer) == size or characters_left <= 0:
                    break
        except UserError as caught:
            error = caught
        if buffer:
            yield buffer
        elif error is None:
            return
        size = min(size * BUFFER_GROWTH, buffer_size)
    raise error


def batch_by_length(lengths: Sequence[int], *, batch_size: int) -> list[list[int]]:
    """Group sentences of similar length.

    Args:
        lengths: Number of tokens of each sentence.
        batch_size: Maximal number of sentences in a batch; long ones share smaller
            batches.

    Returns:
        The sentence indices of each batch, shortest sentences first; each index once.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    max_tokens = batch_size * MAX_TOKENS_PER_SENTENCE
    batches: list[list[int]] = []
    for index in order:
        is_full = (
            not batches
            or len(batches[-1]) == batch_size
            # Sorted by length, so this sentence is the batch's longest.
            or (len(batches[-1]) + 1) * lengths[index] > max_tokens
        )
        if is_full:
            batches.append([])
        batches[-1].append(index)
    return batches
