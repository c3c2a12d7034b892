"""Stack of recurrent layers: one interface for all cells, directions and residuals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from seq2seq.nn.dropout import SequenceDropout
from seq2seq.nn.rnn_fused import FusedRNNLayer
from seq2seq.nn.rnn_layer_norm import LayerNormRNNLayer
from seq2seq.nn.rnn_scan import SCANNED, ScanRNNLayer
from seq2seq.types import RNNState

CHRONO_GATES = {
    "lstm": {1: 1, 0: -1},  # Forget and input gate.
    "gru": {1: 1},  # torch's update gate: 1 keeps the state.
    "min_lstm": {0: 1, 1: -1},
    "min_gru": {0: -1},  # Its update gate: 0 keeps the state.
}
"""Gates whose biases chrono initialisation sets, with the sign of log U(1, T - 1)."""
INPUT_BIAS = re.compile(r"bias_ih|input_to_hidden\.bias|directions\.\d\.bias")


class RNNStateShape(NamedTuple):
    """Shape of a stack's state: `num_components` tensors of (N, num_layers, size)."""

    num_components: int
    num_layers: int
    size: int


class RNNStack(nn.Module):
    """Stack of recurrent layers with one kind of cell.

    Without layer_norm and recurrent_dropout every layer is one call for a whole
    sequence.

    Args:
        input_size: Size of the input at each position.
        hidden_size: Size of each direction's state.
        cell: rnn (tanh), gru, lstm, min_gru or min_lstm.
        layers: Number of layers.
        bidirectional: Whether every layer runs backwards as well.
        dropout: Dropout probability between layers, in [0, 1).
        locked: Whether a sentence has one dropout mask for all positions.
        residual: Whether to add the input of every layer but the first to its output
            (Wu et al. 2016, section 3.1).
        layer_norm: Whether to normalise the cells (Ba et al. 2016).
        recurrent_dropout: Dropout probability of the state as input of the gates.
        extra_input_size: Size of an additional input concatenated to every layer's
            input (attention's context; Wu et al. 2016, section 3), or 0.
        chrono_span: T of chrono initialisation, at least 2: units start to remember
            over 1 to T - 1 positions (Tallec and Ollivier 2018, section 3); None
            leaves the cells' own biases.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        cell: str,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        locked: bool = False,
        residual: bool = False,
        layer_norm: bool = False,
        recurrent_dropout: float = 0.0,
        extra_input_size: int = 0,
        chrono_span: int | None = None,
    ) -> None:
        super().__init__()
        self.size = hidden_size * (2 if bidirectional else 1)
        self.residual = residual
        self.dropout = SequenceDropout(dropout, locked=locked)

        def layer(size: int) -> FusedRNNLayer | ScanRNNLayer | LayerNormRNNLayer:
            if cell in SCANNED:
                return ScanRNNLayer(
                    size, hidden_size, cell=cell, bidirectional=bidirectional
                )
            if layer_norm or recurrent_dropout:
                return LayerNormRNNLayer(
                    size,
                    hidden_size,
                    cell=cell,
                    bidirectional=bidirectional,
                    normalise=layer_norm,
                    recurrent_dropout=recurrent_dropout,
                )
            return FusedRNNLayer(
                size, hidden_size, cell=cell, bidirectional=bidirectional
            )

        self.layers = nn.ModuleList(
            layer((self.size if index else input_size) + extra_input_size)
            for index in range(layers)
        )
        self.shape = RNNStateShape(2 if cell == "lstm" else 1, layers, self.size)
        if chrono_span is not None:
            for name, bias in self.named_parameters():
                if INPUT_BIAS.search(name):
                    _chrono_init(bias.data.split(hidden_size), cell, chrono_span)

    def forward(
        self,
        inputs: Tensor,
        state: RNNState | None = None,
        *,
        lengths: Tensor | None = None,
        extra_input: Tensor | None = None,
    ) -> tuple[Tensor, RNNState]:
        """Run over whole sequences.

        Args:
            inputs: (N, T, input_size).
            state: Initial state, each component (N, L, H); zeros if None.
            lengths: Real positions of each sequence, (N,), on the CPU; all if None.
            extra_input: Additional input of every layer, (N, T, extra_input_size).

        Returns:
            Hidden states of the top layer, (N, T, H), zero at padding, and the final
            state, after each sequence's last real position, each component (N, L, H).
        """
        finals = []
        for index, layer in enumerate(self.layers):
            dropped = self.dropout(inputs) if index else inputs
            layer_input = (
                dropped
                if extra_input is None
                else torch.cat([dropped, extra_input], dim=2)
            )
            initial = None if state is None else tuple(part[:, index] for part in state)
            outputs, final = layer(layer_input, initial, lengths)  # (N, T, H)
            inputs = outputs + inputs if self.residual and index else outputs
            finals.append(final)
        joined = tuple(torch.stack(parts, dim=1) for parts in zip(*finals, strict=True))
        return inputs, joined

    if TYPE_CHECKING:
        __call__ = forward


def _chrono_init(gates: Sequence[Tensor], cell: str, span: int) -> None:
    """Set the biases of a layer's gates, (H,) each, to remember over `span`."""
    memory = torch.empty_like(gates[0]).uniform_(1, span - 1).log_()
    for number, sign in CHRONO_GATES[cell].items():
        gates[number].copy_(sign * memory)
