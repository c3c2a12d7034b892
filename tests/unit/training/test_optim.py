"""Optimizers and learning-rate schedules against rates computed by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from seq2seq.recipe import SGD, Adam, Constant, Cosine, InverseSqrt, Plateau
from seq2seq.training.optim import (
    LearningRateSchedule,
    Schedule,
    build_optimizer,
    lr_multiplier,
)


@pytest.mark.parametrize(
    ("schedule", "multipliers"),
    [
        (Constant(kind="constant"), {0: 1.0, 1000: 1.0}),
        (Constant(kind="constant", warmup_steps=4), {0: 0.25, 2: 0.75, 3: 1.0, 9: 1.0}),
        # The k-th step has the peak times the root of warm-up over k.
        (
            InverseSqrt(kind="inverse_sqrt", warmup_steps=4),
            {0: 0.25, 3: 1.0, 4: (4 / 5) ** 0.5, 15: 0.5, 99: 0.2},
        ),
        # The cosine has 100 steps: its half at 60, not at 55.
        (
            Cosine(kind="cosine", warmup_steps=10, min_lr_ratio=0.1),
            {
                4: 0.5,
                9: 1.0,
                10: 1.0,
                35: 0.1 + 0.9 * 0.5 * (1 + 0.5**0.5),
                60: 0.55,
                110: 0.1,
                500: 0.1,
            },
        ),
        (Plateau(kind="plateau", warmup_steps=2), {0: 0.5, 1: 1.0, 50: 1.0}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_multipliers_are_those_computed_by_hand(
    schedule: Schedule, multipliers: dict[int, float]
) -> None:
    for step, expected in multipliers.items():
        multiplier = lr_multiplier(schedule, step, total_steps=110)
        assert multiplier == pytest.approx(expected), step


def test_each_optimizer_step_has_the_rate_of_its_number() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = build_optimizer(SGD(kind="sgd", learning_rate=0.4), [weight])
    options = InverseSqrt(kind="inverse_sqrt", warmup_steps=4)
    schedule = LearningRateSchedule(optimizer, options, total_steps=100)
    rates = []
    for _ in range(16):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert rates[15] == pytest.approx(0.2)


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_a_plateau_is_patience_validations_without_a_better_one(patience: int) -> None:
    optimizer = build_optimizer(
        SGD(kind="sgd", learning_rate=0.4), [nn.Parameter(torch.ones(1))]
    )
    options = Plateau(kind="plateau", factor=0.5, patience=patience)
    schedule = LearningRateSchedule(optimizer, options, total_steps=100)
    schedule.validated(7.0)
    rates = []
    for _ in range(2 * patience):
        schedule.validated(7.0)  # As good as the best is not better.
        rates.append(optimizer.param_groups[0]["lr"])
    waiting = patience - 1
    assert rates == [0.4] * waiting + [0.2] * patience + [0.1]
    for _ in range(waiting):
        schedule.validated(6.0)
    schedule.validated(8.0)  # The best so far: waiting starts anew.
    for _ in range(waiting):
        schedule.validated(6.0)
    assert optimizer.param_groups[0]["lr"] == 0.1


def weight_after(
    options: Adam | SGD, gradients: list[float], weight: float = 1.0
) -> float:
    parameter = nn.Parameter(torch.tensor([weight]))
    optimizer = build_optimizer(options, [parameter])
    for gradient in gradients:
        parameter.grad = torch.tensor([gradient])
        optimizer.step()
    return float(parameter.detach())


@pytest.mark.parametrize(
    ("options", "gradients", "expected"),
    [
        ({"kind": "sgd"}, [1.0, 1.0], 1 - 0.1 - 0.1),
        ({"kind": "sgd", "momentum": 0.9}, [1.0, 1.0], 1 - 0.1 - 0.1 * 1.9),
        ({"kind": "sgd", "weight_decay": 0.5}, [0.0], 1 - 0.1 * 0.5),
        ({"kind": "adam"}, [0.0], 1.0),
        ({"kind": "adam"}, [3.0], 1 - 0.1),  # The first step is the rate.
        # Decay in the gradient is normalised by Adam like any gradient; AdamW's is not.
        ({"kind": "adam", "weight_decay": 0.5}, [0.0], 1 - 0.1),
        ({"kind": "adamw", "weight_decay": 0.5}, [0.0], 1 - 0.1 * 0.5),
        ({"kind": "adamw", "weight_decay": 0.5}, [3.0], 1 - 0.1 * 0.5 - 0.1),
    ],
    ids=str,
)
def test_an_optimizer_moves_a_weight_as_its_paper_says(
    options: dict[str, Any], gradients: list[float], expected: float
) -> None:
    kind = SGD if options["kind"] == "sgd" else Adam
    chosen = kind.model_validate({"learning_rate": 0.1, **options})
    assert weight_after(chosen, gradients) == pytest.approx(expected, abs=1e-6)
