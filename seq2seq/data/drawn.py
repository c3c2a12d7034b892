"""Memory tasks, drawn from a seed: recall, adding and copy.

What is to be remembered lies a chosen number of positions before what depends on it, so
they show over what distance a recurrent layer learns.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

ArrayT = TypeVar("ArrayT", bound=NDArray[Any])
Split = Literal["train", "valid", "test"]
_SHARES: dict[Split, range] = {
    "train": range(8),
    "valid": range(8, 9),
    "test": range(9, 10),
}
"""Remainders of an example's checksum by 10: no example is in two splits."""

SYMBOLS = 8
"""Number of symbols to remember; they are the tokens 0 to 7."""
NOISE = range(SYMBOLS, 2 * SYMBOLS)
"""Tokens of recall that mean nothing."""
QUERY = NOISE.stop
"""Last token of recall, where the answer is due."""
BLANK, DELIMITER = SYMBOLS, SYMBOLS + 1
"""Tokens of copy: nothing; the signal that the copy is due."""
COPY_LENGTH = 10


class RecallExamples(NamedTuple):
    """Sequences of tokens and the symbol that each began with.

    Attributes:
        sources: Token ids, each (S,).
        labels: Symbols, (N,).
    """

    sources: list[NDArray[np.int64]]
    labels: NDArray[np.int64]


class AddingExamples(NamedTuple):
    """Sequences of frames and a number for each.

    Attributes:
        sources: A value and a marker at each position, each (S, 2).
        targets: Sum of the two marked values, (N,).
    """

    sources: list[NDArray[np.float32]]
    targets: NDArray[np.float32]


class CopyExamples(NamedTuple):
    """Sequences of tokens with a label for each.

    Attributes:
        sources: Token ids, each (S,).
        labels: Labels of their positions, each (S,).
    """

    sources: list[NDArray[np.int64]]
    labels: list[NDArray[np.int64]]


def recall_examples(
    split: Split, count: int, *, delay: int, seed: int = 1
) -> RecallExamples:
    """Draw sequences of a symbol, noise and a query, which asks for the symbol.

    A guess is right in one of eight cases.

    Args:
        split: Part of all possible examples to draw from.
        count: N, number of examples.
        delay: Number of noise tokens, at least 2; S is two more.
        seed: Seed of the examples.
    """

    def draw(generator: np.random.Generator) -> NDArray[np.int64]:
        noise = generator.integers(NOISE.start, NOISE.stop, delay)
        return np.array([generator.integers(SYMBOLS), *noise, QUERY])

    sources = _draw(split, count, seed, draw)
    return RecallExamples(sources, np.array([source[0] for source in sources]))


def adding_examples(
    split: Split, count: int, *, length: int, seed: int = 1
) -> AddingExamples:
    """Draw sequences of numbers, two of them marked, which are to be added.

    Values are uniform in [0, 1); the first marked one is in the first half, the other
    one in the second. Always answering 1 has a root mean square error of 0.408.

    Args:
        split: Part of all possible examples to draw from.
        count: N, number of examples.
        length: S, at least 2.
        seed: Seed of the examples.

    Source: Hochreiter and Schmidhuber 1997, section 5.4; Arjovsky et al. 2016, the
    adding problem (values in [0, 1)).
    """

    def draw(generator: np.random.Generator) -> NDArray[np.float32]:
        frames = np.zeros((length, 2), dtype=np.float32)
        frames[:, 0] = generator.random(length, dtype=np.float32)
        half = length // 2
        frames[generator.integers(half), 1] = 1
        frames[generator.integers(half, length), 1] = 1
        return frames

    sources = _draw(split, count, seed, draw)
    sums = np.array([source[:, 0] @ source[:, 1] for source in sources])
    return AddingExamples(sources, sums.astype(np.float32))


def copy_examples(
    split: Split, count: int, *, delay: int, seed: int = 1
) -> CopyExamples:
    """Draw sequences of ten symbols, which are to be repeated after blanks.

    The source is ten symbols, `delay` - 1 blanks, a delimiter and ten blanks; labels
    are blank but for the last ten, which are the symbols. Without memory the best
    answer has a mean cross-entropy of 10 log(8) / (delay + 20) nats.

    Args:
        split: Part of all possible examples to draw from.
        count: N, number of examples.
        delay: Positions between the last symbol and the first one of the copy, at least
            1; S is 20 more.
        seed: Seed of the examples.

    Source: Arjovsky et al. 2016, the copying memory problem.
    """
    sources = _draw(
        split,
        count,
        seed,
        lambda generator: np.concatenate(
            [
                generator.integers(SYMBOLS, size=COPY_LENGTH),
                np.full(delay - 1, BLANK),
                [DELIMITER],
                np.full(COPY_LENGTH, BLANK),
            ]
        ),
    )
    labels = []
    for source in sources:
        label = np.full_like(source, BLANK)
        label[-COPY_LENGTH:] = source[:COPY_LENGTH]
        labels.append(label)
    return CopyExamples(sources, labels)


def _draw(
    split: Split,
    count: int,
    seed: int,
    draw: Callable[[np.random.Generator], ArrayT],
) -> list[ArrayT]:
    """Draw examples until `count` of them belong to the split."""
    generator = np.random.default_rng([seed, list(_SHARES).index(split)])
    examples: list[ArrayT] = []
    while len(examples) < count:
        example = draw(generator)
        if zlib.crc32(example.tobytes()) % 10 in _SHARES[split]:
            examples.append(example)
    return examples
