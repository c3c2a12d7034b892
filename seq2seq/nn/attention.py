"""Attention over encoder states: dot and general (Luong et al. 2015), additive
(Bahdanau et al. 2015), and a coverage loss on its weights (See et al. 2017).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.types import AttentionMemory


class Attention(nn.Module):
    """Average of the encoder states, weighted by their scores against a query.

    For a query q (the decoder state), keys k_s and values v_s at source position s:

        dot       score_s = q . k_s / sqrt(Q)          k_s = v_s
        general   score_s = q . k_s / sqrt(Q)          k_s = W v_s
        additive  score_s = e . tanh(U q + k_s)        k_s = W v_s
        context   c = sum_s softmax(score)_s v_s

    The query is the current state, so all target positions take one call. The module
    keeps no state: keys are computed once and passed in `AttentionMemory.keys`.

    Args:
        query_size: Q, size of the decoder state.
        value_size: H, size of the encoder states.
        kind: dot, general or additive.
        num_heads: Number of attention heads; queries, keys and values are split evenly.

    Raises:
        ValueError: If the sizes do not fit the kind or the heads.

    Source: Luong et al. 2015, section 3.1 (dot, general); Bahdanau et al. 2015, section
    3.1 and appendix A.1.2 (additive); Vaswani et al. 2017, section 3.2 (heads, and the
    division by sqrt(Q), which the former papers do not have).
    """

    def __init__(
        self, query_size: int, value_size: int, *, kind: str, num_heads: int = 1
    ) -> None:
        super().__init__()
        if query_size % num_heads or value_size % num_heads:
            raise ValueError(
                f"{num_heads} heads do not divide the sizes {query_size} and "
                f"{value_size}."
            )
        if kind == "dot" and query_size != value_size:
            raise ValueError(
                f"dot attention compares {query_size} numbers with {value_size}; "
                "make them equal or use general."
            )
        self.num_heads = num_heads
        self.query_projection: nn.Linear | None = None
        self.key_projection: nn.Linear | None = None
        # Unscaled, as in Luong et al., the weights are all but one-hot after some
        # hundred steps, often on the wrong word, and learn no more.
        self.scale = (query_size / num_heads) ** -0.5
        if kind != "dot":
            self.key_projection = nn.Linear(value_size, query_size, bias=False)
        if kind == "additive":
            self.query_projection = nn.Linear(query_size, query_size)
            bound = math.sqrt(3 * num_heads / query_size)
            self.energy = nn.Parameter(
                torch.empty(num_heads, query_size // num_heads, 1).uniform_(
                    -bound, bound
                )
            )

    def compute_keys(self, values: Tensor) -> Tensor:
        """Project the encoder states, once for all steps: (N, S, H) to (N, S, Q)."""
        if self.key_projection is None:
            return values
        keys: Tensor = self.key_projection(values)
        return keys

    def forward(
        self, queries: Tensor, memory: AttentionMemory
    ) -> tuple[Tensor, Tensor]:
        """Compute the context vector of each query.

        Args:
            queries: Decoder states, (N, T, Q), or (R, T, Q) where R / N consecutive
                rows belong to each sentence; they share its memory without a copy.
            memory: Keys from `compute_keys`, values and mask.

        Returns:
            Context vectors, (N, T, H), and attention weights, (N, T, S), averaged over
            heads: they sum to one over real positions and are 0 at padding. With R
            instead of N if the queries have it.
        """
        rows, length, size = queries.shape
        # Beams of a sentence are treated as further positions of one target.
        queries = queries.reshape(len(memory.mask), -1, size)
        keys = self._split_heads(memory.keys)  # (N, heads, S, Q / heads)
        values = self._split_heads(memory.values)  # (N, heads, S, H / heads)
        if self.query_projection is None:
            queries = self._split_heads(queries * self.scale)
            scores = queries @ keys.transpose(2, 3)  # (N, heads, T, S)
        else:
            queries = self._split_heads(self.query_projection(queries))
            # (N, heads, T, S, Q / heads)
            hidden = torch.tanh(queries[:, :, :, None] + keys[:, :, None])
            scores = (hidden @ self.energy[:, None])[..., 0]  # (N, heads, T, S)
        scores = scores.masked_fill(~memory.mask[:, None, None], -math.inf)
        weights = torch.softmax(scores, dim=-1)  # (N, heads, T, S)
        context = (weights @ values).transpose(1, 2).flatten(2)  # (N, T, H)
        shape = (rows, length, -1)
        return context.reshape(shape), weights.mean(dim=1).reshape(shape)

    def _split_heads(self, tensor: Tensor) -> Tensor:
        """Reshape (N, T, size) to (N, heads, T, size / heads)."""
        heads: Tensor = tensor.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        return heads

    if TYPE_CHECKING:
        __call__ = forward


def coverage_loss(weights: Tensor, mask: Tensor) -> Tensor:
    """Coverage loss: penalise attention to source positions already attended to.

    Args:
        weights: Attention weights, (N, T, S).
        mask: True at real target tokens, (N, T).

    Returns:
        The sum over real target tokens, each between 0 and 1, a scalar.

    Source: See et al. 2017, equation 12.
    """
    coverage = weights.cumsum(dim=1) - weights  # (N, T, S), of the steps before
    return (torch.minimum(weights, coverage).sum(dim=2) * mask).sum()
