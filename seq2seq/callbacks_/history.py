"""What happens around training steps: validation, checkpoints, history, progress.

Knows Lightning's hooks and a run folder; not the network's insides.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from seq2seq.models.lightning_module import TranslationModule
from seq2seq.recipe import Plateau, Recipe
from seq2seq.scores import bleu_metric
from seq2seq.structures import Batch
from seq2seq.text.tokenizer import Tokenizer

REPORT_EVERY = 50  # Optimizer steps.


def batches_done(trainer: Trainer) -> int:
    """Count the batches that this run and those it continues have trained on."""
    total: Any = trainer.fit_loop.epoch_loop.batch_progress.total
    return int(total.processed)


class Teller(Protocol):
    """Says lines on a console and keeps them."""

    console: Console

    def __call__(self, line: str) -> None:
        """Say one line."""
        ...


class History(Callback):
    """Write metrics.csv and show progress.

    Rows that a killed run wrote after its last checkpoint are dropped on continuing,
    since the same steps are taken again.
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
        "best",
    )

    def __init__(
        self, path: Path, *, total_steps: int, steps_per_epoch: int, say: Teller
    ) -> None:
        self.path = path
        self.total_steps = total_steps
        self.steps_per_epoch = steps_per_epoch
        self.say = say
        self.seconds = 0.0  # Of earlier runs.
        self._bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the file, drop what will be done again, show the bar."""
        step = trainer.global_step
        kept: list[dict[str, str]] = []
        if self.path.is_file():
            with self.path.open(newline="") as file:
                rows = csv.DictReader(file)
                kept = [row for row in rows if int(row["step"]) <= step]
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.COLUMNS)
            writer.writeheader()
            writer.writerows(kept)
        self.started, self.first_step = time.monotonic(), step
        self._reset()
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
        self.nats = self.nats + outputs["nats"]
        self.tokens = self.tokens + outputs["tokens"]
        step = trainer.global_step
        if (batch_idx + 1) % trainer.accumulate_grad_batches or step % REPORT_EVERY:
            return
        tokens = int(self.tokens)
        loss = float(self.nats) / tokens
        rate = tokens / (time.monotonic() - self.since)
        norm = trainer.callback_metrics.get("gradient_norm", torch.tensor(math.nan))
        self._write(
            step=step,
            learning_rate=trainer.optimizers[0].param_groups[0]["lr"],
            train_loss=loss,
            gradient_norm=float(norm),
            tokens_per_second=rate,
        )
        epoch = step / self.steps_per_epoch
        text = f"epoch {epoch:.1f}  loss {loss:.3f}  perplexity {_exp(loss):.1f}  "
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
        self._write(step=trainer.global_step, **metrics, best=int(best))
        self.say(
            f"step {trainer.global_step}  validation loss {metrics['valid_loss']:.3f}  "
            f"perplexity {metrics['valid_perplexity']:.2f}  "
            f"BLEU {metrics['valid_bleu']:.2f}{'  (best so far)' if best else ''}"
        )
        self._reset()

    def _write(self, **values: float) -> None:
        values["seconds"] = self.seconds + time.monotonic() - self.started
        values["epoch"] = values["step"] / self.steps_per_epoch
        with self.path.open("a", newline="") as file:
            text = {
                name: f"{value:.6g}" if isinstance(value, float) else value
                for name, value in values.items()
            }
            csv.DictWriter(file, self.COLUMNS, restval="").writerow(text)

    def state_dict(self) -> dict[str, Any]:
        """Keep the time that training took."""
        return {"seconds": self.seconds + time.monotonic() - self.started}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting from there."""
        self.seconds = state_dict["seconds"]

    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str
    ) -> None:
        """Take the bar down."""
        if self._bar is not None:
            self._bar.stop()


class Keeper(Callback):
    """Score validations, keep the best and the newest checkpoint, stop when it is time.

    Where a validation is due at a step, the checkpoint is written after it: a run that
    is killed in between repeats both.

    Args:
        folder: Where best.ckpt and last.ckpt go.
        recipe: What is monitored, and how often checkpoints are due.
        references: The validation targets, in the order of the corpus.
        tokenizer: The target side's.
        history: Is told of every validation.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        *,
        references: Sequence[str],
        tokenizer: Tokenizer,
        history: History,
    ) -> None:
        self.folder = folder
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

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with no translations."""
        self._clear()

    def _clear(self) -> None:
        self.nats, self.tokens = 0.0, 0
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
        self.nats += float(outputs["nats"])
        self.tokens += int(outputs["tokens"])
        found = zip(batch.rows.tolist(), outputs["hypotheses"], strict=True)
        self.lines.update({row: hypothesis.pieces for row, hypothesis in found})

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score, compare with the best, save."""
        assert isinstance(pl_module, TranslationModule)
        loss = self.nats / self.tokens
        ordered = [self.lines[row] for row in range(len(self.references))]
        bleu = bleu_metric(self.language)
        hypotheses = self.tokenizer.decode(ordered)
        score = bleu.corpus_score(hypotheses, [list(self.references)]).score
        self._clear()
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
            "valid_perplexity": _exp(loss),
            "valid_bleu": score,
        }
        self.history.validated(trainer, metrics, is_best)
        if self.train.patience is not None and self.worse >= self.train.patience:
            trainer.should_stop = True
        if is_best:
            trainer.save_checkpoint(self.folder / "best.ckpt", weights_only=True)
        trainer.save_checkpoint(self.folder / "last.ckpt")

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
        if step == trainer.max_steps:
            trainer.should_stop = True  # Which has Lightning validate once more.
        if trainer.should_stop or step % self.train.validate_every == 0:
            return
        if step % self.train.checkpoint_every == 0:
            trainer.save_checkpoint(self.folder / "last.ckpt")

    def state_dict(self) -> dict[str, Any]:
        """Keep what decides on stopping and on the learning rate."""
        return {
            "best": self.best,
            "best_step": self.best_step,
            "worse": self.worse,
            "since_reduction": self.since_reduction,
            "reductions": self.reductions,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        for name, value in state_dict.items():
            setattr(self, name, value)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the module back what a checkpoint kept for it."""
        assert isinstance(pl_module, TranslationModule)
        pl_module.reductions = self.reductions


def _exp(loss: float) -> float:
    return math.exp(min(loss, 100.0))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
