"""Training progress: metrics.csv, a progress bar, and a line at each validation."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from seq2seq.training.callbacks.checkpointing import BestCheckpoint
from seq2seq.training.callbacks.csv_log import CSVLog
from seq2seq.training.module import TrainingModule, log_interval, perplexity
from seq2seq.types import Batch
from seq2seq.utils.text import with_noun

log = logging.getLogger(__name__)

LINE_EVERY = 4  # Reports between lines where the console is no terminal.
MAX_PERPLEXITY = 1e6  # More is printed as ">1e6".
MAX_RISE = 1.0  # Nats above the lowest validation loss that are named.


class MetricsLogger(Callback):
    """Write what the module logs to metrics.csv, and show progress.

    Args:
        path: The CSV file.
        score_names: Scores of a validation, with the bounds of their intervals.
        total_steps: Optimizer steps of the whole training.
        steps_per_epoch: Optimizer steps in an epoch.
        best: Knows whether a validation is the best.
        console: Shows a progress bar if it is a terminal.

    Attributes:
        warning: What is wrong with the last validation's loss; empty if nothing is.
    """

    TRAINING = ("learning_rate", "train_loss", "gradient_norm", "tokens_per_second")

    def __init__(
        self,
        path: Path,
        *,
        score_names: Sequence[str],
        total_steps: int,
        steps_per_epoch: int,
        best: BestCheckpoint,
        console: Console,
    ) -> None:
        self.validation = [
            "valid_loss",
            "valid_perplexity",
            *(f"valid_{name}" for name in score_names),
        ]
        columns = ("step", "epoch", "seconds", *self.TRAINING, *self.validation, "best")
        self.table = CSVLog(path, columns)
        self.total_steps = total_steps
        self.steps_per_epoch = steps_per_epoch
        self.best = best
        self.console = console
        self.seconds = 0.0  # Of earlier calls.
        self.lowest_loss, self.lowest_step = math.inf, 0  # Of all validations.
        self.warning = ""
        self._bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the file, drop rows of steps that will be repeated, show the bar."""
        step = trainer.global_step
        self.started, self.first_step = time.monotonic(), step
        if not trainer.is_global_zero:
            return
        if trainer.world_size > 1 and pl_module.device.type == "cpu":
            # Lightning sets the number of threads when it starts the processes.
            threads = with_noun(torch.get_num_threads(), "thread")
            log.info(f"{trainer.world_size} processes on the CPU, {threads} each")
        self.table.truncate_after(step)
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("step {task.completed}/{task.total}"),
                BarColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=self.console,
            )
            self._task = self._bar.add_task("", total=self.total_steps, completed=step)
            self._bar.start()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Report where the module logged."""
        step = trainer.global_step
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        if step % log_interval(trainer) or not trainer.is_global_zero:
            return
        metrics = _floats(trainer.callback_metrics, self.TRAINING)
        self._write(step, metrics)
        loss, rate = metrics["train_loss"], metrics["tokens_per_second"]
        text = (
            f"epoch {step / self.steps_per_epoch:.1f}  loss {loss:.3f}  "
            f"perplexity {_format_perplexity(loss, 1)}  {rate:,.0f} tokens/s"
        )
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=text)
        elif step % (LINE_EVERY * log_interval(trainer)) == 0:
            elapsed = time.monotonic() - self.started
            left = elapsed / (step - self.first_step) * (self.total_steps - step)
            log.info(f"step {step}/{self.total_steps}  {text}  {_clock(left)} left")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report a validation."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, TrainingModule)
        assert pl_module.validation is not None
        metrics = _floats(trainer.callback_metrics, self.validation)
        best, loss = self.best.is_best(trainer), metrics["valid_loss"]
        self.warning = loss_warning(
            loss,
            num_classes=pl_module.task.num_classes,
            lowest=self.lowest_loss,
            lowest_step=self.lowest_step,
        )
        if loss < self.lowest_loss:
            self.lowest_loss, self.lowest_step = loss, trainer.global_step
        mark = self.warning or ("best so far" if best else "")
        self._write(trainer.global_step, {**metrics, "best": int(best)})
        scores = "  ".join(map(str, pl_module.validation.scores.values()))
        log.info(
            f"step {trainer.global_step}  validation loss {loss:.3f}  "
            f"perplexity {_format_perplexity(loss, 2)}  "
            f"{scores}{f'  ({mark})' if mark else ''}"
        )

    def _write(self, step: int, metrics: Mapping[str, float]) -> None:
        self.table.append(
            {
                "step": step,
                "epoch": step / self.steps_per_epoch,
                "seconds": self.total_seconds,
                **metrics,
            }
        )

    @property
    def total_seconds(self) -> float:
        """Seconds of training, earlier calls included."""
        return self.seconds + time.monotonic() - self.started

    def state_dict(self) -> dict[str, Any]:
        """Return the time that training took, and the lowest validation loss."""
        return {
            "seconds": self.total_seconds,
            "lowest_loss": self.lowest_loss,
            "lowest_step": self.lowest_step,
            "warning": self.warning,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting from there."""
        self.seconds = state_dict["seconds"]
        self.lowest_loss = state_dict.get("lowest_loss", math.inf)
        self.lowest_step = state_dict.get("lowest_step", 0)
        self.warning = state_dict.get("warning", "")

    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str
    ) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()


def loss_warning(
    loss: float, *, num_classes: int | None, lowest: float, lowest_step: int
) -> str:
    """Return what is wrong with a validation loss, or an empty string.

    Args:
        loss: The validation loss, in nats a token.
        num_classes: V, target tokens: uniform guessing has the loss log V. None if
            nothing is to be guessed.
        lowest: The lowest validation loss before, infinite if there is none.
        lowest_step: The step that had it.
    """
    uniform = math.inf if num_classes is None else math.log(num_classes)
    if not loss <= uniform:
        return f"worse than uniform guessing, log {num_classes} = {uniform:.2f}"
    if loss > lowest + MAX_RISE:
        return f"far above the lowest loss, {lowest:.3f} at step {lowest_step}"
    return ""


def _format_perplexity(loss: float, decimals: int) -> str:
    """Format the perplexity of a loss in nats, which may have dozens of digits."""
    value = perplexity(loss)
    return f"{value:.{decimals}f}" if value <= MAX_PERPLEXITY else ">1e6"


def _floats(metrics: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    return {name: float(metrics[name]) for name in names}


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}"
    return f"{minutes}:{seconds:02}"
