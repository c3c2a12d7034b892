"""Recurrent layers whose gates see the input alone, so that time can be parallel.

Knows tensors; not stacks or sequences' meaning. A state that is a weighted mean of the
one before and something new, h = a * h' + b, is an associative scan over (a, b): a
whole sequence takes a logarithm's depth instead of a step for each position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq.types import RNNState

SCANNED = {"min_gru": 2, "min_lstm": 3}
"""How many linear maps of the input each cell has."""

NOTHING = -1e4  # The logarithm of zero, but finite: -inf has no gradient.


class ScanRNNLayer(nn.Module):
    """A minGRU or minLSTM layer.

    Args:
        input_size: Size of what it reads at a position.
        hidden_size: Size of each direction's state.
        cell: min_gru or min_lstm.
        bidirectional: Whether it also reads from the end.

    Source: Feng et al. 2024, sections 3.1 and 3.2, appendix B (log-space form: states
    are positive, through g in appendix B.2).
    """

    parts = 1

    def __init__(
        self, input_size: int, hidden_size: int, *, cell: str, bidirectional: bool
    ) -> None:
        super().__init__()
        self.cell = cell
        linears = [
            nn.Linear(input_size, SCANNED[cell] * hidden_size)
            for _ in range(2 if bidirectional else 1)
        ]
        self.directions = nn.ModuleList(linears)
        for linear in linears:
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(
        self, inputs: Tensor, state: RNNState | None, lengths: Tensor | None
    ) -> tuple[Tensor, RNNState]:
        """Run over whole sequences; shapes as in `FusedLayer.forward`."""
        positions = torch.arange(inputs.shape[1], device=inputs.device)
        mask: Tensor | None = None
        if lengths is not None:
            mask = (positions < lengths.to(inputs.device)[:, None])[:, :, None]
        outputs, finals = [], []
        for number, linear in enumerate(self.directions):
            keep, new = self._gates(linear(inputs))
            if mask is not None:  # Padding hands the state on.
                keep = torch.where(mask, keep, 0.0)
                new = torch.where(mask, new, NOTHING)
            if number == 1:
                keep, new = keep.flip(1), new.flip(1)
            first = (
                torch.zeros_like(new[:, 0])
                if state is None
                else state[0].unflatten(1, (len(self.directions), -1))[:, number]
            )
            states = _scan(keep, new, first)
            finals.append(states[:, -1])
            states = states.flip(1) if number == 1 else states
            outputs.append(states if mask is None else states * mask)
        return torch.cat(outputs, dim=2), (torch.cat(finals, dim=1),)

    def _gates(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logarithms of what is kept and of what is new, (N, T, H) each."""
        if self.cell == "min_gru":
            update, new = sums.chunk(2, dim=2)
            return -F.softplus(update), -F.softplus(-update) + _log_positive(new)
        forget, entry, new = sums.chunk(3, dim=2)
        # Both gates divided by their sum: the state stays a weighted mean.
        difference = F.softplus(-forget) - F.softplus(-entry)
        return -F.softplus(difference), -F.softplus(-difference) + _log_positive(new)

    if TYPE_CHECKING:
        __call__ = forward


def _log_positive(numbers: Tensor) -> Tensor:
    """Take the logarithm of g: x + 0.5 above zero, the sigmoid of x below."""
    return torch.where(
        numbers >= 0, (F.relu(numbers) + 0.5).log(), -F.softplus(-numbers)
    )


def _scan(keep: Tensor, new: Tensor, first: Tensor) -> Tensor:
    """Unroll h = exp(keep) * h' + exp(new) for all positions at once, (N, T, H).

    Source: Heinsen 2023; Feng et al. 2024, appendix B.2.
    """
    summed = keep.cumsum(dim=1)
    carried = torch.logcumsumexp(new - summed, dim=1)
    return (summed + carried).exp() + summed.exp() * first[:, None]
