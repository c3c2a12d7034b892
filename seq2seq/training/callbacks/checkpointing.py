"""The training state on disk, and averages of weights.

Knows Lightning's hooks and when to act; not what is in a checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from signal import SIGTERM
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from seq2seq.errors import Interrupted
from seq2seq.recipe import TrainOptions
from seq2seq.training.callbacks.signals import SignalHandler
from seq2seq.types import Batch


def num_batches_trained(trainer: Trainer) -> int:
    """Count the batches that this run and those it continues have trained on."""
    total: Any = trainer.fit_loop.epoch_loop.batch_progress.total
    return int(total.processed)


def weight_averaging(decay: float) -> WeightAveraging:
    """Keep an exponential moving average of the weights, to validate and translate by.

    The first averages are short, so that the random start is soon forgotten: the
    decay is at most (1 + n) / (10 + n) after n updates.

    Args:
        decay: How much of the average stays at each step, below 1.

    Source: Polyak and Juditsky 1992; the short start is TensorFlow's
    ExponentialMovingAverage.
    """

    def average(old: Tensor, new: Tensor, updates: Tensor | int) -> Tensor:
        share = 1 - torch.clamp(
            torch.as_tensor((1 + updates) / (10 + updates)), max=decay
        )
        return old + share.to(old) * (new - old)

    return WeightAveraging(avg_fn=average)


class CheckpointCallback(Callback):
    """Write the newest checkpoint, when it is due and when a signal asks to end.

    Where a validation is due at a step, the checkpoint is written before it and after
    it, so that a run that ends amid validation has only that to repeat.

    Args:
        path: Where the checkpoint goes.
        options: How often it is due.
        signals: Says whether a signal came.
    """

    def __init__(
        self, path: Path, options: TrainOptions, signals: SignalHandler
    ) -> None:
        self.path = path
        self.options = options
        self.signals = signals

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on there is something to lose."""
        self.signals.install()
        self.signals.deferred = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """All is saved."""
        self.signals.deferred = False

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Nothing more will be."""
        self.signals.deferred = False

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what was trained; averaged weights are not yet in its place."""
        trainer.save_checkpoint(self.path)
        self._end_if_asked(trainer)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """End amid validation; several ranks would have to agree, and wait."""
        if trainer.world_size == 1:
            self._end_if_asked(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what the validation has decided."""
        trainer.save_checkpoint(self.path)
        self._end_if_asked(trainer)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Save when it is due or asked for, unless a validation at this step will."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        step = trainer.global_step
        if trainer.should_stop or step % self.options.validate_every == 0:
            return
        asked = self._asked(trainer)
        if asked or step % self.options.checkpoint_every == 0:
            trainer.save_checkpoint(self.path)
        if asked:
            raise Interrupted(self.signals.received or SIGTERM)

    def _asked(self, trainer: Trainer) -> bool:
        """Tell whether a signal came to any rank; all of them ask at the same time."""
        asked = self.signals.received is not None
        return bool(trainer.strategy.reduce_boolean_decision(asked, all=False))

    def _end_if_asked(self, trainer: Trainer) -> None:
        if self._asked(trainer):
            raise Interrupted(self.signals.received or SIGTERM)
