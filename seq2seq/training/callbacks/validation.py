"""Validation: is it better, and is it enough? Knows scores and what to keep of a run.

Knows Lightning's hooks, text and scores; not the network's insides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import distributed

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.metrics.sacrebleu_scores import bleu_ci
from seq2seq.recipe import Plateau, Recipe
from seq2seq.training.callbacks.csv_log import CSVLog
from seq2seq.training.callbacks.metrics_logger import MetricsLogger, perplexity
from seq2seq.training.lightning_module import TranslationModule
from seq2seq.types import Batch

SHOWN = 10
"""Validation sentences whose translations are kept, the same ones each time."""


class ValidationCallback(Callback):
    """Score validations, keep the best checkpoint, stop when it is time.

    Args:
        path: Where the best checkpoint goes.
        recipe: What is monitored, and for how long it may fail to improve.
        references: The validation targets, in the order of the corpus.
        tokenizer: The target side's.
        history: Is told of every validation.
        translations: A CSV file that keeps some translations of every validation.
    """

    def __init__(
        self,
        path: Path,
        recipe: Recipe,
        *,
        references: Sequence[str],
        tokenizer: Tokenizer,
        history: MetricsLogger,
        translations: Path,
    ) -> None:
        self.path = path
        self.translations = CSVLog(
            translations, ("step", "line", "reference", "hypothesis")
        )
        self.train = recipe.train
        self.references = references
        self.language = recipe.data.target
        self.tokenizer = tokenizer
        self.history = history
        self.best = -math.inf
        self.best_step = 0
        self.worse = 0  # Validations since the best one.
        self.since_reduction = 0
        self.reductions = 0  # Of the learning rate.
        self.judged = 0  # The step of the last validation.

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with no translations."""
        self._clear()

    def _clear(self) -> None:
        # By a batch's first row: where batches are few, two processes may get the same.
        self.sums: dict[int, tuple[float, int]] = {}
        self.lines: dict[int, tuple[int, ...]] = {}

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Gather sums and translations."""
        rows = batch.indices.tolist()
        self.sums[rows[0]] = float(outputs["nats"]), int(outputs["tokens"])
        found = zip(rows, outputs["hypotheses"], strict=True)
        self.lines.update({row: hypothesis.tokens for row, hypothesis in found})

    def on_validation_epoch_end(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> None:
        """Score, compare with the best, save what is better.

        Averaged weights, if any, are still in place of the trained ones.
        """
        assert isinstance(pl_module, TranslationModule)
        self.judged = trainer.global_step
        if trainer.world_size > 1:
            self._gather()
        sums = [self.sums[row] for row in sorted(self.sums)]
        loss = sum(nats for nats, _ in sums) / sum(tokens for _, tokens in sums)
        ordered = [self.lines[row] for row in range(len(self.references))]
        hypotheses = self.tokenizer.decode(ordered)
        score, (low, high) = bleu_ci(
            hypotheses, self.references, language=self.language
        )
        self._clear()
        if trainer.is_global_zero:
            self._keep(hypotheses, trainer.global_step)
        value = score if self.train.monitor == "bleu" else -loss
        is_best = value > self.best
        if is_best:
            self.best, self.best_step = value, trainer.global_step
            self.worse = self.since_reduction = 0
        else:
            self.worse += 1
            self.since_reduction += 1
        schedule = self.train.schedule
        if isinstance(schedule, Plateau) and self.since_reduction >= schedule.patience:
            self.reductions += 1
            pl_module.reductions = self.reductions
            self.since_reduction = 0
        metrics = {
            "valid_loss": loss,
            "valid_perplexity": perplexity(loss),
            "valid_bleu": score,
            "valid_bleu_low": low,
            "valid_bleu_high": high,
        }
        self.history.validated(trainer, metrics, is_best)
        if self.train.patience is not None and self.worse >= self.train.patience:
            trainer.should_stop = True
        if is_best:
            trainer.save_checkpoint(self.path, weights_only=True)

    def _gather(self) -> None:
        """Give every process what all of them found, so that all decide alike."""
        shares: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(shares, (self.sums, self.lines))
        for sums, lines in shares:
            self.sums.update(sums)
            self.lines.update(lines)

    def _keep(self, hypotheses: Sequence[str], step: int) -> None:
        """Write down some translations, evenly chosen."""
        count = min(SHOWN, len(hypotheses))
        kept: list[dict[str, float | str]] = [
            {
                "step": step,
                "line": row + 1,
                "reference": self.references[row],
                "hypothesis": hypotheses[row],
            }
            for row in (place * len(hypotheses) // count for place in range(count))
        ]
        for each in kept:
            self.translations.append(each)
        if self.history.board is not None:
            self.history.board.log_translations(step, kept)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """End after the last step, which has Lightning validate once more."""
        assert isinstance(pl_module, TranslationModule)
        if trainer.global_step == pl_module.total_steps:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Keep what decides on stopping and on the learning rate."""
        return {
            "best": self.best,
            "best_step": self.best_step,
            "worse": self.worse,
            "since_reduction": self.since_reduction,
            "reductions": self.reductions,
            "judged": self.judged,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        for name, value in state_dict.items():
            setattr(self, name, value)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the module back what a checkpoint kept for it, and catch up.

        A run that ended amid validation repeats it; one that ended after its last
        validation has nothing left to do.
        """
        assert isinstance(pl_module, TranslationModule)
        if trainer.is_global_zero:
            self.translations.truncate_after(trainer.global_step)
        pl_module.reductions = self.reductions
        step, last = trainer.global_step, pl_module.total_steps
        due = step % self.train.validate_every == 0 or step == last
        if step and due and step != self.judged:
            loop = trainer.fit_loop.epoch_loop.val_loop
            loop.restarting = False
            trainer.validating = True
            loop.run()
            trainer.training = True
        tired = self.train.patience is not None and self.worse >= self.train.patience
        if tired or step == last:
            trainer.should_stop = True
