"""The gates of a recurrent layer, recomputed from what it read and where it stood.

Knows the kinds of layers and their parameters; not stacks, ids or what a gate's value
is good for. Fused layers do not tell their gates. But a gate is a function of the input
and the state before, and once a sequence has been run, all of its states are known: so
the gates of all positions come from two products of matrices, without a loop over time.
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
"""The gates that each cell has."""


class Saturation(NamedTuple):
    """How often a gate is all but a constant, shares in [0, 1].

    Attributes:
        low: Left-saturated: all but closed, below 0.1.
        high: Right-saturated: all but open, above 0.9.
    """

    low: Tensor
    high: Tensor


def gate_names(
    layer: FusedRNNLayer | LayerNormRNNLayer | ScanRNNLayer,
) -> tuple[str, ...]:
    """Name the gates that `recompute_gates` returns for this layer, in that order."""
    return NAMES[_cell(layer)]


def recompute_gates(
    layer: FusedRNNLayer | LayerNormRNNLayer | ScanRNNLayer,
    inputs: Tensor,
    states: Tensor,
    mask: Tensor | None = None,
    *,
    first: Tensor | None = None,
) -> dict[str, Tensor]:
    """Recompute the gates that a layer had at every position, D directions joined.

    An open `update` keeps the state in a gru (Cho et al. 2014, equation 7), and
    replaces it in a min_gru (Feng et al. 2024, section 3.1). The gates of a min_lstm
    are those after its normalisation, which add up to one. Recurrent dropout is left
    out: the gates are those of a layer that is not training.

    Args:
        layer: The layer that ran.
        inputs: What it read, (N, T, I).
        states: The hidden states that it returned, (N, T, D * H).
        mask: True where a position is real, (N, T); all of them if None.
        first: The hidden state it started from, (N, D * H); zeros if None.

    Returns:
        Values in (0, 1), (N, T, D * H) each, by the name of the gate: input, forget and
        output (lstm), reset and update (gru), those of the input alone (min_gru,
        min_lstm), none (rnn). Those at padding mean nothing.

    Source: Hochreiter and Schmidhuber 1997, Gers et al. 2000 (lstm); Cho et al. 2014,
    section 2.3 (gru); Feng et al. 2024, sections 3.1 and 3.2 (min_gru, min_lstm).
    """
    cell = _cell(layer)
    both = _is_bidirectional(layer)
    start = torch.zeros_like(states[:, 0]) if first is None else first
    found: list[tuple[Tensor, ...]] = []
    for number in range(2 if both else 1):
        if isinstance(layer, ScanRNNLayer):
            found.append(_scanned(cell, layer.directions[number](inputs)))
            continue
        size = states.shape[2] // (2 if both else 1)
        own = slice(number * size, (number + 1) * size)
        before = _before(states[..., own], start[:, own], mask, backwards=number == 1)
        found.append(_looped(cell, _sums(layer, number, inputs, before)))
    joined = (torch.cat(each, dim=2) for each in zip(*found, strict=True))
    return dict(zip(NAMES[cell], joined, strict=True))


def saturation(gate: Tensor, real: Tensor) -> Saturation:
    """Measure how often a gate is left- and right-saturated.

    Args:
        gate: Values in (0, 1), (N, T, H).
        real: True where a position counts, (N, T).

    Returns:
        Shares of the real positions' entries below 0.1 and above 0.9, both scalars; NaN
        where no position counts.

    Source: Karpathy et al. 2015, section 4.2.
    """
    counted = gate[real]
    low, high = counted < LOW, counted > HIGH
    return Saturation(low.float().mean(), high.float().mean())


def _cell(layer: FusedRNNLayer | LayerNormRNNLayer | ScanRNNLayer) -> str:
    """Tell the cell by its name in a recipe."""
    if isinstance(layer, ScanRNNLayer):
        return layer.cell
    if isinstance(layer, LayerNormRNNLayer):
        direction: Any = layer.directions[0]
        return str(direction.cell)
    if isinstance(layer.layer, nn.LSTM):
        return "lstm"
    return "gru" if isinstance(layer.layer, nn.GRU) else "rnn"


def _is_bidirectional(layer: FusedRNNLayer | LayerNormRNNLayer | ScanRNNLayer) -> bool:
    if isinstance(layer, FusedRNNLayer):
        return layer.layer.bidirectional
    return len(layer.directions) == 2


def _before(
    states: Tensor, first: Tensor, mask: Tensor | None, *, backwards: bool
) -> Tensor:
    """Give every position the state that one direction came to it with, (N, T, H)."""
    start = first[:, None]
    if not backwards:
        return torch.cat([start, states[:, :-1]], dim=1)
    before = torch.cat([states[:, 1:], start], dim=1)
    if mask is None:
        return before
    # The last real position is the first one read, whatever padding follows it.
    follows = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    return torch.where(follows[:, :, None], before, start)


def _sums(
    layer: FusedRNNLayer | LayerNormRNNLayer,
    number: int,
    inputs: Tensor,
    before: Tensor,
) -> Tensor:
    """Sum what comes from the input and from the state before, (N, T, gates * H).

    A gru's third part is no such sum, since its reset gate stands between the two; it
    is not used.
    """
    if isinstance(layer, LayerNormRNNLayer):
        direction: Any = layer.directions[number]
        read = direction.read_norm(F.linear(inputs, direction.read.weight))
        recurred = direction.recur_norm(F.linear(before, direction.recur.weight))
        sums: Tensor = read + direction.read.bias + recurred + direction.recur.bias
        return sums
    weights: Any = layer.layer.all_weights[number]
    read_weight, recur_weight, read_bias, recur_bias = weights
    read = F.linear(inputs, read_weight, read_bias)
    return read + F.linear(before, recur_weight, recur_bias)


def _looped(cell: str, sums: Tensor) -> tuple[Tensor, ...]:
    """Turn sums into the gates in `NAMES`, for cells that see their own state."""
    if cell == "gru":
        reset, update, _ = sums.chunk(3, dim=2)
        return torch.sigmoid(reset), torch.sigmoid(update)
    if cell == "lstm":
        entry, forget, _, leave = sums.chunk(4, dim=2)
        return torch.sigmoid(entry), torch.sigmoid(forget), torch.sigmoid(leave)
    return ()


def _scanned(cell: str, sums: Tensor) -> tuple[Tensor, ...]:
    """Turn sums into the gates in `NAMES`, for cells that see the input alone."""
    if cell == "min_gru":
        update, _ = sums.chunk(2, dim=2)
        return (torch.sigmoid(update),)
    forget, entry, _ = sums.chunk(3, dim=2)
    # The logarithm of their quotient: both may be too small to be divided.
    difference = F.softplus(-forget) - F.softplus(-entry)
    return torch.sigmoid(difference), torch.sigmoid(-difference)
