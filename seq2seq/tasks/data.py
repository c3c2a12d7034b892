"""The data of a task: what training asks of it, and a data module over examples."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray

from seq2seq.data.batch_sampler import PlannedBatch, TokenBatchSampler
from seq2seq.data.datamodule import ValidationDataLoader, train_loader, validation_share
from seq2seq.data.dataset import BatchPlan, BatchSource, TrainDataLoader
from seq2seq.recipe import BaseRecipe
from seq2seq.tasks.task import Score, Vocabularies
from seq2seq.types import Batch

log = logging.getLogger(__name__)


class TaskData(Protocol):
    """A LightningDataModule that `seq2seq train` can train on.

    Attributes:
        trainer: Lightning sets it.
    """

    trainer: Any

    @property
    def vocabularies(self) -> Vocabularies:
        """As `task.Vocabularies`; made from the training data unless given."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes with the training data, or with what it is encoded by."""
        ...

    @property
    def num_valid(self) -> int:
        """Number of examples to validate on."""
        ...

    @property
    def warning(self) -> str | None:
        """What is doubtful about the data, in one line; None if nothing is."""
        ...

    def setup(self, stage: str | None = None) -> None:
        """Read the data."""
        ...

    def batch_sampler(
        self, accumulate_grad_batches: int = 1, world_size: int = 1
    ) -> BatchPlan:
        """Plan the batches of every epoch."""
        ...

    def train_batch(self, planned: PlannedBatch) -> Batch:
        """Return a batch of the plan."""
        ...

    def describe(self, sampler: BatchPlan) -> dict[str, Any]:
        """Return counts for data.json: train with its fingerprint, valid, and more."""
        ...

    def lines(self, indices: NDArray[np.int64]) -> list[str]:
        """Return training examples as lines of text, to be read by people."""
        ...


class Examples(BatchSource, Protocol):
    """The examples of a split, encoded."""

    def __len__(self) -> int: ...

    def lengths(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the source positions and the targets of each example."""
        ...

    def references(self) -> list[str]:
        """Return the true answers, as `Task.predict` words them."""
        ...

    def line(self, index: int) -> str:
        """Return an example as a line of text."""
        ...

    def fingerprint(self) -> str:
        """Hash all that the network sees."""
        ...


class ExampleReader(Protocol):
    """Reads a task's splits, and makes its vocabularies from the training split."""

    @property
    def vocabularies(self) -> Vocabularies:
        """As `task.Vocabularies`."""
        ...

    def read(self, split: str) -> Examples:
        """Read a split.

        Raises:
            UserError: If it is missing, or something in it is wrong: with its line.
        """
        ...

    def baselines(
        self, train: Examples, valid: Examples, examples: Examples
    ) -> dict[str, list[str]]:
        """Answer a split by counting: fit on train, choose on valid."""
        ...

    def details(
        self, train: Examples, examples: Examples, predictions: Sequence[str]
    ) -> dict[str, Score]:
        """Return scores that need the sources."""
        ...


class ExampleData(LightningDataModule):
    """Examples in memory as batches: for tasks whose corpora are small.

    Args:
        recipe: The recipe; `data.splits` names the splits.
        reader: Reads them.
        mix_lengths: For training batches, as in `TokenBatchSampler`.
    """

    def __init__(
        self, recipe: BaseRecipe, reader: ExampleReader, *, mix_lengths: bool = False
    ) -> None:
        super().__init__()
        self.mix_lengths = mix_lengths
        self.recipe = recipe
        self.reader = reader
        self._splits: dict[str, Examples] = {}

    @property
    def vocabularies(self) -> Vocabularies:
        """As `task.Vocabularies`."""
        return self.reader.vocabularies

    @property
    def fingerprint(self) -> str:
        """Hash of the training examples."""
        return self.split(self.recipe.data.splits.train).fingerprint()

    @property
    def num_valid(self) -> int:
        """Number of examples to validate on."""
        return len(self.split(self.recipe.data.splits.valid))

    @property
    def warning(self) -> str | None:
        """None."""
        return None

    def split(self, name: str) -> Examples:
        """Read a split, once; as the corpus names it."""
        if name not in self._splits:
            self._splits[name] = self.reader.read(name)
        return self._splits[name]

    def setup(self, stage: str | None = None) -> None:
        """Read what training needs, once."""
        if self._splits:
            return
        splits = self.recipe.data.splits
        counts = [
            f"{name}: {len(self.split(name)):,}"
            for name in (splits.train, splits.valid)
        ]
        log.info(f"{self.recipe.data.path}: {', '.join(counts)} examples")

    def batch_sampler(
        self, accumulate_grad_batches: int = 1, world_size: int = 1
    ) -> TokenBatchSampler:
        """Plan the batches of every epoch, as `TokenBatchSampler`."""
        return TokenBatchSampler(
            *self.split(self.recipe.data.splits.train).lengths(),
            batch_tokens=self.recipe.train.batch_tokens,
            batches_per_step=accumulate_grad_batches * world_size,
            seed=self.recipe.seed,
            mix_lengths=self.mix_lengths,
        )

    def train_batch(self, planned: PlannedBatch) -> Batch:
        """Return a batch of the plan."""
        train = self.split(self.recipe.data.splits.train)
        return train.batch(planned.indices, planned.num_tokens)

    def describe(self, sampler: BatchPlan) -> dict[str, Any]:
        """Return counts for data.json."""
        train = self.split(self.recipe.data.splits.train)
        source, target = train.lengths()
        return {
            "train": {
                "fingerprint": self.fingerprint,
                "examples": len(train),
                "source_positions": int(source.sum()),
                "targets": int(target.sum()),
            },
            "valid": {"examples": self.num_valid},
            "batches_per_epoch": sampler.batches_per_epoch,
        }

    def lines(self, indices: NDArray[np.int64]) -> list[str]:
        """Return training examples as lines of text."""
        train = self.split(self.recipe.data.splits.train)
        return [train.line(int(index)) for index in indices]

    def train_dataloader(self) -> TrainDataLoader:
        """Return this process's training batches, as `train_loader` does."""
        train = self.split(self.recipe.data.splits.train)
        return train_loader(self.trainer, train, self.batch_sampler)

    def val_dataloader(self) -> ValidationDataLoader:
        """Return this process's share of the validation batches."""
        return validation_share(
            self.trainer, self.split_loader(self.recipe.data.splits.valid)
        )

    def split_loader(self, split: str) -> ValidationDataLoader:
        """Return all batches of a split, of similar lengths; every example once.

        Args:
            split: train, valid or test, as the recipe names them, or another one.

        Raises:
            UserError: If there is no such split, or it cannot be read.
        """
        examples = self._named(split)
        sampler = TokenBatchSampler(
            *examples.lengths(), batch_tokens=self.recipe.train.batch_tokens
        )
        batches: Sequence[Batch] = [
            examples.batch(planned.indices) for planned in sampler.plan_epoch(0)
        ]
        return ValidationDataLoader(batches, examples.references())

    def baselines(self, split: str) -> dict[str, list[str]]:
        """Answer a split by counting baselines.

        Returns:
            Answers in the order of `split_loader(split).references`, by the baseline's
            name.
        """
        splits = self.recipe.data.splits
        train, valid = self.split(splits.train), self.split(splits.valid)
        return self.reader.baselines(train, valid, self._named(split))

    def details(self, split: str, predictions: Sequence[str]) -> dict[str, Score]:
        """Return scores that need the sources, such as those of unseen words."""
        train = self.split(self.recipe.data.splits.train)
        return self.reader.details(train, self._named(split), predictions)

    def _named(self, split: str) -> Examples:
        """Read a split by its role, train, valid or test, or its own name."""
        return self.split(self.recipe.data.splits.name_of(split))
