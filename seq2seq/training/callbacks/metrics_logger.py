"""The story of a run: metrics.csv, and progress on the screen.

Knows Lightning's hooks and numbers; not what they were computed from.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, Protocol

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from seq2seq.training.callbacks.csv_log import CSVLog
from seq2seq.training.callbacks.loggers import ExperimentLoggers
from seq2seq.training.lightning_module import TranslationModule
from seq2seq.types import Batch

REPORT_EVERY = 50  # Optimizer steps.


class Teller(Protocol):
    """Says lines on a console and keeps them."""

    console: Console

    def __call__(self, line: str) -> None:
        """Say one line."""
        ...


class MetricsLogger(Callback):
    """Write metrics.csv and show progress.

    Rows that a killed run wrote after its last checkpoint are dropped on continuing,
    since the same steps are taken again. What is written goes to the board too, if any.
    """

    COLUMNS = (
        "step",
        "epoch",
        "seconds",
        "learning_rate",
        "train_loss",
        "gradient_norm",
        "tokens_per_second",
        "valid_loss",
        "valid_perplexity",
        "valid_bleu",
        "valid_bleu_low",
        "valid_bleu_high",
        "best",
    )

    def __init__(
        self,
        path: Path,
        *,
        total_steps: int,
        steps_per_epoch: int,
        say: Teller,
        board: ExperimentLoggers | None = None,
    ) -> None:
        self.table = CSVLog(path, self.COLUMNS)
        self.total_steps = total_steps
        self.steps_per_epoch = steps_per_epoch
        self.say = say
        self.board = board
        self.seconds = 0.0  # Of earlier runs.
        self._bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the file, drop what will be done again, show the bar."""
        step = trainer.global_step
        self.started, self.first_step = time.monotonic(), step
        self._reset()
        if not trainer.is_global_zero:
            return
        self.table.truncate_after(step)
        if self.board is not None:
            self.board.open(step)
        if self.say.console.is_terminal:
            self._bar = Progress(
                TextColumn("step {task.completed}/{task.total}"),
                BarColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=self.say.console,
            )
            self._task = self._bar.add_task("", total=self.total_steps, completed=step)
            self._bar.start()

    def _reset(self) -> None:
        self.nats: Any = 0.0
        self.tokens: Any = 0
        self.since = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Add up on the device; look at the sums now and then only."""
        assert isinstance(pl_module, TranslationModule)
        self.nats = self.nats + outputs["nats"]
        self.tokens = self.tokens + outputs["tokens"]
        step = trainer.global_step
        if (batch_idx + 1) % trainer.accumulate_grad_batches or step % REPORT_EVERY:
            return
        # Every process gets here at the same step; the first one tells of all.
        tokens = int(trainer.strategy.reduce(self.tokens, reduce_op="sum"))
        loss = float(trainer.strategy.reduce(self.nats, reduce_op="sum")) / tokens
        rate = tokens / (time.monotonic() - self.since)
        if not trainer.is_global_zero:
            self._reset()
            return
        self._write(
            step=step,
            learning_rate=trainer.optimizers[0].param_groups[0]["lr"],
            train_loss=loss,
            gradient_norm=float(pl_module.gradient_norm),
            tokens_per_second=rate,
        )
        epoch = step / self.steps_per_epoch
        text = (
            f"epoch {epoch:.1f}  loss {loss:.3f}  perplexity {perplexity(loss):.1f}  "
        )
        text += f"{rate:,.0f} tokens/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=text)
        elif step % (4 * REPORT_EVERY) == 0:
            spent = time.monotonic() - self.started
            left = spent / (step - self.first_step) * (self.total_steps - step)
            self.say(f"step {step}/{self.total_steps}  {text}  {_clock(left)} left")
        self._reset()

    def validated(
        self, trainer: Trainer, metrics: dict[str, float], best: bool
    ) -> None:
        """Take in a validation's result."""
        if not trainer.is_global_zero:
            self._reset()
            return
        self._write(step=trainer.global_step, **metrics, best=int(best))
        self.say(
            f"step {trainer.global_step}  validation loss {metrics['valid_loss']:.3f}  "
            f"perplexity {metrics['valid_perplexity']:.2f}  "
            f"BLEU {metrics['valid_bleu']:.2f} ({metrics['valid_bleu_low']:.1f} to "
            f"{metrics['valid_bleu_high']:.1f}){'  (best so far)' if best else ''}"
        )
        self._reset()

    def _write(self, **values: float) -> None:
        values["seconds"] = self.seconds + time.monotonic() - self.started
        values["epoch"] = values["step"] / self.steps_per_epoch
        self.table.append(values)
        if self.board is not None:
            step = int(values.pop("step"))
            self.board.log_metrics(step, values)

    def state_dict(self) -> dict[str, Any]:
        """Keep the time that training took."""
        return {"seconds": self.seconds + time.monotonic() - self.started}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting from there."""
        self.seconds = state_dict["seconds"]

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Close the board of a run that ends early, or begins anew."""
        if self.board is not None:
            self.board.close(finished=False)

    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str
    ) -> None:
        """Take the bar down, close the board."""
        if self.board is not None:
            self.board.close()
        if self._bar is not None:
            self._bar.stop()


def perplexity(loss: float) -> float:
    """Return e to the power of a loss in nats, short of overflow."""
    return math.exp(min(loss, 100.0))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
