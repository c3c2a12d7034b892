"""Sequences of several lengths become one batch. Knows ids; not where they come from.

Translating needs it and nothing else of this room, whose imports take a while.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    rows: NDArray[np.int64] | None = None,
    tokens: int | None = None,
) -> Batch:
    """Pad pairs and shift targets; the only place where either happens.

    Args:
        sources: Ids without control pieces, N of them.
        targets: Likewise.
        rows: Where the pairs stand in their corpus; 0 to N - 1 if None.
        tokens: What the loss is divided by; this batch's target tokens if None.
    """
    number = np.arange(len(sources)) if rows is None else rows
    count = sum(len(target) + 1 for target in targets)
    return Batch(
        source=_padded(sources, after=EOS),
        source_lengths=torch.tensor([len(source) + 1 for source in sources]),
        inputs=_padded(targets, before=BOS),
        targets=_padded(targets, after=EOS),
        indices=torch.from_numpy(np.ascontiguousarray(number)),
        num_tokens=count if tokens is None else tokens,
    )


def _padded(
    sequences: Sequences,
    *,
    before: int | None = None,
    after: int | None = None,
) -> Tensor:
    """Put one control piece at one end of every sequence and pad, (N, longest + 1)."""
    longest = max(map(len, sequences)) + 1
    padded = np.full((len(sequences), longest), PAD, dtype=np.int64)
    for line, sequence in zip(padded, sequences, strict=True):
        first = 0 if before is None else 1
        line[first : first + len(sequence)] = sequence
        if before is not None:
            line[0] = before
        if after is not None:
            line[len(sequence)] = after
    return torch.from_numpy(padded)
