"""How long a training takes, measured by its own first steps on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from seq2seq.training.module import TrainingModule

WARM_UP_STEPS = 5
MEASURED_STEPS = 25


class TimeEstimate(Callback):
    """Reports the time that is left, once, after the first steps of a call.

    Args:
        report: Called with seconds and with the steps that are left, at most.
    """

    def __init__(self, report: Callable[[float, int], None]) -> None:
        self.report = report
        self._steps = 0
        self._start = 0.0

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Measure the steps after the warm-up; no validation is among them."""
        self._steps += 1
        if self._steps == WARM_UP_STEPS:
            self._start = time.perf_counter()
        if self._steps == WARM_UP_STEPS + MEASURED_STEPS and trainer.is_global_zero:
            seconds = time.perf_counter() - self._start
            assert isinstance(pl_module, TrainingModule)
            left = (pl_module.total_steps or 0) - trainer.global_step
            self.report(seconds / MEASURED_STEPS * left, left)
