"""n-back, drawn from a seed: does a frame show what was shown some frames ago?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUMBERS = 16
"""Numbers of a frame."""
LENGTH = 20
"""Frames of a sequence."""
NOISE = 0.3
"""Standard deviation of the noise of a frame around its shape."""
SHAPES = 4
"""Different shapes in a sequence."""


def nback_examples(
    split: str, count: int, *, back: int, seed: int = 1
) -> tuple[list[NDArray[np.float32]], list[list[str]]]:
    """Draw sequences of noisy shapes, labelled yes where a shape comes again.

    A shape is a point of {-1, 1}^16, and every frame draws its noise anew. Shapes of
    one split are in no other: the last numbers of a split's shapes tell splits apart.
    Half of all labels are yes; the first frames, which have none before them, are no.

    Args:
        split: train, valid or test.
        count: Number of sequences.
        back: k: yes means that the frame k positions before shows the same shape.
        seed: Seed of the sequences.

    Returns:
        Frames of each sequence, (20, 16), and their labels.
    """
    part = ("train", "valid", "test").index(split)
    generator = np.random.default_rng([seed, part])
    again = 0.5 * LENGTH / (LENGTH - back)
    sources, labels = [], []
    for _ in range(count):
        shapes = _shapes(generator, part)
        chosen: list[int] = []
        for position in range(LENGTH):
            before = chosen[position - back] if position >= back else -1
            if before >= 0 and generator.random() < again:
                chosen.append(before)
            else:
                others = [i for i in range(SHAPES) if i != before]
                chosen.append(int(generator.choice(others)))
        noise = generator.normal(0, NOISE, (LENGTH, NUMBERS))
        sources.append((shapes[chosen] + noise).astype(np.float32))
        labels.append(
            [
                "yes" if i >= back and chosen[i] == chosen[i - back] else "no"
                for i in range(LENGTH)
            ]
        )
    return sources, labels


def _shapes(generator: np.random.Generator, part: int) -> NDArray[np.int64]:
    """Draw different shapes; the number of +1 modulo 3 tells the splits apart."""
    rows: list[NDArray[np.int64]] = []
    while len(rows) < SHAPES:
        row = generator.choice([-1, 1], NUMBERS)
        if (row > 0).sum() % 3 == part and not any((row == r).all() for r in rows):
            rows.append(row)
    return np.stack(rows)
