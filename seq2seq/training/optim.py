"""Optimizers, and the learning rate at every step. Knows options; not the network."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from seq2seq.recipe import SGD, Adam, Constant, Cosine, InverseSqrt, Plateau


def build_optimizer(
    options: Adam | SGD, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Build what the recipe names.

    Source: Kingma and Ba 2015 (adam); Loshchilov and Hutter 2019 (adamw).
    """
    rate, decay = options.learning_rate, options.weight_decay
    if isinstance(options, SGD):
        return torch.optim.SGD(
            parameters, lr=rate, momentum=options.momentum, weight_decay=decay
        )
    kind = torch.optim.Adam if options.kind == "adam" else torch.optim.AdamW
    return kind(parameters, lr=rate, weight_decay=decay, fused=True)


def lr_multiplier(
    schedule: Constant | InverseSqrt | Cosine | Plateau,
    step: int,
    *,
    total_steps: int,
    reductions: int = 0,
) -> float:
    """Return what the recipe's learning rate is multiplied by, in [0, 1].

    Args:
        schedule: The recipe's schedule section.
        step: Optimizer steps done.
        total_steps: Optimizer steps of the whole training.
        reductions: How often validation has stopped improving (plateau only).
    """
    warmup = schedule.warmup_steps
    if step < warmup:
        return (step + 1) / warmup
    if isinstance(schedule, InverseSqrt):
        return math.sqrt(warmup / (step + 1))
    if isinstance(schedule, Cosine):
        done = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        return schedule.min_lr_ratio + (1 - schedule.min_lr_ratio) * cosine
    if isinstance(schedule, Plateau):
        return float(schedule.factor**reductions)
    return 1.0
