"""One face for all recurrent stacks: cells, layers, directions, residual connections.

Knows tensors and its kinds of layers; not embeddings, attention or what a sequence
means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from seq2seq.nn.dropout import SequenceDropout
from seq2seq.nn.rnn_fused import FusedRNNLayer
from seq2seq.nn.rnn_layer_norm import LayerNormRNNLayer
from seq2seq.nn.rnn_scan import SCANNED, ScanRNNLayer
from seq2seq.types import RNNState


class RNNStateShape(NamedTuple):
    """What a stack's state looks like: so many parts, each (N, layers, size)."""

    num_components: int
    num_layers: int
    size: int


class RNNStack(nn.Module):
    """A stack of recurrent layers: one shared cell, applied at every position.

    Args:
        input_size: Size of what it reads at a position.
        hidden_size: Size of each direction's state.
        cell: rnn (tanh), gru, lstm, min_gru or min_lstm.
        layers: How many layers stand on one another.
        bidirectional: Whether every layer also reads from the end.
        dropout: Share of units dropped between layers, in [0, 1).
        locked: Whether a sentence drops the same units at all positions.
        residual: Whether layers above the first add to what they read (Wu et al. 2016,
            section 3.1).
        layer_norm: Whether the cells are normalised (Ba et al. 2016).
        recurrent_dropout: Share of the state's units hidden from the gates.
        beside_size: Size of what every layer reads beside the layer below, or 0.

    Without layer_norm and recurrent_dropout every layer is one call for a whole
    sequence.
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
        beside_size: int = 0,
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
            layer((self.size if number else input_size) + beside_size)
            for number in range(layers)
        )
        self.shape = RNNStateShape(2 if cell == "lstm" else 1, layers, self.size)

    def forward(
        self,
        inputs: Tensor,
        state: RNNState | None = None,
        *,
        lengths: Tensor | None = None,
        beside: Tensor | None = None,
    ) -> tuple[Tensor, RNNState]:
        """Run over whole sequences.

        Args:
            inputs: (N, T, input_size).
            state: Where to start from, each part (N, L, H); zeros if None.
            lengths: Real positions of each sequence, (N,), on the CPU; all if None.
            beside: What every layer also reads, (N, T, beside_size).

        Returns:
            What the top layer says at every position, (N, T, H), zero at padding, and
            the state after each sequence's last real position, each part (N, L, H).
        """
        finals = []
        for number, layer in enumerate(self.layers):
            below = self.dropout(inputs) if number else inputs
            read = below if beside is None else torch.cat([below, beside], dim=2)
            first = None if state is None else tuple(part[:, number] for part in state)
            outputs, final = layer(read, first, lengths)
            inputs = outputs + inputs if self.residual and number else outputs
            finals.append(final)
        joined = tuple(torch.stack(parts, dim=1) for parts in zip(*finals, strict=True))
        return inputs, joined

    if TYPE_CHECKING:
        __call__ = forward
