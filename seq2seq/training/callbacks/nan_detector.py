"""Detection of a non-finite loss or gradient, which is reported and never checkpointed.

Flags stay on the device until the host waits for it in any case: at reports and at
checkpoints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, distributed

from seq2seq.errors import UserError
from seq2seq.tasks.data import TaskData
from seq2seq.training.module import TrainingModule, log_interval
from seq2seq.types import Batch
from seq2seq.utils.files import write_lines

LR_CUT = 0.5  # Factor of the learning rate at each retry.
MAX_RETRIES = 5


class NonFiniteError(UserError):
    """A loss or gradient is infinite or NaN.

    Attributes:
        num_lr_cuts: Cuts of the learning rate in this training so far.
    """

    def __init__(self, message: str, num_lr_cuts: int) -> None:
        super().__init__(message)
        self.num_lr_cuts = num_lr_cuts


class NonFiniteCheck(Callback):
    """Check losses and gradients; raise before a non-finite state is saved.

    Args:
        folder: Where the examples of the batch that caused it are written.
        data: The training examples.
        num_lr_cuts: Least number of cuts of the learning rate.
    """

    def __init__(self, folder: Path, data: TaskData, *, num_lr_cuts: int = 0) -> None:
        self.folder = folder
        self.data = data
        self.num_lr_cuts = num_lr_cuts
        self.nll: Any = 0.0
        self.world_size = 1
        self._clear()

    def _clear(self) -> None:
        self.steps: list[int] = []
        self.batches: list[list[Tensor]] = [[]]  # Pair indices of each step.
        self.finite: list[Tensor] = []  # A flag for each step, on its device.

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Cut the learning rate as often as this run has needed it."""
        assert isinstance(pl_module, TrainingModule)
        assert pl_module.schedule is not None
        pl_module.schedule.factor = LR_CUT**self.num_lr_cuts
        pl_module.schedule.apply()
        self.world_size = trainer.world_size

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Record the batch and a flag; evaluate the flags where a report is due."""
        assert isinstance(pl_module, TrainingModule)
        self.nll = self.nll + outputs["nll"]
        self.batches[-1].append(batch.indices)
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self.steps.append(trainer.global_step)
        self.finite.append(torch.isfinite(self.nll + pl_module.gradient_norm))
        self.batches.append([])
        self.nll = 0.0
        if trainer.global_step % log_interval(trainer) == 0:
            self.check()

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep a non-finite state from being saved."""
        self.check()

    def check(self) -> None:
        """Evaluate the flags since the last check, in all processes at once.

        Raises:
            NonFiniteError: If a step was not finite in any process: all raise, since
                those that went on would wait for the others for ever.
        """
        if not self.finite:
            return
        finite = torch.stack(self.finite).to(torch.uint8)  # (steps,)
        if self.world_size > 1:
            distributed.all_reduce(finite, op=distributed.ReduceOp.MIN)
        flags = finite.tolist()
        steps, batches = self.steps, self.batches
        self._clear()
        if all(flags):
            return
        first = flags.index(False)
        indices = self._gather(torch.cat(batches[first]))
        path = self.folder / f"not-finite-step-{steps[first]}.tsv"
        texts = self.data.lines(indices.numpy())
        numbered = zip(indices.tolist(), texts, strict=True)
        lines = [f"{index}\t{text}" for index, text in numbered]
        if self.world_size == 1 or distributed.get_rank() == 0:
            write_lines(path, lines)
        raise NonFiniteError(
            f"step {steps[first]}: the loss or its gradient is not finite. The "
            f"{len(indices)} examples of its batch are in {path}, the first one "
            f"is: {lines[0][:200]!r}. The checkpoints are from before that step.",
            self.num_lr_cuts,
        )

    def _gather(self, indices: Tensor) -> Tensor:
        """Collect the pair indices of all processes."""
        if self.world_size == 1:
            return indices
        shares: list[Any] = [None] * self.world_size
        distributed.all_gather_object(shares, indices.tolist())
        return torch.tensor([index for share in shares for index in share])

    def state_dict(self) -> dict[str, Any]:
        """Return the cuts that the learning rate depends on."""
        return {"num_lr_cuts": self.num_lr_cuts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore them; a retry cuts once more than its checkpoint holds."""
        self.num_lr_cuts = max(self.num_lr_cuts, state_dict["num_lr_cuts"])
