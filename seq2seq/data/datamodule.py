"""The LightningDataModule: preprocessing, and batches for training and validation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch import LightningDataModule, Trainer
from numpy.typing import NDArray

from seq2seq.data.batch_sampler import PlannedBatch, TokenBatchSampler
from seq2seq.data.corpora import SentencePair
from seq2seq.data.dataset import (
    BatchPlan,
    BatchSource,
    ParallelDataset,
    ResumePosition,
    TrainDataLoader,
    open_dataset,
    validation_batches,
)
from seq2seq.data.overlap import SplitOverlap, compare_splits, find_overlap
from seq2seq.data.preprocessing import PreprocessedData, ProgressCallback, preprocess
from seq2seq.data.splits import load_eval_pairs, refuse_shared_splits
from seq2seq.data.tokenizer import UNK, Tokenizers
from seq2seq.errors import UserError
from seq2seq.recipe import Recipe
from seq2seq.recipe.data import LanguagePair
from seq2seq.types import Batch
from seq2seq.utils.languages import language_warning

log = logging.getLogger(__name__)


class ValidationPair(NamedTuple):
    """A sentence pair to validate on, and its languages."""

    source: str
    target: str
    languages: LanguagePair


class TranslationDataModule(LightningDataModule):
    """Sentence pairs of a recipe as batches, for any Lightning Trainer.

    `train.batch_tokens`, `seed` and the data and tokenizer sections come from the
    recipe; how many batches make an optimizer step is the Trainer's: its
    `accumulate_grad_batches` times its processes. Batch order is a function of the
    seed and of `trainer.global_step`, so `fit(..., ckpt_path=...)` continues with the
    batches that an uninterrupted training would have had.

    Args:
        recipe: The recipe.
        tokenizers: Trained tokenizers; trained on the data if None.
        progress: Called with a stage and a number of pairs while data is prepared.

    Raises:
        UserError: From `prepare_data` and what follows, if the data cannot be used.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        tokenizers: Tokenizers | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.valid_pairs: list[ValidationPair] = []
        self.overlaps: list[SplitOverlap] = []
        self._given_tokenizers = tokenizers
        self._progress = progress or (lambda stage, num_pairs: None)
        self._preprocessed: PreprocessedData | None = None
        self._dataset: ParallelDataset | None = None

    @property
    def preprocessed(self) -> PreprocessedData:
        """The encoded training set; made, or found in the cache, at first use."""
        if self._preprocessed is None:
            self._preprocessed = preprocess(
                self.recipe.data,
                self.recipe.tokenizer,
                log.info,
                progress=self._progress,
                tokenizers=self._given_tokenizers,
            )
        return self._preprocessed

    @property
    def tokenizers(self) -> Tokenizers:
        """Both sides' tokenizers."""
        return self.preprocessed.tokenizers

    @property
    def dataset(self) -> ParallelDataset:
        """The encoded training pairs, memory-mapped."""
        if self._dataset is None:
            self._dataset = open_dataset(self.preprocessed, self.recipe.data)
        return self._dataset

    def prepare_data(self) -> None:
        """Fill the cache; Lightning calls this in one process of each machine."""
        self.load_validation()
        if not self.overlaps:
            self._count_unknown()
        self._measure_overlaps()

    def setup(self, stage: str | None = None) -> None:
        """Open the data; Lightning calls this in every process."""
        self.prepare_data()

    def load_validation(self) -> None:
        """Read the validation split, once."""
        if not self.valid_pairs:
            for languages in self.recipe.data.pairs:
                data = self.recipe.data.for_pair(languages)
                refuse_shared_splits(data)
                pairs = load_eval_pairs(data, data.splits.valid)
                self.valid_pairs += [ValidationPair(*pair, languages) for pair in pairs]

    def _count_unknown(self) -> None:
        """Warn where another run's tokenizers do not know the text's characters."""
        if self._given_tokenizers is None:
            return
        for side in ("source", "target"):
            lines = [getattr(pair, side) for pair in self.valid_pairs]
            encoded = getattr(self._given_tokenizers, side).encode(lines)
            unknown = sum(ids.count(UNK) for ids in encoded)
            share = unknown / max(1, sum(map(len, encoded)))
            if share > 0.002:
                split = self.recipe.data.splits.valid
                log.warning(
                    f"{share:.1%} of the {side} tokens of {split} are unknown to the "
                    "initial run's tokenizer: -o train.update_vocab=true trains one "
                    "that knows them"
                )

    def _measure_overlaps(self) -> None:
        """Compare held-out splits with training and each other, once, and log it."""
        if self.overlaps:
            return
        splits = self.recipe.data.splits
        pairs = {
            splits.valid: [SentencePair(pair[0], pair[1]) for pair in self.valid_pairs]
        }
        try:
            pairs[splits.test] = [
                pair
                for languages in self.recipe.data.pairs
                for pair in load_eval_pairs(
                    self.recipe.data.for_pair(languages), splits.test
                )
            ]
        except UserError as error:  # Only the evaluation needs it.
            log.info(f"the test split is not compared with the training data: {error}")
        path = self.preprocessed.path
        self.overlaps = [find_overlap(*split, path) for split in pairs.items()]
        if len(pairs) == 2:
            valid, test = pairs.items()
            self.overlaps.append(compare_splits(*test, *valid))
        for overlap in self.overlaps:
            line = f"{overlap.split}: {overlap.summary()}"
            if overlap.is_notable:
                log.info(f"warning: {line}; scores will flatter")
            elif overlap.num_sources or overlap.num_targets:
                log.info(line)

    def batch_sampler(
        self, accumulate_grad_batches: int = 1, world_size: int = 1
    ) -> TokenBatchSampler:
        """Plan the batches of every epoch.

        Args:
            accumulate_grad_batches: Batches of an optimizer step in each process.
            world_size: Number of processes.

        Raises:
            UserError: If the pairs do not make as many batches.
        """
        return TokenBatchSampler(
            *self.dataset.lengths(),
            batch_tokens=self.recipe.train.batch_tokens,
            batches_per_step=accumulate_grad_batches * world_size,
            seed=self.recipe.seed,
        )

    def train_dataloader(self) -> TrainDataLoader:
        """Return this process's training batches, as `train_loader` does."""
        return train_loader(self.trainer, self.dataset, self.batch_sampler)

    def val_dataloader(self) -> ValidationDataLoader:
        """Return this process's share of the validation batches."""
        pairs = self.valid_pairs
        sources: list[list[int]] = [[] for _ in pairs]
        for target in {pair.languages[1] for pair in pairs}:
            rows = [i for i, pair in enumerate(pairs) if pair.languages[1] == target]
            tokenizer = self.tokenizers.source.for_target(target)
            encoded = tokenizer.encode([pairs[row].source for row in rows])
            for row, ids in zip(rows, encoded, strict=True):
                sources[row] = ids
        batches = validation_batches(
            sources,
            self.tokenizers.target.encode([pair.target for pair in pairs]),
            batch_tokens=self.recipe.train.batch_tokens,
        )
        loader = ValidationDataLoader(
            batches,
            [pair.target for pair in pairs],
            [pair.languages for pair in pairs],
        )
        return validation_share(self.trainer, loader)

    # What `seq2seq train` writes down and prints.

    @property
    def vocabularies(self) -> dict[str, bytes]:
        """Both tokenizers, serialised, by the names of their files."""
        return self.tokenizers.to_files()

    @property
    def fingerprint(self) -> str:
        """Changes with the training pairs, the options or the tokenizers."""
        return self.preprocessed.fingerprint

    @property
    def num_valid(self) -> int:
        """Number of pairs to validate on."""
        return len(self.valid_pairs)

    @property
    def warning(self) -> str | None:
        """What is doubtful about a target language's code; None if nothing is."""
        warnings = map(language_warning, self.recipe.data.targets)
        return next(filter(None, warnings), None)

    def train_batch(self, planned: PlannedBatch) -> Batch:
        """Return a batch of the plan."""
        return self.dataset.batch(planned.indices, planned.num_tokens)

    def describe(self, sampler: BatchPlan) -> dict[str, Any]:
        """Return counts of the splits and the plan, for data.json."""
        assert isinstance(sampler, TokenBatchSampler)
        source, target = sampler.padding_efficiency()
        return {
            "train": {"fingerprint": self.fingerprint, **vars(self.preprocessed.stats)},
            "valid": {"sentences": self.num_valid},
            "overlaps": [asdict(overlap) for overlap in self.overlaps],
            "batches_per_epoch": sampler.batches_per_epoch,
            "padding_efficiency": {"source": source, "target": target},
        }

    def lines(self, indices: NDArray[np.int64]) -> list[str]:
        """Return training pairs as source and target, separated by a tab."""
        sources, targets = self.dataset.get_pairs(indices)
        pairs = zip(
            self.tokenizers.source.decode([list(map(int, ids)) for ids in sources]),
            self.tokenizers.target.decode([list(map(int, ids)) for ids in targets]),
            strict=True,
        )
        return ["\t".join(" ".join(text.split()) for text in pair) for pair in pairs]


def train_loader(
    trainer: Trainer | None,
    dataset: BatchSource,
    batch_sampler: Callable[[int, int], BatchPlan],
) -> TrainDataLoader:
    """Return a process's training batches, from where its Trainer stands.

    Args:
        trainer: The data module's.
        dataset: The training examples.
        batch_sampler: Plans epochs, by accumulated batches and processes.

    Raises:
        UserError: If there is no Trainer, or it would leave out batches that its
            position counts.
    """
    if trainer is None:
        raise UserError(
            "training batches depend on the Trainer; give it the data module, such "
            "as trainer.fit(model, datamodule=data)."
        )
    options: Any = trainer  # Its type leaves out what its connectors set.
    overfit = bool(options.overfit_batches)
    limit = options.limit_train_batches
    if limit != 1.0 and not overfit and not options.fast_dev_run:
        raise UserError(
            f"limit_train_batches is {limit}, but an epoch has all of its batches; "
            "use the recipe's data.max_pairs for fewer."
        )
    accumulated = trainer.accumulate_grad_batches
    return TrainDataLoader(
        dataset,
        batch_sampler(accumulated, trainer.world_size),
        position=lambda: ResumePosition(
            0 if overfit else trainer.global_step * accumulated,
            trainer.global_rank,
            trainer.world_size,
        ),
    )


def validation_share(
    trainer: Trainer | None, loader: ValidationDataLoader
) -> ValidationDataLoader:
    """Return a process's share of the batches; all of them without a Trainer.

    Without a batch of its own, a process would leave out the hooks that gather; the
    module counts a batch once.
    """
    if trainer is None:
        return loader
    batches = loader.batches
    share = batches[trainer.global_rank :: trainer.world_size] or batches[:1]
    return ValidationDataLoader(share, loader.references, loader.languages)


class ValidationDataLoader:
    """Validation batches, and the true answers that their indices stand for.

    No list, which Lightning would take for several loaders.

    Args:
        batches: This process's batches.
        references: The answers of the whole split: text of the corpus, since decoded
            tokens may hold unknown ones. None: those that the batches hold.
        languages: The language pair of each reference; empty if it has none.
    """

    def __init__(
        self,
        batches: Sequence[Batch],
        references: Sequence[str] | None,
        languages: Sequence[LanguagePair] = (),
    ) -> None:
        self.batches = batches
        self.references = references
        self.languages = languages

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)
