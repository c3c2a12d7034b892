"""Kinds of dropout over sequences. Knows tensors; not what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn


class SequenceDropout(nn.Module):
    """Drop units of vectors that stand in a sequence, in training only.

    Args:
        share: Of units that become zero, in [0, 1); the others grow to make up for it.
        locked: Whether a sentence drops the same units at all of its positions.

    Source: Srivastava et al. 2014; Gal and Ghahramani 2016, section 4 (locked).
    """

    def __init__(self, share: float, *, locked: bool) -> None:
        super().__init__()
        self.share = share
        self.locked = locked

    def forward(self, inputs: Tensor) -> Tensor:
        """Drop from (N, T, units)."""
        if not self.training or self.share == 0:
            return inputs
        if not self.locked:
            return nn.functional.dropout(inputs, self.share)
        kept = nn.functional.dropout(torch.ones_like(inputs[:, :1]), self.share)
        return inputs * kept

    if TYPE_CHECKING:
        __call__ = forward


class WordDropout(nn.Module):
    """Drop whole pieces: their vectors become zero, in training only.

    Args:
        share: Of positions that are dropped, in [0, 1).

    Source: Gal and Ghahramani 2016, section 4.2; Sennrich and Zhang 2019, section 3.3.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, embedded: Tensor) -> Tensor:
        """Drop from (N, T, E); what stays is not scaled, since words do not add up."""
        if not self.training or self.share == 0:
            return embedded
        kept = torch.rand_like(embedded[:, :, :1]) >= self.share
        return embedded * kept

    if TYPE_CHECKING:
        __call__ = forward
