"""Looking back at the source while the target is said.

Knows states and masks; not cells, ids or search.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.types import AttentionMemory


class Attention(nn.Module):
    """Score every source position against the decoder's state, and read by the scores.

    The query is the decoder's current state, so a whole target needs one call. Nothing
    is kept between calls: what was projected once comes back in as
    `AttentionMemory.keys`.

    Args:
        query_size: Size of the decoder's state.
        state_size: Size of the encoder's states.
        kind: dot compares both as they are, general through a learned matrix, additive
            through a hidden layer.
        num_heads: Into how many parts both are cut; each reads its own part of the
            states.

    Raises:
        ValueError: If the sizes do not fit the kind or the heads.

    Source: Luong et al. 2015, section 3.1 (dot, general); Bahdanau et al. 2015, section
    3.1 and appendix A.1.2 (additive); Vaswani et al. 2017, section 3.2 (heads, and
    scores divided by the root of the query's size, which the former papers do not).
    """

    def __init__(
        self, query_size: int, state_size: int, *, kind: str, num_heads: int = 1
    ) -> None:
        super().__init__()
        if query_size % num_heads or state_size % num_heads:
            raise ValueError(
                f"{num_heads} heads do not divide the sizes {query_size} and "
                f"{state_size}."
            )
        if kind == "dot" and query_size != state_size:
            raise ValueError(
                f"dot attention compares {query_size} numbers with {state_size}; "
                "make them equal or use general."
            )
        self.num_heads = num_heads
        self.query: nn.Linear | None = None
        self.project: nn.Linear | None = None
        # Unscaled, as in Luong et al., the weights are all but one-hot after some
        # hundred steps, often on the wrong word, and learn no more.
        self.scale = (query_size / num_heads) ** -0.5
        if kind != "dot":
            self.project = nn.Linear(state_size, query_size, bias=False)
        if kind == "additive":
            self.query = nn.Linear(query_size, query_size)
            bound = math.sqrt(3 * num_heads / query_size)
            self.energy = nn.Parameter(
                torch.empty(num_heads, query_size // num_heads, 1).uniform_(
                    -bound, bound
                )
            )

    def keys(self, states: Tensor) -> Tensor:
        """Project the encoder's states once for all steps: (N, S, H) to (N, S, Q)."""
        if self.project is None:
            return states
        keys: Tensor = self.project(states)
        return keys

    def forward(
        self, queries: Tensor, source: AttentionMemory
    ) -> tuple[Tensor, Tensor]:
        """Read the source once for each query.

        Args:
            queries: The decoder's states, (N, T, Q), or (R, T, Q) where R / N rows in
                turn belong to each sentence; they share its source without a copy.
            source: What may be read; its keys come from `keys`.

        Returns:
            What was read, (N, T, H), and the weights, (N, T, S), the mean of all heads:
            they sum to one over real positions and are 0 elsewhere. R in the place of
            N where the queries have it.
        """
        rows, length, size = queries.shape
        # To attention, the beams of a sentence are as so many positions of one target.
        queries = queries.reshape(len(source.mask), -1, size)
        keys, states = self._split(source.keys), self._split(source.values)
        if self.query is None:
            asked = self._split(queries * self.scale)
            scores = asked @ keys.transpose(2, 3)  # (N, heads, T, S)
        else:
            asked = self._split(self.query(queries))
            hidden = torch.tanh(asked[:, :, :, None] + keys[:, :, None])
            scores = (hidden @ self.energy[:, None])[..., 0]
        scores = scores.masked_fill(~source.mask[:, None, None], -math.inf)
        weights = torch.softmax(scores, dim=-1)
        read = (weights @ states).transpose(1, 2).flatten(2)
        shape = (rows, length, -1)
        return read.reshape(shape), weights.mean(dim=1).reshape(shape)

    def _split(self, tensor: Tensor) -> Tensor:
        """Give every head its part: (N, T, size) to (N, heads, T, size / num_heads)."""
        parts: Tensor = tensor.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        return parts

    if TYPE_CHECKING:
        __call__ = forward


def coverage_loss(weights: Tensor, real: Tensor) -> Tensor:
    """Sum how much of each reading goes to where earlier pieces have read.

    Args:
        weights: Attention weights, (N, T, S).
        real: True where a target token stands, (N, T).

    Returns:
        A sum over real target tokens, each between 0 and 1, a scalar.

    Source: See et al. 2017, equation 12.
    """
    before = weights.cumsum(dim=1) - weights
    return (torch.minimum(weights, before).sum(dim=2) * real).sum()
