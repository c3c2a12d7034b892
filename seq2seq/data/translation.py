"""Sentence pairs as batches of tensors, for training and for validation.

Knows ids, plans and Lightning's data hooks; not text files, models or search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.data.batching import BatchPlan, Planned
from seq2seq.structures import BOS, EOS, PAD, Batch


class EncodedPairs:
    """The pairs of an Arrow file, memory-mapped: nothing is read before it is used.

    Args:
        path: A file with the columns source and target, lists of ids.
    """

    def __init__(self, path: Path) -> None:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self.source = _Column(table.column("source"))
        self.target = _Column(table.column("target"))

    def __len__(self) -> int:
        return len(self.source.lengths)

    def batch(self, planned: Planned) -> Batch:
        """Build a planned batch."""
        rows = planned.rows.tolist()
        return collate(
            [self.source[row] for row in rows],
            [self.target[row] for row in rows],
            rows=planned.rows,
            tokens=planned.tokens,
        )


class _Column:
    """One side of the pairs: lists of ids in one flat array for each chunk."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        chunks = [chunk for chunk in column.chunks if len(chunk)]
        self._starts = np.cumsum([0, *map(len, chunks)])
        self._offsets = [chunk.offsets.to_numpy() for chunk in chunks]
        self._values = [chunk.values.to_numpy() for chunk in chunks]
        lengths = [np.diff(offsets) for offsets in self._offsets]
        self.lengths = np.concatenate([*lengths, np.zeros(0, dtype=np.int64)])

    def __getitem__(self, row: int) -> NDArray[np.integer]:
        chunk = int(np.searchsorted(self._starts, row, side="right")) - 1
        offsets = self._offsets[chunk]
        inside = row - int(self._starts[chunk])
        return self._values[chunk][offsets[inside] : offsets[inside + 1]]  # type: ignore[no-any-return]


def collate(
    sources: Sequence[Sequence[int] | NDArray[np.integer]],
    targets: Sequence[Sequence[int] | NDArray[np.integer]],
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
        rows=torch.from_numpy(np.ascontiguousarray(number)),
        tokens=count if tokens is None else tokens,
    )


def _padded(
    sequences: Sequence[Sequence[int] | NDArray[np.integer]],
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


class TrainBatches:
    """The batches of all epochs, one after another, from any of them on.

    Args:
        pairs: What to train on.
        plan: Their order.
        done: Batches of this rank that earlier runs have trained on.
        rank: This process's number.
        ranks: How many processes share the plan.
    """

    def __init__(
        self,
        pairs: EncodedPairs,
        plan: BatchPlan,
        *,
        done: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.pairs = pairs
        self.plan = plan
        self.done = done
        self.rank = rank
        self.ranks = ranks

    def __iter__(self) -> Iterator[Batch]:
        per_epoch = self.plan.batches // self.ranks
        epoch, skipped = divmod(self.done, per_epoch)
        while True:
            mine = self.plan.epoch(epoch)[self.rank :: self.ranks][:per_epoch]
            for planned in mine[skipped:]:
                yield self.pairs.batch(planned)
            epoch, skipped = epoch + 1, 0


def sorted_batches(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    *,
    batch_tokens: int,
) -> list[Batch]:
    """Batch pairs for validation: every pair once, sorted by length, none dropped."""
    plan = BatchPlan(
        np.array([len(source) + 1 for source in sources]),
        np.array([len(target) + 1 for target in targets]),
        batch_tokens=batch_tokens,
    )
    return [
        collate(
            [sources[row] for row in planned.rows],
            [targets[row] for row in planned.rows],
            rows=planned.rows,
        )
        for planned in plan.epoch(0)
    ]
