"""Data of a language model: a text as streams, read side by side, window by window."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray

from seq2seq.data.batch_sampler import PlannedBatch
from seq2seq.data.corpora import open_corpus
from seq2seq.data.datamodule import ValidationDataLoader, train_loader
from seq2seq.data.dataset import TrainDataLoader
from seq2seq.data.tokenizer import Tokenizer, train_tokenizer
from seq2seq.errors import UserError
from seq2seq.recipe.language_model import LanguageModelRecipe
from seq2seq.tasks.rows import find_split_file
from seq2seq.tasks.task import Vocabularies
from seq2seq.tasks.text_vocabulary import CHARACTERS_FILE, Ids, TextVocabulary
from seq2seq.types import EOS, PAD, UNK, Batch
from seq2seq.utils.files import read_lines

log = logging.getLogger(__name__)

PHRASEBOOK_LINES = {"train": 10_000}
"""Lines of the phrasebook: fewer than it has pairs, as a text of characters is long."""

VALID_STREAMS = 16
"""Streams of the validation text in training; an evaluation reads one."""


class Streams:
    """A text cut into streams of equal length, one below the other.

    Batch k holds window k of every stream: tokens k * window and on.

    Args:
        ids: The text, (T,), at least one token.
        streams: N, rows; fewer where the text is short.
        window: Tokens of a window.
        ranks: Processes, each of which reads some of the rows.

    Raises:
        UserError: If the ranks cannot share the rows evenly.
    """

    def __init__(self, ids: Ids, streams: int, window: int, ranks: int = 1) -> None:
        self.window = window
        streams = max(1, min(streams, len(ids) // window))
        if streams % ranks:
            even = streams // ranks * ranks * window
            hint = f"add -o train.batch_tokens={even}, or " if even else ""
            raise UserError(
                f"{streams} streams (train.batch_tokens / train.truncated_bptt_steps, "
                f"or the windows of a short text) cannot be shared evenly by {ranks} "
                f"processes; {hint}start fewer."
            )
        length = -(-len(ids) // streams)
        self.targets = np.full((streams, length), PAD, dtype=np.int32)
        self.targets.flat[: len(ids)] = ids
        self.first = np.concatenate([[EOS], self.targets[:-1, -1]])  # Before each row.
        self.batches_per_step = ranks

    @property
    def num_windows(self) -> int:
        """Windows of each stream."""
        return -(-self.targets.shape[1] // self.window)

    @property
    def batches_per_epoch(self) -> int:
        """Batches in an epoch, of all ranks."""
        return self.num_windows * self.batches_per_step

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch: one for each window."""
        return self.num_windows

    def plan_epoch(self, epoch: int) -> list[PlannedBatch]:
        """Return the windows in order, the ranks' rows of each one after the other."""
        rows = len(self.targets)
        plan = []
        for k in range(self.num_windows):
            targets = self.targets[:, k * self.window : (k + 1) * self.window]
            num_tokens = int((targets != PAD).sum())
            for share in np.array_split(np.arange(rows), self.batches_per_step):
                plan.append(PlannedBatch(k * rows + share, num_tokens))
        return plan

    def batch(self, indices: NDArray[np.int64], num_tokens: int | None = None) -> Batch:
        """Return rows of a window; `source_lengths` is 0 where streams begin."""
        window, rows = int(indices[0]) // len(self.targets), indices % len(self.targets)
        start = window * self.window
        targets = self.targets[rows, start : start + self.window].astype(np.int64)
        before = self.targets[rows, start - 1] if start else self.first[rows]
        inputs = np.concatenate([before[:, None], targets[:, :-1]], axis=1)
        return Batch(
            source=torch.zeros((len(rows), 1), dtype=torch.int64),
            source_lengths=torch.full((len(rows),), int(start > 0)),
            inputs=torch.from_numpy(inputs.astype(np.int64)),
            targets=torch.from_numpy(targets),
            indices=torch.from_numpy(np.ascontiguousarray(indices)),
            num_tokens=num_tokens or max(1, int((targets != PAD).sum())),
        )


class LanguageModelData(LightningDataModule):
    """The text of a recipe as `tasks.data.TaskData`.

    Args:
        recipe: The recipe.
        vocabularies: Of a trained run; made from the training text if None.
    """

    def __init__(
        self, recipe: LanguageModelRecipe, vocabularies: Vocabularies | None
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self._vocabularies = vocabularies
        self._streams: dict[str, Ids] = {}
        self.warning: str | None = None

    def lines_of(self, split: str) -> Iterator[str]:
        """Yield the lines of a split, as the corpus names it."""
        data = self.recipe.data
        if data.path == "hello":
            yield "hello"
            return
        if data.path == "phrasebook":
            other = "en" if data.language == "de" else "de"
            corpus = open_corpus(
                data.path,
                source=data.language,
                target=other,
                split=split,
                max_pairs=PHRASEBOOK_LINES.get(split),
            )
            for pair in corpus.read():
                yield pair.source
            return
        yield from read_lines(
            find_split_file(Path(data.path), split, (f".{data.language}",))
        )

    @property
    def vocabularies(self) -> Vocabularies:
        """characters.json or target.model."""
        if self._vocabularies is None:
            options = self.recipe.tokenizer
            lines = self.lines_of(self.recipe.data.splits.train)
            if options is None:
                content = TextVocabulary.characters_file(lines)
                self._vocabularies = {CHARACTERS_FILE: content}
            elif options.path is not None:
                model = Tokenizer.load(Path(options.path)).model
                self._vocabularies = {"target.model": model}
            else:
                model = train_tokenizer(lines, options).model
                self._vocabularies = {"target.model": model}
        return self._vocabularies

    def ids(self, split: str) -> Ids:
        """Return a split as ids, EOS after each line, (T,); train, valid, test or own.

        Raises:
            UserError: If it is missing or empty.
        """
        name = self.recipe.data.splits.name_of(split)
        if name not in self._streams:
            ids = TextVocabulary(self.vocabularies).stream(self.lines_of(name))
            if not len(ids):
                raise UserError(f"{self.recipe.data.path}, split {name}, is empty.")
            if unknown := int((ids == UNK).sum()):
                log.warning(
                    f"{name}: {unknown:,} of {len(ids):,} tokens are unknown, since "
                    "training does not have them"
                )
            self._streams[name] = ids
        return self._streams[name]

    @property
    def fingerprint(self) -> str:
        """Hash of the training text's ids."""
        return hashlib.sha256(self.ids("train").tobytes()).hexdigest()

    @property
    def num_valid(self) -> int:
        """Tokens to validate on."""
        return len(self.ids("valid"))

    def setup(self, stage: str | None = None) -> None:
        """Read what training needs, once."""
        if not self._streams:
            counts = [f"{name}: {len(self.ids(name)):,}" for name in ("train", "valid")]
            log.info(f"{self.recipe.data.path}: {', '.join(counts)} tokens")

    def batch_sampler(
        self, accumulate_grad_batches: int = 1, world_size: int = 1
    ) -> Streams:
        """Cut the training text into streams."""
        train = self.recipe.train
        window = train.truncated_bptt_steps
        return Streams(
            self.ids("train"), train.batch_tokens // window, window, world_size
        )

    def train_batch(self, planned: PlannedBatch) -> Batch:
        """Return a batch of the plan."""
        return self.batch_sampler().batch(planned.indices, planned.num_tokens)

    def describe(self, sampler: Any) -> dict[str, Any]:
        """Return counts for data.json."""
        train = {"fingerprint": self.fingerprint, "tokens": len(self.ids("train"))}
        return {
            "train": train,
            "valid": {"tokens": self.num_valid},
            "batches_per_epoch": sampler.batches_per_epoch,
        }

    def lines(self, indices: NDArray[np.int64]) -> list[str]:
        """Return the text of rows of a window."""
        targets = self.batch_sampler().batch(indices).targets.tolist()
        decode = TextVocabulary(self.vocabularies).decode
        return [" ".join(decode(row).split()) for row in targets]

    def train_dataloader(self) -> TrainDataLoader:
        """Return this process's rows, window by window."""
        world_size = 1 if self.trainer is None else self.trainer.world_size
        streams = self.batch_sampler(1, world_size)
        return train_loader(self.trainer, streams, lambda accumulated, ranks: streams)

    def val_dataloader(self) -> ValidationDataLoader:
        """Return the validation text; every process reads all of it."""
        window = max(256, self.recipe.train.truncated_bptt_steps)
        text = Streams(self.ids("valid"), VALID_STREAMS, window)
        batches = [text.batch(planned.indices) for planned in text.plan_epoch(0)]
        return ValidationDataLoader(batches, None)
