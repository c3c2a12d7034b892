"""Warnings of validation losses, and what a training remembers of them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from rich.console import Console

from seq2seq.training.callbacks.checkpointing import BestCheckpoint
from seq2seq.training.callbacks.metrics_logger import MetricsLogger, loss_warning

UNIFORM = math.log(1000)


def logger(folder: Path) -> MetricsLogger:
    best = BestCheckpoint(folder / "best.ckpt", monitor="valid_loss", mode="min")
    made = MetricsLogger(
        folder / "metrics.csv",
        score_names=("bleu", "bleu_low", "bleu_high"),
        total_steps=10,
        steps_per_epoch=5,
        best=best,
        console=Console(),
    )
    made.started = 0.0
    return made


@pytest.mark.parametrize(
    ("loss", "lowest", "warning"),
    [
        (UNIFORM - 0.01, math.inf, ""),
        (UNIFORM + 0.01, math.inf, "worse than uniform guessing, log 1000 = 6.91"),
        (766.1, 2.5, "worse than uniform guessing, log 1000 = 6.91"),
        (math.nan, 2.5, "worse than uniform guessing, log 1000 = 6.91"),
        (3.4, 2.5, ""),
        (3.6, 2.5, "far above the lowest loss, 2.500 at step 40"),
    ],
)
def test_a_loss_above_guessing_or_far_above_the_lowest_is_named(
    loss: float, lowest: float, warning: str
) -> None:
    assert (
        loss_warning(loss, num_classes=1000, lowest=lowest, lowest_step=40) == warning
    )


def test_a_resumed_training_remembers_its_lowest_loss_and_its_warning(
    tmp_path: Path,
) -> None:
    before, after = logger(tmp_path), logger(tmp_path)
    before.lowest_loss, before.lowest_step, before.warning = 2.5, 40, "far above"
    after.load_state_dict(before.state_dict())
    assert (after.lowest_loss, after.lowest_step, after.warning) == (
        2.5,
        40,
        "far above",
    )
    after.load_state_dict({"seconds": 1.0})  # A checkpoint from before they were kept.
    assert (after.lowest_loss, after.warning) == (math.inf, "")
