"""Chrono initialisation: how much of its state an untrained layer keeps."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seq2seq.nn.rnn_stack import RNNStack
from seq2seq.recipe import ModelOptions
from tests.helpers.tiny_models import network

GATED = ["gru", "lstm", "min_gru", "min_lstm"]
KINDS: list[tuple[str, dict[str, Any]]] = [
    *((cell, {}) for cell in GATED),
    *((cell, {"layer_norm": True}) for cell in ("gru", "lstm")),
]


def kept_shares(stack: RNNStack) -> torch.Tensor:
    """Share of each unit's memory left after a position of zeros, (L * H,)."""
    for name, parameter in stack.named_parameters():
        if "weight" in name:  # No unit has an influence on another one.
            parameter.data.zero_()
    shape = (1, stack.shape.num_layers, stack.size)
    count = stack.shape.num_components
    _, full = stack(torch.zeros(1, 1, 4), (torch.ones(shape),) * count)
    _, empty = stack(torch.zeros(1, 1, 4), (torch.zeros(shape),) * count)
    return (full[-1] - empty[-1]).detach().flatten()


@pytest.mark.parametrize(("cell", "options"), KINDS)
def test_units_start_to_remember_over_one_to_the_whole_span(
    cell: str, options: Any
) -> None:
    torch.manual_seed(0)
    made = RNNStack(
        4, 64, cell=cell, layers=2, bidirectional=True, chrono_span=100, **options
    )
    spans = 1 / (1 - kept_shares(made))  # sigmoid(log m) = 1 - 1 / (m + 1)
    assert spans.min() > 1.99
    assert spans.max() < 100.01
    for group in spans.split(64):  # Every layer and direction.
        assert 35 < group.mean() < 65
        assert group.std() > 20


def test_an_input_gate_opens_as_far_as_the_forget_gate_closes() -> None:
    layer = RNNStack(4, 8, cell="lstm", chrono_span=50).layers[0]
    opened, kept, new, output = layer.rnn.bias_ih_l0.detach().split(8)
    assert torch.equal(opened, -kept)
    rest = torch.cat([new, output, layer.rnn.bias_hh_l0.detach()])
    assert not rest.any()


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_the_recipe_sets_the_span_of_either_half(half: str) -> None:
    made = network(**{half: {"cell": "lstm", "chrono_span": 1000}})
    stacks = {"encoder": made.encoder.rnn, "decoder": made.decoder.bottom_rnn}
    biases = {
        name: stack.layers[0].rnn.bias_ih_l0.detach() for name, stack in stacks.items()
    }
    spanning = {name for name, bias in biases.items() if bias.max() > 2}
    assert spanning == {half}


def test_the_tanh_cell_has_no_span() -> None:
    with pytest.raises(ValueError, match="cell: rnn has no gates to initialise; use"):
        ModelOptions.model_validate({"encoder": {"cell": "rnn", "chrono_span": 9}})
