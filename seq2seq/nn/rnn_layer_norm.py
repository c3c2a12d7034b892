"""Recurrent layers whose cells are normalised or drop parts of their own state.

Knows tensors; not stacks or sequences' meaning. These cells are not among torch's fused
ones, so time passes in Python: several times as slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.types import RNNState

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


class LayerNormRNNLayer(nn.Module):
    """A tanh RNN, GRU or LSTM layer that runs position by position.

    Without normalisation and dropout it computes what `FusedLayer` computes from the
    same matrices.

    Args:
        input_size: Size of what it reads at a position.
        hidden_size: Size of each direction's state.
        cell: rnn, gru or lstm.
        bidirectional: Whether it also reads from the end.
        normalise: Whether sums are brought to mean 0 and variance 1 before the gates,
            those of the input, those of the state and an LSTM's cell each by itself.
        recurrent_dropout: Share of the previous state's units that the gates do not
            see, the same ones at every position.

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
        self.parts = 2 if cell == "lstm" else 1
        self.size = hidden_size
        self.directions = nn.ModuleList(
            _RNNDirection(input_size, hidden_size, cell, normalise, recurrent_dropout)
            for _ in range(2 if bidirectional else 1)
        )

    def forward(
        self, inputs: Tensor, state: RNNState | None, lengths: Tensor | None
    ) -> tuple[Tensor, RNNState]:
        """Run over whole sequences; shapes as in `FusedLayer.forward`."""
        rows, width, _ = inputs.shape
        positions = torch.arange(width, device=inputs.device)
        ends = None if lengths is None else lengths.to(inputs.device)[:, None]
        mask = None if ends is None else positions < ends
        outputs, finals = [], []
        for number, direction in enumerate(self.directions):
            first = (
                tuple(inputs.new_zeros(rows, self.size) for _ in range(self.parts))
                if state is None
                else tuple(
                    part.unflatten(1, (len(self.directions), -1))[:, number]
                    for part in state
                )
            )
            states, final = direction(inputs, first, mask, backwards=number == 1)
            outputs.append(states)
            finals.append(final)
        joined = tuple(torch.cat(parts, dim=1) for parts in zip(*finals, strict=True))
        return torch.cat(outputs, dim=2), joined

    if TYPE_CHECKING:
        __call__ = forward


class _RNNDirection(nn.Module):
    """One cell and the loop over time."""

    def __init__(
        self, input_size: int, size: int, cell: str, normalise: bool, dropout: float
    ) -> None:
        super().__init__()
        self.cell = cell
        self.size = size
        width = GATES[cell] * size
        self.read = nn.Linear(input_size, width)
        self.recur = nn.Linear(size, width)
        nn.init.xavier_uniform_(self.read.weight)
        for block in self.recur.weight.data.split(size):
            nn.init.orthogonal_(block)
        for linear in (self.read, self.recur):
            nn.init.zeros_(linear.bias)
        if cell == "lstm":
            self.read.bias.data[size : 2 * size] = 1.0

        def norm(numbers: int) -> nn.Module:
            return nn.LayerNorm(numbers) if normalise else nn.Identity()

        # Before the bias, or an LSTM's open forget gates would be normalised away.
        self.read_norm, self.recur_norm = norm(width), norm(width)
        self.cell_norm = norm(size) if cell == "lstm" else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, inputs: Tensor, state: RNNState, mask: Tensor | None, *, backwards: bool
    ) -> tuple[Tensor, RNNState]:
        """Run over (N, T, I) from parts of (N, H); padding keeps the state."""
        sums = nn.functional.linear(inputs, self.read.weight)
        sums = self.read_norm(sums) + self.read.bias
        kept = self.dropout(torch.ones_like(state[0]))
        width = inputs.shape[1]
        outputs: list[Tensor] = [state[0]] * width
        for position in reversed(range(width)) if backwards else range(width):
            following = self._step(sums[:, position], state, kept)
            if mask is not None:
                real = mask[:, position, None]
                following = tuple(
                    torch.where(real, new, old)
                    for new, old in zip(following, state, strict=True)
                )
                outputs[position] = following[0] * real
            else:
                outputs[position] = following[0]
            state = following
        return torch.stack(outputs, dim=1), state

    def _step(self, sums: Tensor, state: RNNState, kept: Tensor) -> RNNState:
        """Take in one position's sums, (N, gates * H)."""
        hidden = state[0]
        recurred = nn.functional.linear(hidden * kept, self.recur.weight)
        recurred = self.recur_norm(recurred) + self.recur.bias
        if self.cell == "rnn":
            return (torch.tanh(sums + recurred),)
        if self.cell == "gru":
            reset, update, new = sums.chunk(3, dim=1)
            reset_h, update_h, new_h = recurred.chunk(3, dim=1)
            update = torch.sigmoid(update + update_h)
            new = torch.tanh(new + torch.sigmoid(reset + reset_h) * new_h)
            return (new + update * (hidden - new),)
        entry, forget, new, leave = (sums + recurred).chunk(4, dim=1)
        memory = torch.sigmoid(forget) * state[1]
        memory = memory + torch.sigmoid(entry) * torch.tanh(new)
        shown = torch.tanh(self.cell_norm(memory))
        return torch.sigmoid(leave) * shown, memory

    if TYPE_CHECKING:
        __call__ = forward
