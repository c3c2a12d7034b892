"""Attention over encoder states: dot and general (Luong et al. 2015), additive
(Bahdanau et al. 2015), and a coverage loss on its weights (See et al. 2017).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from seq2seq.types import AttentionMemory

CHUNK = 2**19
"""Sums of a query and a key at a time in `additive_scores`: 2 MiB of float32."""

WHOLE = 2**16
"""Sums up to which one tensor of all of them is faster: small steps of a search."""

EXP_LIMIT = 80.0
"""Largest |2x| of which e^2x and e^-2x are normal float32 numbers."""


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
            heads = zip(queries.unbind(1), keys.unbind(1), self.energy, strict=True)
            scores = torch.stack([additive_scores(*head) for head in heads], dim=1)
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


def additive_scores(queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
    """Scores e . tanh(q + k) of every query against every key of its sentence.

    On a CPU no tensor of (N, T, S, Q) exists, but for small ones.

    Args:
        queries: Projected queries, (N, T, Q).
        keys: Keys, (N, S, Q).
        energy: e, (Q, 1).

    Returns:
        Scores, (N, T, S).

    Source: Bahdanau et al. 2015, appendix A.1.2.
    """
    if queries.device.type == "cpu" and queries.shape[1] * keys.numel() > WHOLE:
        scores: Tensor = _ChunkedAdditiveScores.apply(queries, keys, energy)  # type: ignore[no-untyped-call]
        return scores
    hidden = torch.tanh(queries[:, :, None] + keys[:, None])  # (N, T, S, Q)
    return (hidden @ energy)[..., 0]


class _ChunkedAdditiveScores(torch.autograd.Function):
    """Additive scores, some sentences at a time, computed again in the backward pass.

    With r = 1 / (1 + e^-2q e^-2k), tanh(q + k) = 2r - 1: an exponential for each query
    and key, a product and a reciprocal for each pair. Float32 under autocast too.
    """

    @staticmethod
    @torch.amp.custom_fwd(  # type: ignore[untyped-decorator]
        device_type="cpu", cast_inputs=torch.float32
    )
    def forward(ctx: Any, queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
        queries, keys = queries * -2, keys * -2
        ctx.exponential = not any(
            bool((part.abs() > EXP_LIMIT).any()) for part in (queries, keys)
        )
        if ctx.exponential:
            queries, keys = queries.exp_(), keys.exp_()
        ctx.save_for_backward(queries, keys, energy)
        scores = queries.new_empty(*queries.shape[:2], keys.shape[1])  # (N, T, S)
        for rows, times, half in _sigmoids(queries, keys, ctx.exponential):
            scores[rows, times] = (half @ energy)[..., 0]
        return scores.mul_(2).sub_(energy.sum())

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        queries, keys, energy = ctx.saved_tensors
        grad_queries, grad_keys = torch.empty_like(queries), torch.zeros_like(keys)
        grad_energy = torch.zeros_like(energy)
        for rows, times, half in _sigmoids(queries, keys, ctx.exponential):
            part = grad[rows, times]  # (n, t, S)
            grad_energy[:, 0] += part.flatten() @ half.flatten(0, 2)
            # The slope of tanh is 4 r (1 - r).
            slope = half.addcmul_(half, half, value=-1).mul_(part[..., None])
            grad_queries[rows, times] = slope.sum(dim=2)
            grad_keys[rows] += slope.sum(dim=1)
        factor = 4 * energy[:, 0]
        return (
            grad_queries.mul_(factor),
            grad_keys.mul_(factor),
            grad_energy.mul_(2).sub_(grad.sum()),
        )


def _sigmoids(
    queries: Tensor, keys: Tensor, exponential: bool
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield sigmoid(2 (q + k)) of some sentences and positions, (n, t, S, Q).

    Args:
        queries: -2q, or its exponential, (N, T, Q).
        keys: -2k, or its exponential, (N, S, Q).
        exponential: Whether they are exponentials.
    """
    one = queries.new_ones(())
    length = queries.shape[1]
    rows = max(1, CHUNK // (length * keys[0].numel()))
    span = max(1, CHUNK // (rows * keys[0].numel()))
    for row in range(0, len(queries), rows):
        for time in range(0, length, span):
            part = slice(row, row + rows), slice(time, time + span)
            query, key = queries[part][:, :, None], keys[part[0], None]
            if exponential:
                yield *part, torch.addcmul(one, query, key).reciprocal_()
            else:
                yield *part, (query + key).neg_().sigmoid_()


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
