"""Sentence pairs as batches of tensors, for training and for validation.

Knows ids, plans and Lightning's data hooks; not text files, models or search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seq2seq.data.batch_sampler import PlannedBatch, TokenBatchSampler
from seq2seq.data.collate import Sequences, collate
from seq2seq.data.preprocessing import PreprocessedData
from seq2seq.recipe import DataOptions
from seq2seq.types import Batch


class ParallelDataset:
    """The pairs of an Arrow file, memory-mapped: nothing is read before it is used.

    Args:
        path: A file with the columns source and target, lists of ids.
        order: Which of its rows stand for rows 0, 1, ...; all of them if None.
    """

    def __init__(self, path: Path, order: NDArray[np.int64] | None = None) -> None:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self.source = _ArrowColumn(table.column("source"))
        self.target = _ArrowColumn(table.column("target"))
        self.order = np.arange(len(self.source.lengths)) if order is None else order

    def __len__(self) -> int:
        return len(self.order)

    def lengths(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pieces of each source and of each target, EOS included."""
        source, target = self.source.lengths, self.target.lengths
        return source[self.order] + 1, target[self.order] + 1

    def rows(self, numbers: NDArray[np.int64]) -> tuple[Sequences, Sequences]:
        """Return the ids of these pairs' sources and of their targets."""
        wanted = self.order[numbers].tolist()
        sources = [self.source[row] for row in wanted]
        return sources, [self.target[row] for row in wanted]


def mixture_indices(
    parts: Sequence[int], weights: Sequence[float]
) -> NDArray[np.int64]:
    """Take each part's rows as often as its weight says, evenly over the part.

    Args:
        parts: Rows of each corpus, one corpus after another.
        weights: How often an epoch takes each of them: 0.5 is every second row.
    """
    rows, first = [np.zeros(0, dtype=np.int64)], 0
    for count, weight in zip(parts, weights, strict=True):
        taken = round(count * weight)
        rows.append(first + np.arange(taken) * count // max(1, taken))
        first += count
    return np.concatenate(rows)


def temperature_weights(parts: Sequence[int], temperature: float) -> list[float]:
    """Say how often to take each corpus so that its share is as size ** (1 / T).

    The largest one comes once, so that nothing is left out and smaller ones repeat.

    Args:
        parts: Pairs of each corpus.
        temperature: 1 for as they are; the larger, the more alike their shares.

    Source: Arivazhagan et al. 2019 (Massively Multilingual Neural Machine Translation
    in the Wild), sampling by temperature.
    """
    largest = max(parts)
    return [
        (largest / count) ** (1 - 1 / temperature) if count else 1.0 for count in parts
    ]


def open_dataset(prepared: PreprocessedData, data: DataOptions) -> ParallelDataset:
    """Open what was prepared, each corpus as often as its weight says."""
    if not data.mix:
        return ParallelDataset(prepared.path)
    parts = prepared.counts.parts
    weights = [1.0, *(mixed.weight for mixed in data.mix)]
    if data.temperature is not None:
        weights = temperature_weights(parts, data.temperature)
    return ParallelDataset(prepared.path, mixture_indices(parts, weights))


class _ArrowColumn:
    """One side of the pairs: lists of ids in one flat array for each chunk."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        chunks = [chunk for chunk in column.chunks if len(chunk)]
        self._starts = np.cumsum([0, *map(len, chunks)])
        self._offsets = [_numbers(chunk.offsets) for chunk in chunks]
        self._values = [_numbers(chunk.values) for chunk in chunks]
        lengths = [np.diff(offsets) for offsets in self._offsets]
        self.lengths = np.concatenate([*lengths, np.zeros(0, dtype=np.int64)])

    def counts(self) -> NDArray[np.int64]:
        """Count how often each id occurs, in all rows, up to the highest."""
        found = np.zeros(1, dtype=np.int64)
        for values in self._values:
            more = np.bincount(values)
            found = np.pad(found, (0, max(0, len(more) - len(found))))
            found[: len(more)] += more
        return found

    def __getitem__(self, row: int) -> NDArray[np.integer]:
        chunk = int(np.searchsorted(self._starts, row, side="right")) - 1
        offsets = self._offsets[chunk]
        inside = row - int(self._starts[chunk])
        return self._values[chunk][offsets[inside] : offsets[inside + 1]]


def _numbers(array: pa.Array) -> NDArray[np.integer]:
    """View numbers where they lie; Arrow's own way imports pandas, in 0.3 seconds."""
    kind = np.dtype(str(array.type))
    if not len(array):
        return np.zeros(0, kind)
    values = np.frombuffer(array.buffers()[1], kind)
    return values[array.offset : array.offset + len(array)]


class ResumePosition(NamedTuple):
    """Where a process stands in the endless stream of batches.

    Attributes:
        done: Batches that this rank has trained on, earlier runs included.
        rank: This process's number.
        ranks: How many processes share the plan.
    """

    done: int = 0
    rank: int = 0
    ranks: int = 1


class TrainBatches:
    """The batches of all epochs, one after another, from any of them on.

    Args:
        pairs: What to train on.
        plan: Their order.
        position: Says where to begin; asked each time that iteration begins, since
            Lightning knows it only once it has read the checkpoint.
    """

    def __init__(
        self,
        pairs: ParallelDataset,
        plan: TokenBatchSampler,
        *,
        position: Callable[[], ResumePosition] = ResumePosition,
    ) -> None:
        self.pairs = pairs
        self.plan = plan
        self.position = position

    def __iter__(self) -> Iterator[Batch]:
        done, rank, ranks = self.position()
        per_epoch = self.plan.batches // ranks
        epoch, skipped = divmod(done, per_epoch)
        while True:
            mine = self.plan.epoch(epoch)[rank::ranks][:per_epoch]
            for place in range(skipped, per_epoch):
                yield self._batch(mine[place])
            epoch, skipped = epoch + 1, 0

    def _batch(self, planned: PlannedBatch) -> Batch:
        sources, targets = self.pairs.rows(planned.indices)
        return collate(
            sources, targets, rows=planned.indices, tokens=planned.num_tokens
        )


def validation_batches(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    *,
    batch_tokens: int,
) -> list[Batch]:
    """Batch pairs for validation: every pair once, sorted by length, none dropped."""
    plan = TokenBatchSampler(
        np.array([len(source) + 1 for source in sources]),
        np.array([len(target) + 1 for target in targets]),
        batch_tokens=batch_tokens,
    )
    return [
        collate(
            [sources[row] for row in planned.indices],
            [targets[row] for row in planned.indices],
            rows=planned.indices,
        )
        for planned in plan.epoch(0)
    ]
