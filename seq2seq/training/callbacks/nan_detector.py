"""Is training still sound? A sum that is not finite is found, named and never saved.

Knows Lightning's hooks, rows and text; not the network. Looks at the device only where
the host waits for it in any case: at reports and at checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, distributed

from seq2seq.data.dataset import ParallelDataset
from seq2seq.data.preprocessing import Tokenizers
from seq2seq.errors import UserError
from seq2seq.training.callbacks.metrics_logger import REPORT_EVERY
from seq2seq.training.lightning_module import TranslationModule
from seq2seq.types import Batch
from seq2seq.utils.files import write_lines

CUT = 0.5  # What the learning rate is multiplied by at each retry.
RETRIES = 5


class NonFiniteError(UserError):
    """A loss or gradient is infinite or no number.

    Attributes:
        cuts: How often the learning rate of this training had been cut.
    """

    def __init__(self, message: str, cuts: int) -> None:
        super().__init__(message)
        self.cuts = cuts


class NonFiniteCheck(Callback):
    """Watch losses and gradients; raise before anything sick is saved.

    Args:
        folder: Where the sentences of a sick batch are written.
        pairs: What is trained on.
        tokenizers: What cut it.
        say: Is told what happens.
        num_lr_cuts: How often the learning rate is cut, at the least.
    """

    def __init__(
        self,
        folder: Path,
        pairs: ParallelDataset,
        tokenizers: Tokenizers,
        *,
        say: Callable[[str], None],
        cuts: int = 0,
    ) -> None:
        self.folder = folder
        self.pairs = pairs
        self.tokenizers = tokenizers
        self.say = say
        self.num_lr_cuts = cuts
        self.nats: Any = 0.0
        self.ranks = 1
        self._clear()

    def _clear(self) -> None:
        self.steps: list[int] = []
        self.batches: list[list[Tensor]] = [[]]  # Rows, step by step.
        self.finite: list[Tensor] = []  # A flag for each step, left on its device.

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Cut the learning rate as often as this run has needed it."""
        assert isinstance(pl_module, TranslationModule)
        pl_module.rate_cut = CUT**self.num_lr_cuts
        self.ranks = trainer.world_size
        pl_module.halver.say = self._said(trainer)

    def _said(self, trainer: Trainer) -> Callable[[str], None]:
        return lambda line: self.say(f"step {trainer.global_step + 1}: {line}")

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Remember what was trained on and whether it was sound; look now and then."""
        assert isinstance(pl_module, TranslationModule)
        self.nats = self.nats + outputs["nats"]
        self.batches[-1].append(batch.indices)
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self.steps.append(trainer.global_step)
        self.finite.append(torch.isfinite(self.nats + pl_module.gradient_norm))
        self.batches.append([])
        self.nats = 0.0
        if trainer.global_step % REPORT_EVERY == 0:
            self.check()

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep what is sick from being saved."""
        self.check()

    def check(self) -> None:
        """Look at the steps since the last look, in all processes at once.

        Raises:
            NotFiniteError: If one of them was not sound, in any process: were some to
                go on, they would wait for the others for ever.
        """
        if not self.finite:
            return
        sound = torch.stack(self.finite).to(torch.uint8)
        if self.ranks > 1:
            distributed.all_reduce(sound, op=distributed.ReduceOp.MIN)
        flags = sound.tolist()
        steps, batches = self.steps, self.batches
        self._clear()
        if all(flags):
            return
        place = flags.index(False)
        rows = self._of_all(torch.cat(batches[place]))
        path = self.folder / f"not-finite-step-{steps[place]}.tsv"
        sources, targets = self.pairs.get_pairs(rows.numpy())
        texts = zip(
            rows.tolist(),
            self.tokenizers.source.decode([list(map(int, ids)) for ids in sources]),
            self.tokenizers.target.decode([list(map(int, ids)) for ids in targets]),
            strict=True,
        )
        lines = ["\t".join([str(row), *map(_cell, pair)]) for row, *pair in texts]
        if self.ranks == 1 or distributed.get_rank() == 0:
            write_lines(path, lines)
        raise NonFiniteError(
            f"step {steps[place]}: the loss or its gradient is not finite. The "
            f"{len(rows)} sentence pairs of its batch are in {path}, the first one is: "
            f"{lines[0][:200]!r}. The checkpoints are from before that step.",
            self.num_lr_cuts,
        )

    def _of_all(self, rows: Tensor) -> Tensor:
        """Collect the rows of all processes."""
        if self.ranks == 1:
            return rows
        shares: list[Any] = [None] * self.ranks
        distributed.all_gather_object(shares, rows.tolist())
        return torch.tensor([row for share in shares for row in share])

    def state_dict(self) -> dict[str, Any]:
        """Keep what the learning rate depends on."""
        return {"cuts": self.num_lr_cuts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with it; a retry cuts once more than its checkpoint says."""
        self.num_lr_cuts = max(self.num_lr_cuts, state_dict["cuts"])


def _cell(text: str) -> str:
    return " ".join(text.split())
