"""Optimizers and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from seq2seq.recipe import SGD, Adam, Constant, Cosine, InverseSqrt, Plateau

Schedule = Constant | InverseSqrt | Cosine | Plateau


def build_optimizer(
    options: Adam | SGD, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Build the optimizer that the recipe names, over what is not frozen.

    Source: Kingma and Ba 2015 (adam); Loshchilov and Hutter 2019 (adamw).
    """
    rate, decay = options.learning_rate, options.weight_decay
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    if isinstance(options, SGD):
        return torch.optim.SGD(
            parameters, lr=rate, momentum=options.momentum, weight_decay=decay
        )
    kind = torch.optim.Adam if options.kind == "adam" else torch.optim.AdamW
    return kind(parameters, lr=rate, weight_decay=decay, fused=True)


class LearningRateSchedule(LRScheduler):
    """The recipe's schedule, stepped once after each optimizer step.

    The rate is a closed form of the step, of the number of reductions on plateau and of
    `factor`, so a resumed training continues with the same rates.

    Args:
        optimizer: Its learning rate is the recipe's before any schedule.
        schedule: The recipe's section train.schedule.
        total_steps: Optimizer steps of the whole training, for the cosine.

    Attributes:
        factor: Multiplies every rate; below 1 after retries from a non-finite loss.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        *,
        total_steps: float,
    ) -> None:
        self.schedule = schedule
        self.total_steps = total_steps
        self.factor = 1.0
        self.num_reductions = 0
        self.num_bad_validations = 0
        self.best: float | None = None
        super().__init__(optimizer)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the learning rate of each parameter group for the next step."""
        multiplier = self.factor * lr_multiplier(
            self.schedule,
            self.last_epoch,
            total_steps=self.total_steps,
            num_reductions=self.num_reductions,
        )
        return [base * multiplier for base in self.base_lrs]

    def validated(self, score: float) -> None:
        """Reduce the rate after `patience` validations without a better one.

        Args:
            score: The monitored value of a validation, higher is better.
        """
        if self.best is None or score > self.best:
            self.best, self.num_bad_validations = score, 0
        else:
            self.num_bad_validations += 1
        plateau = self.schedule
        if (
            isinstance(plateau, Plateau)
            and self.num_bad_validations >= plateau.patience
        ):
            self.num_reductions += 1
            self.num_bad_validations = 0
            self.apply()

    def apply(self) -> None:
        """Set the optimizer's rates after `factor` or a reduction changed."""
        rates = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates

    def state_dict(self) -> dict[str, Any]:
        """Return plain values; the schedule itself is the recipe's."""
        state = super().state_dict()
        for name in ("schedule", "total_steps", "factor"):
            del state[name]
        return state


def lr_multiplier(
    schedule: Schedule,
    step: int,
    *,
    total_steps: float,
    num_reductions: int = 0,
) -> float:
    """Return the factor of the recipe's learning rate, in [0, 1].

    Args:
        schedule: The recipe's section train.schedule.
        step: Optimizer steps taken so far.
        total_steps: Optimizer steps of the whole training.
        num_reductions: Reductions on plateau so far.
    """
    warmup = schedule.warmup_steps
    if step < warmup:
        return (step + 1) / warmup
    if isinstance(schedule, InverseSqrt):
        return math.sqrt(warmup / (step + 1))
    if isinstance(schedule, Cosine):
        progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        return schedule.min_lr_ratio + (1 - schedule.min_lr_ratio) * cosine
    if isinstance(schedule, Plateau):
        return float(schedule.factor**num_reductions)
    return 1.0
