"""Dropout for sequences: per unit, locked over time, and of whole words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn


class SequenceDropout(nn.Module):
    """Dropout on a sequence of vectors, in training only.

    Args:
        p: Probability of zeroing a unit, in [0, 1); others are scaled by 1 / (1 - p).
        locked: Whether a sentence has one mask for all positions (variational dropout).

    Source: Srivastava et al. 2014; Gal and Ghahramani 2016, section 4 (locked).
    """

    def __init__(self, p: float, *, locked: bool) -> None:
        super().__init__()
        self.p = p
        self.locked = locked

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply dropout to (N, T, units)."""
        if not self.training or self.p == 0:
            return inputs
        if not self.locked:
            return nn.functional.dropout(inputs, self.p)
        mask = nn.functional.dropout(torch.ones_like(inputs[:, :1]), self.p)
        return inputs * mask  # (N, 1, units) for all positions

    if TYPE_CHECKING:
        __call__ = forward


class WordDropout(nn.Module):
    """Zero the embeddings of whole tokens, in training only.

    Args:
        p: Probability of dropping a position, in [0, 1).

    Source: Gal and Ghahramani 2016, section 4.2; Sennrich and Zhang 2019, section 3.3.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, embedded: Tensor) -> Tensor:
        """Drop from (N, T, E); the rest is not scaled, since words do not add up."""
        if not self.training or self.p == 0:
            return embedded
        mask = torch.rand_like(embedded[:, :, :1]) >= self.p  # (N, T, 1)
        return embedded * mask

    if TYPE_CHECKING:
        __call__ = forward
