"""Dropout for sequences: per unit, locked over time, and of whole words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn


def dropout_mask(units: Tensor, p: float, *, scaled: bool = True) -> Tensor:
    """Draw what to multiply units by: 0 with probability p.

    On a CPU each unit has 16 bits of a 64-bit draw, a fifth of the time of
    `bernoulli_`. So p is rounded to a multiple of 2^-16, and kept units are scaled by
    the probability that they were drawn with.

    Args:
        units: Their shape, type and device are the mask's.
        p: Probability of 0, in (0, 1).
        scaled: Whether the others are 1 / (1 - p), which keeps the mean, or 1.
    """
    if units.device.type != "cpu":
        mask = torch.empty_like(units).bernoulli_(1 - p)
        return mask.div_(1 - p) if scaled else mask
    keep = min(max(1, round((1 - p) * 2**16)), 2**16 - 1)  # Of 2^16.
    draws = torch.empty(-(-units.numel() // 4), dtype=torch.int64)
    draws.random_(-(2**63), None)  # All 64 bits; without bounds the sign would be 0.
    numbers = draws.view(torch.int16)[: units.numel()].view(units.shape)
    mask = (numbers < keep - 2**15).to(units.dtype)
    return mask.mul_(2**16 / keep) if scaled else mask


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
        if not self.locked and inputs.device.type != "cpu":
            return nn.functional.dropout(inputs, self.p)  # One fused kernel.
        units = inputs[:, :1] if self.locked else inputs  # One mask for all positions.
        return inputs * dropout_mask(units, self.p)

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
        mask = dropout_mask(embedded[:, :, :1], self.p, scaled=False)  # (N, T, 1)
        return embedded * mask

    if TYPE_CHECKING:
        __call__ = forward
