"""RNN, GRU and LSTM layers with layer normalisation and recurrent dropout.

Neither is available in torch's fused layers, so time is a Python loop: several times as
slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.nn.dropout import SequenceDropout
from seq2seq.types import RNNState

GATES = {"rnn": 1, "gru": 3, "lstm": 4}

LSTM_STATE_GAIN = 0.35
"""Initial gain of the normalised W h in an LSTM: its states' standard deviation.

A gain of 1 (Ba et al. 2016) multiplies the states, whose standard deviation in an
untrained LSTM is 0.34, by three at every position, in four gates: gradients grow with
the distance, 130-fold over 100 positions. With this one W h keeps its scale (Cooijmans
et al. 2017, section 4, start from small gains too, at 0.1).
"""


class LayerNormRNNLayer(nn.Module):
    """A tanh RNN, GRU or LSTM layer that runs position by position.

    Without normalisation and dropout it equals `FusedRNNLayer` with the same weights.

    Args:
        input_size: Size of the input at each position.
        hidden_size: Size of each direction's state.
        cell: rnn, gru or lstm.
        bidirectional: Whether to run backwards as well.
        normalise: Whether to apply layer normalisation to the input's pre-activations,
            the state's, and an LSTM's cell, each by itself.
        recurrent_dropout: Dropout probability of the previous state as input of the
            gates, with one mask for all positions.

    Source: Ba et al. 2016, section 3.1 and appendix (normalisation); Gal and Ghahramani
    2016 (one mask for all positions).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        cell: str,
        bidirectional: bool,
        normalise: bool,
        recurrent_dropout: float,
    ) -> None:
        super().__init__()
        self.num_components = 2 if cell == "lstm" else 1
        self.size = hidden_size
        self.directions = nn.ModuleList(
            _RNNDirection(input_size, hidden_size, cell, normalise, recurrent_dropout)
            for _ in range(2 if bidirectional else 1)
        )

    def forward(
        self, inputs: Tensor, state: RNNState | None, lengths: Tensor | None
    ) -> tuple[Tensor, RNNState]:
        """Run over whole sequences; shapes as in `FusedRNNLayer.forward`."""
        rows, length, _ = inputs.shape
        positions = torch.arange(length, device=inputs.device)
        mask = None
        if lengths is not None:
            ends = lengths.to(inputs.device, non_blocking=True)[:, None]
            mask = positions < ends  # (N, T)
        zeros = inputs.new_zeros(rows, self.size)
        outputs, finals = [], []
        for number, direction in enumerate(self.directions):
            initial = (
                (zeros,) * self.num_components
                if state is None
                else tuple(
                    part.unflatten(1, (len(self.directions), -1))[:, number]
                    for part in state
                )
            )
            states, final = direction(inputs, initial, mask, backwards=number == 1)
            outputs.append(states)
            finals.append(final)
        joined = tuple(torch.cat(parts, dim=1) for parts in zip(*finals, strict=True))
        return torch.cat(outputs, dim=2), joined

    if TYPE_CHECKING:
        __call__ = forward


class _RNNDirection(nn.Module):
    """One direction: a cell and its loop over time."""

    def __init__(
        self, input_size: int, size: int, cell: str, normalise: bool, dropout: float
    ) -> None:
        super().__init__()
        self.cell = cell
        self.size = size
        width = GATES[cell] * size
        self.input_to_hidden = nn.Linear(input_size, width)
        self.hidden_to_hidden = nn.Linear(size, width)
        nn.init.xavier_uniform_(self.input_to_hidden.weight)
        for block in self.hidden_to_hidden.weight.data.split(size):
            nn.init.orthogonal_(block)
        for linear in (self.input_to_hidden, self.hidden_to_hidden):
            nn.init.zeros_(linear.bias)
        if cell == "lstm":
            # An untrained cell should remember (Jozefowicz et al. 2015).
            self.input_to_hidden.bias.data[size : 2 * size] = 1.0

        def norm(width: int, gain: float = 1.0) -> nn.Module:
            if not normalise:
                return nn.Identity()
            layer = nn.LayerNorm(width)
            nn.init.constant_(layer.weight, gain)
            return layer

        # Before the bias, or an LSTM's open forget gates would be normalised away.
        self.input_norm = norm(width)
        self.hidden_norm = norm(width, LSTM_STATE_GAIN if cell == "lstm" else 1.0)
        self.cell_norm = norm(size) if cell == "lstm" else nn.Identity()
        self.dropout = SequenceDropout(dropout, locked=False)

    def forward(
        self, inputs: Tensor, state: RNNState, mask: Tensor | None, *, backwards: bool
    ) -> tuple[Tensor, RNNState]:
        """Run over (N, T, I) from components of (N, H); padding keeps the state."""
        sums = nn.functional.linear(inputs, self.input_to_hidden.weight)
        sums = self.input_norm(sums) + self.input_to_hidden.bias  # (N, T, gates * H)
        dropout_mask = self.dropout(torch.ones_like(state[0]))  # (N, H)
        length = inputs.shape[1]
        outputs: list[Tensor] = [state[0]] * length
        for position in reversed(range(length)) if backwards else range(length):
            next_state = self._step(sums[:, position], state, dropout_mask)
            if mask is not None:
                real = mask[:, position, None]  # (N, 1)
                next_state = tuple(
                    torch.where(real, new, old)
                    for new, old in zip(next_state, state, strict=True)
                )
                outputs[position] = next_state[0] * real
            else:
                outputs[position] = next_state[0]
            state = next_state
        return torch.stack(outputs, dim=1), state  # (N, T, H)

    def _step(
        self, input_sums: Tensor, state: RNNState, dropout_mask: Tensor
    ) -> RNNState:
        """Compute the next state from the input's pre-activations, (N, gates * H)."""
        hidden = state[0]
        sums = nn.functional.linear(hidden * dropout_mask, self.hidden_to_hidden.weight)
        sums = self.hidden_norm(sums) + self.hidden_to_hidden.bias  # (N, gates * H)
        if self.cell == "rnn":
            return (torch.tanh(input_sums + sums),)
        if self.cell == "gru":
            reset, update, new = input_sums.chunk(3, dim=1)
            reset_h, update_h, new_h = sums.chunk(3, dim=1)
            update = torch.sigmoid(update + update_h)
            new = torch.tanh(new + torch.sigmoid(reset + reset_h) * new_h)
            return (new + update * (hidden - new),)
        input_gate, forget_gate, new, output_gate = (input_sums + sums).chunk(4, dim=1)
        cell = torch.sigmoid(forget_gate) * state[1]
        cell = cell + torch.sigmoid(input_gate) * torch.tanh(new)
        activation = torch.tanh(self.cell_norm(cell))
        return torch.sigmoid(output_gate) * activation, cell

    if TYPE_CHECKING:
        __call__ = forward
