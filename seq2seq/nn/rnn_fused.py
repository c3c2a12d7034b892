"""RNN, GRU and LSTM layers as fused calls of torch, uni- or bidirectional."""

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

MIN_GROUP_SIZE = 8
"""Sequences of equal length that pay for a call of their own, on average."""


class FusedRNNLayer(nn.Module):
    """A tanh RNN, GRU or LSTM layer; a whole sequence takes one call.

    Args:
        input_size: Size of the input at each position.
        hidden_size: Size of each direction's state.
        cell: rnn, gru or lstm.
        bidirectional: Whether to run backwards as well.

    Source: Elman 1990 (rnn); Cho et al. 2014 (gru); Hochreiter and Schmidhuber 1997
    (lstm); Schuster and Paliwal 1997 (both directions).
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, cell: str, bidirectional: bool
    ) -> None:
        super().__init__()
        self.num_components = 2 if cell == "lstm" else 1
        self.num_directions = 2 if bidirectional else 1
        self.rnn = FUSED[cell](
            input_size, hidden_size, batch_first=True, bidirectional=bidirectional
        )
        for name, parameter in self.rnn.named_parameters():
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
            state: Initial state, each component (N, H); zeros if None.
            lengths: Real positions of each sequence, (N,), on the CPU; all if None.

        Returns:
            Hidden states, (N, T, H), zero at padding, and the final state, after each
            sequence's last real position, each component (N, H).
        """
        unpadded = lengths is None or int(lengths.min()) == inputs.shape[1]
        if lengths is not None and not unpadded and self._prefers_groups(inputs):
            distinct, counts = lengths.unique(return_counts=True)
            if len(distinct) * MIN_GROUP_SIZE <= len(lengths):
                return self._forward_groups(inputs, state, lengths, distinct, counts)
        if lengths is not None and not unpadded:
            return self._forward_packed(inputs, state, lengths)
        initial = None if state is None else self._to_torch(state)
        outputs, final = self.rnn(inputs, initial)
        return cast(Tensor, outputs), self._from_torch(final)

    def _prefers_groups(self, inputs: Tensor) -> bool:
        """Whether groups of equal length are faster than packed sequences.

        On a CPU, torch uses oneDNN's LSTM for unpacked sequences only.
        """
        return self.num_components == 2 and inputs.device.type == "cpu"

    def _forward_groups(
        self,
        inputs: Tensor,
        state: RNNState | None,
        lengths: Tensor,
        distinct: Tensor,
        counts: Tensor,
    ) -> tuple[Tensor, RNNState]:
        """Run one call for each distinct length and its `counts` sequences."""
        order = lengths.argsort(stable=True)
        inverse = order.argsort()
        outputs, finals = [], []
        for length, rows in zip(
            distinct.tolist(), order.split(counts.tolist()), strict=True
        ):
            initial = None if state is None else tuple(part[rows] for part in state)
            output, final = self(inputs[rows, :length], initial, None)
            outputs.append(F.pad(output, (0, 0, 0, inputs.shape[1] - length)))
            finals.append(final)
        joined = tuple(torch.cat(parts)[inverse] for parts in zip(*finals, strict=True))
        return torch.cat(outputs)[inverse], joined

    def _forward_packed(
        self, inputs: Tensor, state: RNNState | None, lengths: Tensor
    ) -> tuple[Tensor, RNNState]:
        """Run over packed sequences.

        They are sorted here, since torch's own sorting copies the order to a GPU and
        back, and makes the host wait for all that is under way there, in every layer.
        """
        lengths, order = lengths.sort(descending=True)
        order, inverse = (
            rows.to(inputs.device, non_blocking=True)
            for rows in (order, order.argsort())
        )
        if state is not None:
            state = tuple(part.index_select(0, order) for part in state)
        packed, final = self.rnn(
            pack_padded_sequence(
                inputs.index_select(0, order), lengths, batch_first=True
            ),
            None if state is None else self._to_torch(state),
        )
        outputs, _ = pad_packed_sequence(
            packed, batch_first=True, total_length=inputs.shape[1]
        )
        finals = (part.index_select(0, inverse) for part in self._from_torch(final))
        return outputs.index_select(0, inverse), tuple(finals)

    def _to_torch(self, state: RNNState) -> Tensor | tuple[Tensor, ...]:
        """Convert components of (N, D * H) to torch's (D, N, H)."""
        parts = tuple(
            part.unflatten(1, (self.num_directions, -1)).transpose(0, 1).contiguous()
            for part in state
        )
        return parts if self.num_components == 2 else parts[0]

    def _from_torch(self, state: Tensor | tuple[Tensor, ...]) -> RNNState:
        """Convert torch's components of (D, N, H) to (N, D * H)."""
        parts = (state,) if isinstance(state, Tensor) else state
        return tuple(part.transpose(0, 1).flatten(1) for part in parts)

    if TYPE_CHECKING:
        __call__ = forward
