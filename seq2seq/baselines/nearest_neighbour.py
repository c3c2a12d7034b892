"""The nearest training example, by mean squared distance (Fix and Hodges 1951).

Its caption or label is what a network must beat: on held-out combinations it is never
wholly right, but close.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROWS = 256  # Distances that are computed at once, to all training examples.


def nearest_neighbours(
    train: NDArray[np.generic], examples: NDArray[np.generic]
) -> NDArray[np.int64]:
    """Return the index of the nearest training example of each example, (N,).

    Of several as near the first is taken. Distances of whole numbers, such as pixels,
    are exact.

    Args:
        train: Pictures or features, (M, ...).
        examples: As many numbers each, (N, ...).

    Raises:
        ValueError: If examples of the two differ in shape.
    """
    if train.shape[1:] != examples.shape[1:]:
        raise ValueError(
            f"training examples have the shape {train.shape[1:]}, but those to compare "
            f"have {examples.shape[1:]}; both must be the same."
        )
    known = train.reshape(len(train), -1).astype(np.float64)
    squares = (known**2).sum(axis=1)
    nearest = np.empty(len(examples), dtype=np.int64)
    for start in range(0, len(examples), _ROWS):
        rows = examples[start : start + _ROWS]
        rows = rows.reshape(len(rows), -1).astype(np.float64)
        # |a - b|^2 without |a|^2, which all distances of a row have in common.
        nearest[start : start + _ROWS] = (squares - 2 * rows @ known.T).argmin(axis=1)
    return nearest
