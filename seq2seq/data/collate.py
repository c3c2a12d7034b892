"""Collate token sequences of different lengths into a padded batch.

Translation imports this module without the rest of the data package, which is slow to
import.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.types import BOS, EOS, PAD, Batch

Sequences = Sequence[Sequence[int] | NDArray[np.integer]]


def collate(
    sources: Sequences,
    targets: Sequences,
    *,
    indices: NDArray[np.int64] | None = None,
    num_tokens: int | None = None,
) -> Batch:
    """Pad pairs and shift targets for teacher forcing; nothing else does either.

    Args:
        sources: Token ids without control tokens, N sequences.
        targets: Likewise.
        indices: Index of each pair in its corpus, (N,); 0 to N - 1 if None.
        num_tokens: Divisor of the loss; this batch's target tokens if None.
    """
    if indices is None:
        indices = np.arange(len(sources))
    if num_tokens is None:
        num_tokens = sum(len(target) + 1 for target in targets)
    return Batch(
        source=pad(sources, after=EOS),
        source_lengths=torch.tensor([len(source) + 1 for source in sources]),
        inputs=pad(targets, before=BOS),
        targets=pad(targets, after=EOS),
        indices=torch.from_numpy(np.ascontiguousarray(indices)),
        num_tokens=num_tokens,
    )


def pad(
    sequences: Sequences, *, before: int | None = None, after: int | None = None
) -> Tensor:
    """Add a control token to each sequence and pad, (N, max_length + 1)."""
    max_length = max(map(len, sequences)) + 1
    padded = np.full((len(sequences), max_length), PAD, dtype=np.int64)
    for row, sequence in zip(padded, sequences, strict=True):
        start = 0 if before is None else 1
        row[start : start + len(sequence)] = sequence
        if before is not None:
            row[0] = before
        if after is not None:
            row[len(sequence)] = after
    return torch.from_numpy(padded)


def pad_arrays(arrays: Sequence[NDArray[Any]]) -> Tensor:
    """Pad arrays with 0 along their first axis: N of (S, ...) to (N, S, ...)."""
    longest = max(map(len, arrays))
    padded = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), arrays[0].dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(padded)
