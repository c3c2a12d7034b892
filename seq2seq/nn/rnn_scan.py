"""minGRU and minLSTM: recurrent layers trained by a parallel scan (Feng et al. 2024).

Their gates depend on the input alone, so the recurrence h_t = a_t * h_(t-1) + b_t is an
associative scan over (a, b): of logarithmic depth instead of one step per position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq.types import RNNState

SCANNED = {"min_gru": 2, "min_lstm": 3}
"""Number of linear maps of the input in each cell."""

LOG_ZERO = -1e4  # Finite, since -inf has no gradient.


class ScanRNNLayer(nn.Module):
    """A minGRU or minLSTM layer.

    Args:
        input_size: Size of the input at each position.
        hidden_size: Size of each direction's state.
        cell: min_gru or min_lstm.
        bidirectional: Whether to run backwards as well.

    Source: Feng et al. 2024, sections 3.1 and 3.2, appendix B (log-space form: states
    are positive, through g in appendix B.2).
    """

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
        """Run over whole sequences; shapes as in `FusedRNNLayer.forward`.

        In 32 bits also under autocast: a scan adds up logarithms over the sequence and
        subtracts such sums, and g has a kink at 0, so what is rounded to bfloat16
        gives other gradients.
        """
        device = inputs.device.type
        if torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):
                state = None if state is None else (state[0].float(),)
                return self.forward(inputs.float(), state, lengths)
        positions = torch.arange(inputs.shape[1], device=inputs.device)  # (T,)
        mask: Tensor | None = None
        if lengths is not None:
            ends = lengths.to(inputs.device, non_blocking=True)
            mask = (positions < ends[:, None])[:, :, None]
        outputs, finals = [], []
        for number, linear in enumerate(self.directions):
            keep, new = self._log_gates(linear(inputs))
            if mask is not None:  # At padding the state stays the same.
                keep = torch.where(mask, keep, 0.0)
                new = torch.where(mask, new, LOG_ZERO)
            if number == 1:
                keep, new = keep.flip(1), new.flip(1)
            initial = (  # (N, H)
                torch.zeros_like(new[:, 0])
                if state is None
                else state[0].unflatten(1, (len(self.directions), -1))[:, number]
            )
            states = _scan(keep, new, initial)  # (N, T, H)
            finals.append(states[:, -1])
            states = states.flip(1) if number == 1 else states
            outputs.append(states if mask is None else states * mask)
        return torch.cat(outputs, dim=2), (torch.cat(finals, dim=1),)

    def _log_gates(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Return log a and log b of h_t = a * h_(t-1) + b, (N, T, H) each."""
        if self.cell == "min_gru":
            update, new = sums.chunk(2, dim=2)
            return -F.softplus(update), -F.softplus(-update) + _log_positive(new)
        forget, input_gate, new = sums.chunk(3, dim=2)
        # Both gates divided by their sum: the state stays a weighted mean.
        difference = F.softplus(-forget) - F.softplus(-input_gate)
        return -F.softplus(difference), -F.softplus(-difference) + _log_positive(new)

    if TYPE_CHECKING:
        __call__ = forward


def _log_positive(numbers: Tensor) -> Tensor:
    """Logarithm of g: g(x) = x + 0.5 for x >= 0, else sigmoid(x)."""
    return torch.where(
        numbers >= 0, (F.relu(numbers) + 0.5).log(), -F.softplus(-numbers)
    )


def _scan(keep: Tensor, new: Tensor, initial: Tensor) -> Tensor:
    """Parallel scan of h_t = exp(keep) * h_(t-1) + exp(new), (N, T, H).

    Source: Heinsen 2023; Feng et al. 2024, appendix B.2.
    """
    log_decay = keep.cumsum(dim=1)
    log_sum = torch.logcumsumexp(new - log_decay, dim=1)
    return (log_decay + log_sum).exp() + log_decay.exp() * initial[:, None]
