"""Recurrent layers under autocast to bfloat16 (train.precision: bf16-mixed)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seq2seq.nn.rnn_stack import RNNStack
from tests.helpers.tiny_models import ALL_CELLS, CELLS

KINDS: list[tuple[str, dict[str, Any]]] = [
    *((cell, {}) for cell in ALL_CELLS),
    *((cell, {"layer_norm": True}) for cell in CELLS),
    ("lstm", {"recurrent_dropout": 0.1}),
]
SIZE, LENGTH = 64, 100


def untrained_stack(cell: str, **options: Any) -> RNNStack:
    torch.manual_seed(0)
    return RNNStack(SIZE, SIZE, cell=cell, **options)


def gradients(layers: RNNStack, inputs: Tensor, *, narrow: bool) -> Tensor:
    """Gradients of all weights and of the input, (count,)."""
    layers.zero_grad()
    inputs = inputs.clone().requires_grad_()
    torch.manual_seed(1)  # The same dropout masks and the same loss.
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow):
        outputs, _ = layers(inputs)
    outputs = outputs.float()
    (outputs * torch.randn_like(outputs)).sum().backward()
    tensors = [*layers.parameters(), inputs]
    return torch.cat([t.grad.flatten() for t in tensors if t.grad is not None])


@pytest.mark.parametrize(("cell", "options"), KINDS)
@pytest.mark.parametrize("both", [False, True])
def test_gradients_under_autocast_are_within_2_percent_of_float32(
    cell: str, options: Any, both: bool
) -> None:
    layers = untrained_stack(cell, bidirectional=both, **options)
    inputs = torch.randn(8, LENGTH, SIZE)
    expected = gradients(layers, inputs, narrow=False)
    narrow = gradients(layers, inputs, narrow=True)
    assert float((narrow - expected).norm() / expected.norm()) < 0.02


@pytest.mark.parametrize(("cell", "options"), KINDS)
def test_steps_under_autocast_equal_the_whole_sequence(cell: str, options: Any) -> None:
    layers = untrained_stack(cell, layers=2, **options).eval()
    inputs = torch.randn(3, LENGTH, SIZE)
    state, pieces = None, []
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        whole, _ = layers(inputs)
        for position in range(LENGTH):
            outputs, state = layers(inputs[:, position : position + 1], state)
            pieces.append(outputs)
    difference = torch.cat(pieces, dim=1).float() - whole.float()
    assert float(difference.norm() / whole.float().norm()) < 0.02


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("normalise", [False, True])
def test_gradients_of_an_untrained_layer_do_not_grow_with_the_distance(
    cell: str, normalise: bool
) -> None:
    layers = untrained_stack(cell, layer_norm=normalise)
    inputs = torch.randn(8, LENGTH, SIZE, requires_grad=True)
    outputs, _ = layers(inputs)
    (outputs[:, -1] * torch.randn(8, SIZE)).sum().backward()
    assert inputs.grad is not None
    by_position = inputs.grad.norm(dim=2).mean(dim=0)  # (T,)
    assert by_position[0] < by_position[LENGTH // 2] < by_position[-1]
