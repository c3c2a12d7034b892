"""Which lines are read together, and which of them share a batch.

Knows counts and lengths; not what lines say. Both are functions of the input alone, so
that the same input gives the same windows and batches wherever it comes from, and a
translation that was interrupted continues with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from seq2seq.errors import UserError

FIRST = 1
"""Lines of the first window: who types a line gets an answer to it."""

GROWTH = 8
"""Each window has so many times the lines of the one before."""

WINDOW = 2000
"""Lines of the largest window, unless it is asked for otherwise."""

CHARACTERS = 2_000_000
"""A window ends with the line that brings it to so many characters."""

BATCH = 128
"""Sentences in a batch, unless it is asked for otherwise."""

PIECES = 100
"""Padded source pieces of a batch, at most, for each of its sentences at most."""

T = TypeVar("T")


def read_buffers(
    items: Iterable[T],
    *,
    characters: Callable[[T], int],
    largest: int = WINDOW,
    first: int = FIRST,
) -> Iterator[list[T]]:
    """Read an endless input window by window, in bounded memory.

    Args:
        items: Lines or what holds them.
        characters: How long an item is.
        largest: Items in a window at most.
        first: Items in the first window; small ones leave cores idle.

    Yields:
        Windows of at least one item. Where the input turns out to be bad, what came
        before it is a window of its own.

    Raises:
        InputError: What reading the items raised, after that window.
    """
    waiting = iter(items)
    size, fault = min(first, largest), None
    while fault is None:
        window: list[T] = []
        room = CHARACTERS
        try:
            for item in waiting:
                window.append(item)
                room -= characters(item)
                if len(window) == size or room <= 0:
                    break
        except UserError as error:
            fault = error
        if window:
            yield window
        elif fault is None:
            return
        size = min(size * GROWTH, largest)
    raise fault


def batch_by_length(lengths: Sequence[int], *, sentences: int) -> list[list[int]]:
    """Group sentences of like length.

    Args:
        lengths: Pieces of each sentence.
        sentences: The most in a batch; long ones share smaller batches.

    Returns:
        The numbers of the sentences in each batch, shortest first; each comes once.
    """
    order = sorted(range(len(lengths)), key=lambda number: (lengths[number], number))
    room = sentences * PIECES
    found: list[list[int]] = []
    for number in order:
        full = (
            not found
            or len(found[-1]) == sentences
            # Sorted by length, so this one is as long as any in the batch.
            or (len(found[-1]) + 1) * lengths[number] > room
        )
        if full:
            found.append([])
        found[-1].append(number)
    return found
