"""One face for the recurrent cells: RNN, GRU and LSTM, in stacks, in both directions.

Knows tensors and torch's fused layers; not embeddings, attention or what a sequence
means. Packing, joining directions and transposing happen here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2seq.structures import State

CELLS: dict[str, type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]] = {
    "rnn": nn.RNN,
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}
STATE_PARTS = {"rnn": 1, "gru": 1, "lstm": 2}


class Recurrent(nn.Module):
    """A stack of recurrent layers: one shared cell, applied at every position.

    Args:
        input_size: Size of what it reads at a position.
        hidden_size: Size of each direction's state.
        cell: rnn (tanh), gru or lstm.
        layers: How many layers stand on one another.
        bidirectional: Whether every layer also reads from the end.
        dropout: Share of units dropped between layers, in [0, 1).

    Source: Elman 1990 (rnn); Cho et al. 2014 (gru); Hochreiter and Schmidhuber 1997
    (lstm); Schuster and Paliwal 1997 (both directions).
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
    ) -> None:
        super().__init__()
        self.cell = cell
        self.layers = layers
        self.directions = 2 if bidirectional else 1
        self.size = hidden_size * self.directions
        self.parts = STATE_PARTS[cell]
        self.stack = CELLS[cell](
            input_size,
            hidden_size,
            num_layers=layers,
            batch_first=True,
            bidirectional=bidirectional,
            # torch warns of dropout that has no layer to stand between.
            dropout=dropout if layers > 1 else 0.0,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start from orthogonal transitions and, in LSTMs, open forget gates."""
        for name, parameter in self.stack.named_parameters():
            if name.startswith("weight_hh"):
                # A rotation neither shrinks nor grows the state (Saxe et al. 2014).
                for block in parameter.data.split(self.stack.hidden_size):
                    nn.init.orthogonal_(block)
            elif name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)
                if self.cell == "lstm" and name.startswith("bias_ih"):
                    # An untrained cell should remember (Jozefowicz et al. 2015).
                    size = self.stack.hidden_size
                    parameter.data[size : 2 * size] = 1.0

    def forward(
        self,
        inputs: Tensor,
        state: State | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Run over whole sequences.

        Args:
            inputs: (N, T, input_size).
            state: Where to start from, each part (N, L, H); zeros if None.
            lengths: Real positions of each sequence, (N,), on the CPU; all if None.

        Returns:
            The top layer's state at every position, (N, T, H), zero at padding, and
            the state after each sequence's last real position, each part (N, L, H).
        """
        first = None if state is None else self._to_torch(state)
        if lengths is None or int(lengths.min()) == inputs.shape[1]:
            outputs, last = self.stack(inputs, first)
        else:
            packed = pack_padded_sequence(
                inputs, lengths, batch_first=True, enforce_sorted=False
            )
            packed_outputs, last = self.stack(packed, first)
            outputs, _ = pad_packed_sequence(
                packed_outputs, batch_first=True, total_length=inputs.shape[1]
            )
        return cast(Tensor, outputs), self._from_torch(last)

    def _to_torch(self, state: State) -> Tensor | tuple[Tensor, ...]:
        """Turn (N, L, D * H) parts into torch's (L * D, N, H)."""
        parts = tuple(
            part.unflatten(2, (self.directions, -1))
            .permute(1, 2, 0, 3)
            .flatten(0, 1)
            .contiguous()
            for part in state
        )
        return parts if self.parts == 2 else parts[0]

    def _from_torch(self, state: Tensor | tuple[Tensor, ...]) -> State:
        """Turn torch's (L * D, N, H) parts into (N, L, D * H)."""
        parts = (state,) if isinstance(state, Tensor) else state
        return tuple(
            part.unflatten(0, (self.layers, self.directions))
            .permute(2, 0, 1, 3)
            .flatten(2)
            for part in parts
        )

    if TYPE_CHECKING:
        __call__ = forward
