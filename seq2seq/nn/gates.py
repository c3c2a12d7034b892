"""Gate activations of a recurrent layer, recomputed from its inputs and states.

Fused layers do not return their gates. But a gate is a function of the input and the
previous state, and once a sequence has been run, all of its states are known: so the
gates of all positions come from two matrix products, without a loop over time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq.nn.rnn_fused import FusedRNNLayer
from seq2seq.nn.rnn_layer_norm import LayerNormRNNLayer
from seq2seq.nn.rnn_scan import ScanRNNLayer

LOW, HIGH = 0.1, 0.9

NAMES: dict[str, tuple[str, ...]] = {
    "rnn": (),
    "gru": ("reset", "update"),
    "lstm": ("input", "forget", "output"),
    "min_gru": ("update",),
    "min_lstm": ("input", "forget"),
}
"""Names of each cell's gates."""


class Saturation(NamedTuple):
    """Saturation of a gate: fractions of its activations near 0 and 1, in [0, 1].

    Attributes:
        low: Left-saturated: activation below 0.1, nearly closed.
        high: Right-saturated: activation above 0.9, nearly open.
    """

    low: Tensor
    high: Tensor


def gate_names(
    layer: FusedRNNLayer | LayerNormRNNLayer | ScanRNNLayer,
) -> tuple[str, ...]:
    """Return the names of the gates that `recompute_gates` returns, in that order."""
    return NAMES[_cell(layer)]


def recompute_gates(
    layer: FusedRNNLayer | LayerNormRNNLayer | ScanRNNLayer,
    inputs: Tensor,
    states: Tensor,
    mask: Tensor | None = None,
    *,
    first: Tensor | None = None,
) -> dict[str, Tensor]:
    """Recompute a layer's gate activations, D directions concatenated.

    An open `update` keeps the state in a gru (Cho et al. 2014, equation 7), and
    replaces it in a min_gru (Feng et al. 2024, section 3.1). The gates of a min_lstm
    are those after its normalisation, which add up to one. Recurrent dropout is left
    out: the gates are those of a layer that is not training.

    Args:
        layer: The layer that ran.
        inputs: Its inputs, (N, T, I).
        states: The hidden states that it returned, (N, T, D * H).
        mask: True at real positions, (N, T); all of them if None.
        first: Its initial hidden state, (N, D * H); zeros if None.

    Returns:
        Activations in (0, 1), (N, T, D * H) each, by gate: input, forget and output
        (lstm), reset and update (gru), update (min_gru), input and forget (min_lstm),
        none (rnn). Undefined at padding.

    Source: Hochreiter and Schmidhuber 1997, Gers et al. 2000 (lstm); Cho et al. 2014,
    section 2.3 (gru); Feng et al. 2024, sections 3.1 and 3.2 (min_gru, min_lstm).
    """
    cell = _cell(layer)
    num_directions = 2 if _is_bidirectional(layer) else 1
    initial = torch.zeros_like(states[:, 0]) if first is None else first
    gates: list[tuple[Tensor, ...]] = []  # One tuple per direction.
    for number in range(num_directions):
        if isinstance(layer, ScanRNNLayer):
            gates.append(_input_gates(cell, layer.directions[number](inputs)))
            continue
        size = states.shape[2] // num_directions
        units = slice(number * size, (number + 1) * size)
        previous = _previous_states(
            states[..., units], initial[:, units], mask, backwards=number == 1
        )
        gates.append(
            _recurrent_gates(cell, _pre_activations(layer, number, inputs, previous))
        )
    joined = (torch.cat(gate, dim=2) for gate in zip(*gates, strict=True))
    return dict(zip(NAMES[cell], joined, strict=True))


def saturation(gate: Tensor, mask: Tensor) -> Saturation:
    """Measure the fractions of left- and right-saturated gate activations.

    Args:
        gate: Activations in (0, 1), (N, T, H).
        mask: True at real positions, (N, T).

    Returns:
        Fractions of activations below 0.1 and above 0.9, both scalars; NaN if no
        position is real.

    Source: Karpathy et al. 2015, section 4.2.
    """
    activations = gate[mask]  # (real positions, H)
    low, high = activations < LOW, activations > HIGH
    return Saturation(low.float().mean(), high.float().mean())


def _cell(layer: FusedRNNLayer | LayerNormRNNLayer | ScanRNNLayer) -> str:
    """Return the cell's name in a recipe."""
    if isinstance(layer, ScanRNNLayer):
        return layer.cell
    if isinstance(layer, LayerNormRNNLayer):
        direction: Any = layer.directions[0]
        return str(direction.cell)
    if isinstance(layer.rnn, nn.LSTM):
        return "lstm"
    return "gru" if isinstance(layer.rnn, nn.GRU) else "rnn"


def _is_bidirectional(layer: FusedRNNLayer | LayerNormRNNLayer | ScanRNNLayer) -> bool:
    if isinstance(layer, FusedRNNLayer):
        return layer.rnn.bidirectional
    return len(layer.directions) == 2


def _previous_states(
    states: Tensor, initial: Tensor, mask: Tensor | None, *, backwards: bool
) -> Tensor:
    """Return the state before every position in one direction, (N, T, H)."""
    initial = initial[:, None]  # (N, 1, H)
    if not backwards:
        return torch.cat([initial, states[:, :-1]], dim=1)
    previous = torch.cat([states[:, 1:], initial], dim=1)
    if mask is None:
        return previous
    # Backwards, the last real position comes first, whatever padding follows it.
    next_is_real = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    return torch.where(next_is_real[:, :, None], previous, initial)


def _pre_activations(
    layer: FusedRNNLayer | LayerNormRNNLayer,
    number: int,
    inputs: Tensor,
    previous: Tensor,
) -> Tensor:
    """Sum the projections of input and previous state, (N, T, gates * H).

    A gru's third block is not such a sum, since its reset gate stands between the two;
    it is not used.
    """
    if isinstance(layer, LayerNormRNNLayer):
        direction: Any = layer.directions[number]
        w_ih, w_hh = direction.input_to_hidden, direction.hidden_to_hidden
        from_input = direction.input_norm(F.linear(inputs, w_ih.weight))
        from_state = direction.hidden_norm(F.linear(previous, w_hh.weight))
        sums: Tensor = from_input + w_ih.bias + from_state + w_hh.bias
        return sums
    weights: Any = layer.rnn.all_weights[number]
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    return F.linear(inputs, weight_ih, bias_ih) + F.linear(previous, weight_hh, bias_hh)


def _recurrent_gates(cell: str, sums: Tensor) -> tuple[Tensor, ...]:
    """Return the gates in `NAMES`, for cells whose gates depend on the state."""
    if cell == "gru":
        reset, update, _ = sums.chunk(3, dim=2)
        return torch.sigmoid(reset), torch.sigmoid(update)
    if cell == "lstm":
        input_gate, forget_gate, _, output_gate = sums.chunk(4, dim=2)
        return tuple(map(torch.sigmoid, (input_gate, forget_gate, output_gate)))
    return ()


def _input_gates(cell: str, sums: Tensor) -> tuple[Tensor, ...]:
    """Return the gates in `NAMES`, for cells whose gates depend on the input alone."""
    if cell == "min_gru":
        update, _ = sums.chunk(2, dim=2)
        return (torch.sigmoid(update),)
    forget, input_gate, _ = sums.chunk(3, dim=2)
    # The logarithm of their quotient: both may be too small to be divided.
    difference = F.softplus(-forget) - F.softplus(-input_gate)
    return torch.sigmoid(difference), torch.sigmoid(-difference)
