"""The memory-mapped parallel dataset, and iterables of its batches.

Several corpora may be mixed by weight or by temperature; the training loader is
infinite and resumes at any batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seq2seq.data.batch_sampler import PlannedBatch, TokenBatchSampler
from seq2seq.data.collate import Sequences, collate
from seq2seq.data.preprocessing import PreprocessedData
from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions
from seq2seq.types import Batch


class ParallelDataset:
    """Sentence pairs as token ids in a memory-mapped Arrow file.

    Args:
        path: A file with the columns source and target, lists of ids.
        indices: Row of the file for each pair of the dataset; all rows in order if
            None.
    """

    def __init__(self, path: Path, indices: NDArray[np.int64] | None = None) -> None:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self.source = _ArrowColumn(table.column("source"))
        self.target = _ArrowColumn(table.column("target"))
        if indices is None:
            indices = np.arange(len(self.source.lengths))
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def lengths(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the tokens of each source and of each target, EOS included."""
        source, target = self.source.lengths, self.target.lengths
        return source[self.indices] + 1, target[self.indices] + 1

    def batch(self, indices: NDArray[np.int64], num_tokens: int | None = None) -> Batch:
        """Pad these pairs into a batch, as `collate` does."""
        sources, targets = self.get_pairs(indices)
        return collate(sources, targets, indices=indices, num_tokens=num_tokens)

    def get_pairs(self, indices: NDArray[np.int64]) -> tuple[Sequences, Sequences]:
        """Return the ids of the sources and of the targets of these pairs."""
        rows = self.indices[indices].tolist()
        return [self.source[row] for row in rows], [self.target[row] for row in rows]


def mixture_indices(
    sizes: Sequence[int], weights: Sequence[float]
) -> NDArray[np.int64]:
    """Repeat or subsample the rows of each corpus by its weight, evenly spaced.

    Args:
        sizes: Pairs of each corpus, which follow one another.
        weights: Passes over each corpus in an epoch: 0.5 is every second row; one row
            at least, however small the product.
    """
    indices, offset = [np.zeros(0, dtype=np.int64)], 0
    for size, weight in zip(sizes, weights, strict=True):
        count = max(min(size, 1), round(size * weight))
        indices.append(offset + np.arange(count) * size // max(1, count))
        offset += size
    return np.concatenate(indices)


def temperature_weights(sizes: Sequence[int], temperature: float) -> list[float]:
    """Temperature sampling: weights that make shares proportional to size ** (1 / T).

    The largest corpus has weight 1, so that nothing is left out and smaller ones
    repeat.

    Args:
        sizes: Pairs of each corpus.
        temperature: 1 keeps the shares as they are; the higher, the more equal.

    Source: Arivazhagan et al. 2019 (Massively Multilingual Neural Machine Translation
    in the Wild).
    """
    largest, power = max(sizes), 1 - 1 / temperature
    return [(largest / size) ** power if size else 1.0 for size in sizes]


def open_dataset(preprocessed: PreprocessedData, data: DataOptions) -> ParallelDataset:
    """Open preprocessed data, with mixed corpora weighted as the recipe says."""
    if not data.mix:
        return ParallelDataset(preprocessed.path)
    sizes = preprocessed.stats.kept_per_corpus
    weights = [1.0, *(mixed.weight for mixed in data.mix)]
    if data.temperature is not None:
        weights = temperature_weights(sizes, data.temperature)
    return ParallelDataset(preprocessed.path, mixture_indices(sizes, weights))


class _ArrowColumn:
    """Lists of ids, each chunk of them in one flat array."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        chunks = [chunk for chunk in column.chunks if len(chunk)]
        self._starts = np.cumsum([0, *map(len, chunks)])
        self._offsets = [_as_numpy(chunk.offsets) for chunk in chunks]
        self._values = [_as_numpy(chunk.values) for chunk in chunks]
        lengths = [np.diff(offsets) for offsets in self._offsets]
        self.lengths = np.concatenate([*lengths, np.zeros(0, dtype=np.int64)])

    def counts(self) -> NDArray[np.int64]:
        """Count how often each id occurs in all rows, up to the highest id."""
        counts = np.zeros(1, dtype=np.int64)
        for values in self._values:
            chunk_counts = np.bincount(values)
            counts = np.pad(counts, (0, max(0, len(chunk_counts) - len(counts))))
            counts[: len(chunk_counts)] += chunk_counts
        return counts

    def __getitem__(self, row: int) -> NDArray[np.integer]:
        chunk = int(np.searchsorted(self._starts, row, side="right")) - 1
        offsets = self._offsets[chunk]
        row -= int(self._starts[chunk])
        return self._values[chunk][offsets[row] : offsets[row + 1]]


def _as_numpy(array: pa.Array) -> NDArray[np.integer]:
    """View an Arrow array without a copy; to_numpy() imports pandas, in 0.3 seconds."""
    dtype = np.dtype(str(array.type))
    if not len(array):
        return np.zeros(0, dtype)
    values = np.frombuffer(array.buffers()[1], dtype)
    return values[array.offset : array.offset + len(array)]


class ResumePosition(NamedTuple):
    """Position of a process in the infinite sequence of training batches.

    Attributes:
        num_batches: Batches that this rank has trained on, earlier runs included.
        rank: Global rank of this process.
        world_size: Number of processes, which share every epoch's batches.
    """

    num_batches: int = 0
    rank: int = 0
    world_size: int = 1


class BatchSource(Protocol):
    """What makes batches of examples, such as a `ParallelDataset`."""

    def batch(self, indices: NDArray[np.int64], num_tokens: int | None = None) -> Batch:
        """Pad these examples into a batch."""
        ...


class BatchPlan(Protocol):
    """The batches of every epoch, such as a `TokenBatchSampler`."""

    batches_per_step: int

    @property
    def batches_per_epoch(self) -> int:
        """Batches in an epoch; a multiple of batches_per_step."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        ...

    def plan_epoch(self, epoch: int) -> list[PlannedBatch]:
        """Return the batches of an epoch in the order in which they are trained on."""
        ...


class TrainDataLoader:
    """Resumable iterable of one rank's training batches, an epoch each iteration.

    An iteration yields the rest of the epoch that the position lies in, so that a
    resumed training continues amid an epoch.

    Args:
        dataset: The training examples.
        batch_sampler: Batches of every epoch.
        position: Returns where to start; called with the first batch of an iteration,
            because Lightning knows it only after loading the checkpoint.
    """

    def __init__(
        self,
        dataset: BatchSource,
        batch_sampler: BatchPlan,
        *,
        position: Callable[[], ResumePosition] = ResumePosition,
    ) -> None:
        self.dataset = dataset
        self.batch_sampler = batch_sampler
        self.position = position

    def __len__(self) -> int:
        """Return the batches of a whole epoch for one rank.

        Raises:
            UserError: If the sampler's steps do not have a batch for each rank.
        """
        world_size = self.position().world_size
        batches_per_step = self.batch_sampler.batches_per_step
        if batches_per_step % world_size:
            raise UserError(
                f"the sampler plans {batches_per_step} batches a step, which "
                f"{world_size} processes cannot share evenly. Make it with a "
                "batches_per_step that is a multiple of the processes."
            )
        return self.batch_sampler.batches_per_epoch // world_size

    def __iter__(self) -> Iterator[Batch]:
        num_batches, rank, world_size = self.position()
        epoch, start = divmod(num_batches, len(self))
        plan = self.batch_sampler.plan_epoch(epoch)[rank::world_size]
        for indices, num_tokens in plan[start : len(self)]:
            yield self.dataset.batch(indices, num_tokens)


def validation_batches(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    *,
    batch_tokens: int,
) -> list[Batch]:
    """Batch pairs for validation, sorted by length: every pair once.

    Args:
        sources: Token ids of each source, without control tokens.
        targets: Likewise.
        batch_tokens: Maximum of padded tokens in a batch, on its longer side.
    """
    batch_sampler = TokenBatchSampler(
        np.array([len(source) + 1 for source in sources]),
        np.array([len(target) + 1 for target in targets]),
        batch_tokens=batch_tokens,
    )
    return [
        collate(
            [sources[i] for i in batch.indices],
            [targets[i] for i in batch.indices],
            indices=batch.indices,
        )
        for batch in batch_sampler.plan_epoch(0)
    ]
