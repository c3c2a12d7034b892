"""Checkpoints: the newest to resume from, the best by validation, averaged weights."""

from __future__ import annotations

import math
from pathlib import Path
from signal import SIGTERM
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, WeightAveraging
from torch import Tensor

from seq2seq.errors import Interrupted
from seq2seq.recipe import TrainOptions
from seq2seq.training.callbacks.signals import SignalHandler
from seq2seq.types import Batch


def weight_averaging(decay: float) -> WeightAveraging:
    """Exponential moving average of the weights, used by validation and translation.

    The decay is at most (1 + n) / (10 + n) after n updates, so that the random
    initialisation is soon forgotten.

    Args:
        decay: Share of the average that stays at each step, in [0, 1).

    Source: Polyak and Juditsky 1992; the warm-up is TensorFlow's
    ExponentialMovingAverage.
    """

    def average(old: list[Tensor], new: list[Tensor], updates: Tensor | int) -> None:
        share = 1 - torch.clamp(
            torch.as_tensor((1 + updates) / (10 + updates)), max=decay
        )
        for mean, weight in zip(old, new, strict=True):
            mean.lerp_(weight, share.to(mean))  # In place: a fifth of the time.

    # Buffers are copied: they are averages themselves, or whole numbers.
    return WeightAveraging(use_buffers=False, multi_avg_fn=average)


class BestCheckpoint(Checkpoint):
    """Keep the weights of the best validation under one name.

    Unlike ModelCheckpoint its state holds no path, so a moved run folder continues.

    Args:
        path: File of the checkpoint.
        monitor: The logged metric, such as valid_bleu.
        mode: max if higher is better, else min.
    """

    def __init__(self, path: Path, *, monitor: str, mode: str) -> None:
        self.path = path
        self.monitor = monitor
        self.sign = 1.0 if mode == "max" else -1.0
        self.best_score = -math.inf  # Times the sign.
        self.best_step = 0

    def is_best(self, trainer: Trainer) -> bool:
        """Return whether the last validation is better than all before it."""
        score = self.sign * float(trainer.callback_metrics[self.monitor])
        return score > self.best_score

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if it is the best."""
        if trainer.sanity_checking or not self.is_best(trainer):
            return
        self.best_score = self.sign * float(trainer.callback_metrics[self.monitor])
        self.best_step = trainer.global_step
        # Averaged weights take the place of the trained ones in any checkpoint; what
        # translating does not need, AtomicCheckpointIO leaves out.
        trainer.save_checkpoint(self.path)

    def state_dict(self) -> dict[str, Any]:
        """Return the best score and its step."""
        return {"best_score": self.best_score, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore them."""
        self.best_score = state_dict["best_score"]
        self.best_step = state_dict["best_step"]


class ResumeCheckpoint(Checkpoint):
    """Write the checkpoint to resume from, at intervals and when a signal asks to end.

    Around a validation it is written before the step that the validation follows, and
    after the validation: a training killed in between repeats that step, and Lightning
    validates after it. It must be the last callback, so that it saves what the others
    have come to.

    Args:
        path: File of the checkpoint.
        options: The recipe's train section: its intervals.
        total_steps: Optimizer steps of the whole training.
        signals: Receives SIGTERM and SIGINT.
    """

    def __init__(
        self,
        path: Path,
        options: TrainOptions,
        *,
        total_steps: int,
        signals: SignalHandler,
    ) -> None:
        self.path = path
        self.options = options
        self.total_steps = total_steps
        self.signals = signals

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the order of callbacks."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        if callbacks[-1] is not self:
            raise ValueError("ResumeCheckpoint must be the last of the callbacks.")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Defer signals until the current step is saved."""
        self.signals.install()
        self.signals.deferred = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop deferring: everything is saved."""
        self.signals.deferred = False

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Stop deferring: nothing more will be saved."""
        self.signals.deferred = False

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Save when it is due or a signal came, unless a validation follows."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        step = trainer.global_step
        if trainer.should_stop or self._validates(step):
            return
        received = self._signal_received(trainer)
        due = step % self.options.checkpoint_every == 0 or self._validates(step + 1)
        if received or due:
            trainer.save_checkpoint(self.path)
        if received:
            raise Interrupted(self.signals.received or SIGTERM)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End before a validation if a signal came."""
        self._end_if_received(trainer)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """End amid validation; several processes would have to agree, and wait."""
        if trainer.world_size == 1:
            self._end_if_received(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what the validation has decided."""
        trainer.save_checkpoint(self.path)
        self._end_if_received(trainer)

    def _validates(self, step: int) -> bool:
        return step % self.options.validate_every == 0 or step == self.total_steps

    def _signal_received(self, trainer: Trainer) -> bool:
        """Return whether any process received a signal; all ask at the same time."""
        received = self.signals.received is not None
        return bool(trainer.strategy.reduce_boolean_decision(received, all=False))

    def _end_if_received(self, trainer: Trainer) -> None:
        if self._signal_received(trainer):
            raise Interrupted(self.signals.received or SIGTERM)
