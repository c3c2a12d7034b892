"""Recomputed gates reproduce the states, and saturation is counted right."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seq2seq.nn.gates import gate_names, recompute_gates, saturation
from seq2seq.nn.rnn_fused import FusedRNNLayer
from seq2seq.nn.rnn_layer_norm import LayerNormRNNLayer
from seq2seq.nn.rnn_scan import ScanRNNLayer
from tests.helpers.tiny_models import shaken

N, T, SIZE, H = 4, 6, 3, 5
LENGTHS = torch.tensor([6, 2, 5, 1])
MASK = torch.arange(T) < LENGTHS[:, None]


def layer_of(kind: str, cell: str, both: bool) -> Any:
    torch.manual_seed(0)
    if kind == "fused":
        return shaken(FusedRNNLayer(SIZE, H, cell=cell, bidirectional=both))
    if kind == "scan":
        return shaken(ScanRNNLayer(SIZE, H, cell=cell, bidirectional=both))
    layer = LayerNormRNNLayer(
        SIZE, H, cell=cell, bidirectional=both, normalise=True, recurrent_dropout=0.3
    )
    return shaken(layer)


def sums(layer: Any, number: int, inputs: Tensor, before: Tensor) -> tuple[Tensor, ...]:
    """The parts that come from the input, and those from the state before."""
    if isinstance(layer, FusedRNNLayer):
        w, u, b, c = layer.rnn.all_weights[number]
        return F.linear(inputs, w, b), F.linear(before, u, c)
    one = layer.directions[number]
    read = (
        one.input_norm(inputs @ one.input_to_hidden.weight.T) + one.input_to_hidden.bias
    )
    return read, one.hidden_norm(
        before @ one.hidden_to_hidden.weight.T
    ) + one.hidden_to_hidden.bias


@pytest.mark.parametrize("given", [True, False], ids=["from a state", "from zeros"])
@pytest.mark.parametrize("both", [True, False], ids=["both ways", "one way"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("kind", ["fused", "normalised"])
def test_recomputed_gates_reproduce_every_next_state(
    kind: str, cell: str, both: bool, given: bool
) -> None:
    layer = layer_of(kind, cell, both)
    inputs = torch.randn(N, T, SIZE, dtype=torch.float64)
    width = H * (2 if both else 1)
    start = tuple(torch.randn(N, width).double() for _ in range(layer.num_components))
    state = start if given else None
    with torch.no_grad():
        states, _ = layer(inputs, state, LENGTHS)
        first = start[0] if given else None
        found = recompute_gates(layer, inputs, states, MASK, first=first)
        assert tuple(found) == gate_names(layer)
        assert all(gate.shape == (N, T, width) for gate in found.values())
        for number in range(2 if both else 1):
            own = slice(number * H, (number + 1) * H)
            gate = {name: values[..., own] for name, values in found.items()}
            for row in range(N):
                order = list(range(int(LENGTHS[row])))
                before = [part[row, own] * given for part in start]
                for t in reversed(order) if number else order:
                    read, recurred = sums(layer, number, inputs[row, t], before[0])
                    if cell == "gru":
                        new = torch.tanh(
                            read[2 * H :] + gate["reset"][row, t] * recurred[2 * H :]
                        )
                        update = gate["update"][row, t]
                        after = [(1 - update) * new + update * before[0]]
                    else:
                        new = torch.tanh((read + recurred)[2 * H : 3 * H])
                        memory = gate["forget"][row, t] * before[1]
                        memory = memory + gate["input"][row, t] * new
                        shown = memory
                        if kind == "normalised":
                            shown = layer.directions[number].cell_norm(memory)
                        after = [gate["output"][row, t] * torch.tanh(shown), memory]
                    torch.testing.assert_close(after[0], states[row, t, own])
                    before = after


@pytest.mark.parametrize("cell", ["min_gru", "min_lstm"])
def test_the_gates_of_parallel_cells_weigh_old_and_new(cell: str) -> None:
    layer = layer_of("scan", cell, both=True)
    inputs = torch.randn(N, T, SIZE, dtype=torch.float64)
    with torch.no_grad():
        states, _ = layer(inputs, None, LENGTHS)
        found = recompute_gates(layer, inputs, states, MASK)
        assert tuple(found) == gate_names(layer)
        entry = found["update" if cell == "min_gru" else "input"]
        if cell == "min_lstm":
            torch.testing.assert_close(entry + found["forget"], torch.ones_like(entry))
        news = [
            torch.where(new >= 0, new + 0.5, new.sigmoid())
            for new in (one(inputs)[..., -H:] for one in layer.directions)
        ]
        forth, back = states[..., :H], states[..., H:]
        assert_mixed(forth[:, 1:], forth[:, :-1], entry[:, 1:, :H], news[0][:, 1:])
        assert_mixed(back[:, :-1], back[:, 1:], entry[:, :-1, H:], news[1][:, :-1])


def assert_mixed(after: Tensor, before: Tensor, share: Tensor, new: Tensor) -> None:
    row = 0  # The longest: no padding.
    mixed = before + share * (new - before)
    torch.testing.assert_close(mixed[row], after[row])


def test_a_plain_rnn_has_no_gates() -> None:
    layer = layer_of("fused", "rnn", both=False)
    inputs = torch.randn(N, T, SIZE, dtype=torch.float64)
    assert recompute_gates(layer, inputs, layer(inputs, None, None)[0], None) == {}


def test_saturation_counts_real_entries_alone() -> None:
    gate = torch.tensor([[[0.05, 0.5], [0.95, 0.99]], [[0.2, 0.91], [0.0, 0.0]]])
    real = torch.tensor([[True, True], [True, False]])
    low, high = saturation(gate, real)
    assert low.item() == pytest.approx(1 / 6)
    assert high.item() == pytest.approx(3 / 6)
