"""Looking back at the source while the target is said.

Knows states and masks; not cells, ids or search.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn


class GeneralAttention(nn.Module):
    """Score every source position by a bilinear product with the decoder's state.

    The query is the decoder's current state, so a whole target needs one call.

    Args:
        query_size: Size of the decoder's state.
        state_size: Size of the encoder's states.

    Source: Luong et al. 2015, section 3.1, global attention, score "general".
    """

    def __init__(self, query_size: int, state_size: int) -> None:
        super().__init__()
        self.project = nn.Linear(state_size, query_size, bias=False)

    def keys(self, states: Tensor) -> Tensor:
        """Project the encoder's states once for all steps: (N, S, H) to (N, S, Q)."""
        keys: Tensor = self.project(states)
        return keys

    def forward(
        self, queries: Tensor, keys: Tensor, states: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Read the source once for each query.

        Args:
            queries: The decoder's states, (N, T, Q).
            keys: What `keys` made, (N, S, Q).
            states: The encoder's states, (N, S, H).
            mask: True where a source piece stands, (N, S).

        Returns:
            What was read, (N, T, H), and the weights, (N, T, S): they sum to one over
            real positions and are 0 elsewhere.
        """
        scores = torch.bmm(queries, keys.transpose(1, 2))  # (N, T, S)
        scores = scores.masked_fill(~mask[:, None], -math.inf)
        weights = torch.softmax(scores, dim=-1)
        return torch.bmm(weights, states), weights

    if TYPE_CHECKING:
        __call__ = forward
