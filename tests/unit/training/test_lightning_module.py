"""The LightningModule: clipping, and what the loss is made of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from seq2seq.data.collate import collate
from seq2seq.data.tokenizer import Tokenizers
from seq2seq.recipe import Recipe
from seq2seq.training.lightning_module import TranslationModule
from seq2seq.types import EOS
from tests.helpers.runs import MODEL, tokenizer
from tests.helpers.tiny_models import SOURCES, TARGETS


def module(**train_options: Any) -> TranslationModule:
    shared = tokenizer()
    recipe = Recipe.model_validate(
        {
            "data": {"path": "phrasebook", "source": "en", "target": "de"},
            "tokenizer": {"vocab_size": len(shared)},
            "model": {**MODEL, "dropout": 0.0},
            "train": {"max_steps": 1, **train_options},
        }
    )
    torch.manual_seed(0)
    return TranslationModule(recipe, Tokenizers(shared, shared), total_steps=1)


@pytest.mark.parametrize(
    ("clip_norm", "expected"), [(0.25, 0.25), (5.0, 5.0), (1e9, 10.0), (None, 10.0)]
)
def test_gradients_are_clipped_by_the_recipes_norm(
    clip_norm: float | None, expected: float
) -> None:
    trained = module(clip_norm=clip_norm)
    trainer: Any = SimpleNamespace(log_every_n_steps=0, global_step=0)
    trained._trainer = trainer
    parameters = list(trained.parameters())
    count = sum(parameter.numel() for parameter in parameters)
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 10 / count**0.5)
    trained.configure_gradient_clipping(torch.optim.SGD(parameters, lr=1.0))
    gradients = torch.cat(
        [
            parameter.grad.flatten()
            for parameter in parameters
            if parameter.grad is not None
        ]
    )
    assert float(gradients.norm()) == pytest.approx(expected, rel=1e-4)
    assert float(trained.gradient_norm) == pytest.approx(10.0, rel=1e-4)


def test_the_weight_of_the_risk_multiplies_it() -> None:
    batch = collate(SOURCES, TARGETS)
    losses = []
    for weight in (None, 0.5, 2.0):
        risk = None if weight is None else {"weight": weight, "num_samples": 8}
        trained = module(minimum_risk=risk)
        # Candidates that end, and costs that differ.
        trained.network.decoder.output_layer.bias.data[EOS] = 3.0
        trained.task.sentence_metric = lambda hypotheses, _: [
            1 / (1 + len(tokens)) for tokens in hypotheses
        ]
        torch.manual_seed(3)  # The candidates are drawn from torch's seed.
        losses.append(float(trained._loss(batch).loss.detach()))
    cross_entropy, half, double = losses
    assert abs(double - cross_entropy) > 1e-3
    assert double - cross_entropy == pytest.approx(4 * (half - cross_entropy), rel=1e-3)
