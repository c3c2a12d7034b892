"""Validation: samples of its answers, and when training stops.

Scores and loss are computed by the LightningModule; the best checkpoint is
`checkpointing.BestCheckpoint`; early stopping is Lightning's.
"""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping

from seq2seq.training.callbacks.csv_log import CSVLog
from seq2seq.training.callbacks.loggers import log_translations
from seq2seq.training.module import TrainingModule
from seq2seq.types import Batch

NUM_SAMPLES = 10
"""Validation examples whose answers are kept, the same ones each time."""


class ValidationSamples(Callback):
    """Write some answers of each validation to a CSV file and to loggers.

    Args:
        path: The CSV file.
    """

    def __init__(self, path: Path) -> None:
        self.table = CSVLog(path, ("step", "line", "reference", "hypothesis"))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the file; drop rows of steps that will be repeated."""
        if trainer.is_global_zero:
            self.table.truncate_after(trainer.global_step)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write evenly chosen answers."""
        assert isinstance(pl_module, TrainingModule)
        validation = pl_module.validation
        if trainer.sanity_checking or not trainer.is_global_zero or validation is None:
            return
        total = len(validation.indices)
        count = min(NUM_SAMPLES, total)
        samples: list[dict[str, float | str]] = []
        for number in range(count):
            position = number * total // count
            samples.append(
                {
                    "step": validation.step,
                    "line": validation.indices[position] + 1,
                    "reference": validation.references[position],
                    "hypothesis": validation.hypotheses[position],
                }
            )
        for sample in samples:
            self.table.append(sample)
        log_translations(trainer.loggers, validation.step, samples)


class StopAtLastStep(Callback):
    """End training after a last validation, and at once where nothing is left to do.

    Lightning itself ends at max_steps without validating, and forgets on resuming that
    early stopping had ended the training.

    Args:
        total_steps: Optimizer steps of the whole training.
    """

    def __init__(self, total_steps: int) -> None:
        self.total_steps = total_steps

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop a resumed training that was at its end."""
        stopped = any(
            callback.wait_count >= callback.patience
            for callback in trainer.early_stopping_callbacks
            if isinstance(callback, EarlyStopping)
        )
        if stopped or trainer.global_step >= self.total_steps:
            trainer.should_stop = True

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Ask Lightning to stop, which validates first."""
        if trainer.global_step == self.total_steps:
            trainer.should_stop = True
