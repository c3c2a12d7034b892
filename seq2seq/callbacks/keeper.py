"""The training state on disk, and averages of weights.

Knows Lightning's hooks and when to act; not what is in a checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from seq2seq.recipe import TrainOptions
from seq2seq.structures import Batch


def batches_done(trainer: Trainer) -> int:
    """Count the batches that this run and those it continues have trained on."""
    total: Any = trainer.fit_loop.epoch_loop.batch_progress.total
    return int(total.processed)


def averaging(decay: float) -> WeightAveraging:
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


class Keeper(Callback):
    """Write the newest checkpoint.

    Where a validation is due at a step, the checkpoint is written after it: a run that
    is killed in between repeats both.

    Args:
        path: Where the checkpoint goes.
        options: How often it is due.
    """

    def __init__(self, path: Path, options: TrainOptions) -> None:
        self.path = path
        self.options = options

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what the validation has decided."""
        trainer.save_checkpoint(self.path)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Save when it is due, unless a validation at this step will."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        step = trainer.global_step
        if trainer.should_stop or step % self.options.validate_every == 0:
            return
        if step % self.options.checkpoint_every == 0:
            trainer.save_checkpoint(self.path)
