"""One recurrent layer as torch's fused call, in one direction or both.

Knows tensors and torch's layers; not stacks, embeddings or what a sequence means.
Packing and joining directions happen here and in the other kinds of layer only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2seq.types import RNNState

FUSED: dict[str, type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]] = {
    "rnn": nn.RNN,
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}

GROUP = 8
"""Sequences of one length that make a call of their own worth while, on average."""


class FusedRNNLayer(nn.Module):
    """A tanh RNN, GRU or LSTM layer: a whole sequence is one call.

    Args:
        input_size: Size of what it reads at a position.
        hidden_size: Size of each direction's state.
        cell: rnn, gru or lstm.
        bidirectional: Whether it also reads from the end.

    Source: Elman 1990 (rnn); Cho et al. 2014 (gru); Hochreiter and Schmidhuber 1997
    (lstm); Schuster and Paliwal 1997 (both directions).
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, cell: str, bidirectional: bool
    ) -> None:
        super().__init__()
        self.parts = 2 if cell == "lstm" else 1
        self.directions = 2 if bidirectional else 1
        self.layer = FUSED[cell](
            input_size, hidden_size, batch_first=True, bidirectional=bidirectional
        )
        for name, parameter in self.layer.named_parameters():
            if name.startswith("weight_hh"):
                # A rotation neither shrinks nor grows the state (Saxe et al. 2014).
                for block in parameter.data.split(hidden_size):
                    nn.init.orthogonal_(block)
            elif name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)
                if cell == "lstm" and name.startswith("bias_ih"):
                    # An untrained cell should remember (Jozefowicz et al. 2015).
                    parameter.data[hidden_size : 2 * hidden_size] = 1.0

    def forward(
        self, inputs: Tensor, state: RNNState | None, lengths: Tensor | None
    ) -> tuple[Tensor, RNNState]:
        """Run over whole sequences.

        Args:
            inputs: (N, T, input_size).
            state: Where to start from, each part (N, H); zeros if None.
            lengths: Real positions of each sequence, (N,), on the CPU; all if None.

        Returns:
            The state at every position, (N, T, H), zero at padding, and the state
            after each sequence's last real position, each part (N, H).
        """
        whole = lengths is None or int(lengths.min()) == inputs.shape[1]
        if lengths is not None and not whole and self._fastest_alike(inputs):
            kinds, counts = lengths.unique(return_counts=True)
            if len(kinds) * GROUP <= len(lengths):
                return self._by_length(inputs, state, lengths, kinds, counts)
        first = None if state is None else self._to_torch(state)
        if lengths is None or whole:
            outputs, last = self.layer(inputs, first)
        else:
            packed = pack_padded_sequence(
                inputs, lengths, batch_first=True, enforce_sorted=False
            )
            packed_outputs, last = self.layer(packed, first)
            outputs, _ = pad_packed_sequence(
                packed_outputs, batch_first=True, total_length=inputs.shape[1]
            )
        return cast(Tensor, outputs), self._from_torch(last)

    def _fastest_alike(self, inputs: Tensor) -> bool:
        """Say whether sequences of one length are faster than packed ones.

        On a CPU, torch has oneDNN's LSTM for them only.
        """
        return self.parts == 2 and inputs.device.type == "cpu"

    def _by_length(
        self,
        inputs: Tensor,
        state: RNNState | None,
        lengths: Tensor,
        kinds: Tensor,
        counts: Tensor,
    ) -> tuple[Tensor, RNNState]:
        """Run over sequences of each length apart, of which there are so many."""
        order = lengths.argsort(stable=True)
        back = order.argsort()
        outputs, finals = [], []
        for length, rows in zip(
            kinds.tolist(), order.split(counts.tolist()), strict=True
        ):
            first = None if state is None else tuple(part[rows] for part in state)
            output, final = self(inputs[rows, :length], first, None)
            outputs.append(F.pad(output, (0, 0, 0, inputs.shape[1] - length)))
            finals.append(final)
        joined = tuple(torch.cat(parts)[back] for parts in zip(*finals, strict=True))
        return torch.cat(outputs)[back], joined

    def _to_torch(self, state: RNNState) -> Tensor | tuple[Tensor, ...]:
        """Turn (N, D * H) parts into torch's (D, N, H)."""
        parts = tuple(
            part.unflatten(1, (self.directions, -1)).transpose(0, 1).contiguous()
            for part in state
        )
        return parts if self.parts == 2 else parts[0]

    def _from_torch(self, state: Tensor | tuple[Tensor, ...]) -> RNNState:
        """Turn torch's (D, N, H) parts into (N, D * H)."""
        parts = (state,) if isinstance(state, Tensor) else state
        return tuple(part.transpose(0, 1).flatten(1) for part in parts)

    if TYPE_CHECKING:
        __call__ = forward
