"""Cross-entropy as a sum and a count. Knows features, logits and ids; not models."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq.types import PAD

CHUNK = 2**21
"""Most logits that exist at a time in `chunked_cross_entropy`: 8 MiB of float32."""


class LossOutput(NamedTuple):
    """Sums over tokens, so that batches add up.

    Attributes:
        loss: What is minimised, label smoothing included, in nats, a scalar.
        nll: The plain cross-entropy, a scalar without gradient.
    """

    loss: Tensor
    nll: Tensor


def log_softmax(scores: Tensor) -> Tensor:
    """Turn scores into log-probabilities, (R, V), in their place where that is safe.

    On a CPU a new tensor of all pieces costs a third more time.
    """
    if scores.device.type == "cpu" and not scores.requires_grad:
        return torch.log_softmax(scores, dim=-1, out=scores)
    return F.log_softmax(scores, dim=-1)


def cross_entropy(
    logits: Tensor, targets: Tensor, *, smoothing: float = 0.0
) -> LossOutput:
    """Sum the cross-entropy of target tokens.

    Args:
        logits: Unnormalised scores of real positions only, (M, V).
        targets: The token that stands at each, (M,).
        smoothing: Share of probability spread over the vocabulary, in [0, 1).

    Returns:
        The sums, in nats; divide by M (or by the tokens of a larger whole) for a mean.

    Raises:
        ValueError: If smoothing is outside [0, 1).

    Source: Szegedy et al. 2016, section 7.
    """
    _check(smoothing)
    log_probs = F.log_softmax(_wide(logits), dim=-1)
    nats = F.nll_loss(log_probs, targets, reduction="sum")
    if smoothing == 0:
        return LossOutput(nats, nats.detach())
    uniform = -log_probs.mean(dim=-1).sum()
    return LossOutput((1 - smoothing) * nats + smoothing * uniform, nats.detach())


def chunked_cross_entropy(
    features: Tensor,
    output: nn.Linear,
    targets: Tensor,
    *,
    weights: Tensor | None = None,
    smoothing: float = 0.0,
    chunk: int = CHUNK,
) -> LossOutput:
    """Project features to logits and sum the cross-entropy, some rows at a time.

    The same as `cross_entropy(output(features), targets)` on real positions, but only
    `chunk` logits exist at a time: gradients are computed on the way forward, so
    memory grows with tokens and with the vocabulary, not with their product. Padding
    is left out by its weight, since picking rows would make a GPU wait for the count.

    Args:
        features: What the output layer reads, (M, E).
        output: The output layer, from E to V.
        targets: The token that stands at each position, PAD where none does, (M,).
        weights: How much each position counts, also below 0, (M,); 1 if None.
        smoothing: As in `cross_entropy`.
        chunk: Most logits at a time.

    Returns:
        The sums, in nats.

    Raises:
        ValueError: If smoothing is outside [0, 1).
    """
    _check(smoothing)
    rows = max(1, chunk // output.out_features)
    counted = (targets != PAD).to(_wide(features).dtype)
    if weights is not None:
        counted = counted * weights.to(counted.dtype)
    found: tuple[Tensor, Tensor] = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        features, output.weight, output.bias, targets, counted, smoothing, rows
    )
    return LossOutput(*found)


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The loss with its gradients, which need no logits later."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        counted: Tensor,
        smoothing: float,
        rows: int,
    ) -> tuple[Tensor, Tensor]:
        # Within autocast the products are in its narrow type, all sums in float32.
        wanted = any(ctx.needs_input_grad)
        wide = _wide(weight).dtype
        nats = torch.zeros((), dtype=wide, device=features.device)
        uniform = torch.zeros_like(nats)
        grads = [torch.zeros_like(weight), torch.zeros_like(bias)] if wanted else []
        pieces: list[Tensor] = []
        parts = (each.split(rows) for each in (features, targets, counted[:, None]))
        for part, target, real in zip(*parts, strict=True):
            log_probs = F.log_softmax(F.linear(part, weight, bias).to(wide), dim=-1)
            nats -= (log_probs.gather(1, target[:, None]) * real).sum()
            if smoothing:
                uniform -= (log_probs.mean(dim=1, keepdim=True) * real).sum()
            if not wanted:
                continue
            # d total / d logits = probabilities - what they should be.
            slope = log_probs.exp_()
            slope.scatter_add_(1, target[:, None], torch.full_like(real, smoothing - 1))
            if smoothing:
                slope -= smoothing / weight.shape[0]
            slope *= real
            narrow = part.dtype
            pieces.append((slope.to(narrow) @ weight.to(narrow)).to(narrow))
            if grads[0].dtype == narrow:
                grads[0].addmm_(slope.t(), part)
            else:
                grads[0] += slope.to(narrow).t() @ part
            grads[1] += slope.sum(dim=0)
        if wanted:
            ctx.save_for_backward(torch.cat(pieces), *grads)
        total = (1 - smoothing) * nats + smoothing * uniform
        ctx.mark_non_differentiable(nats)
        return total, nats

    @staticmethod
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, bias = (saved * slope for saved in ctx.saved_tensors)
        return features, weight, bias, None, None, None, None


def _wide(numbers: Tensor) -> Tensor:
    """Return them in at least 32 bits, which sums need."""
    return numbers.to(torch.promote_types(numbers.dtype, torch.float32))


def _check(smoothing: float) -> None:
    if not 0 <= smoothing < 1:
        raise ValueError(
            f"smoothing is {smoothing}, but must be at least 0 and below 1."
        )
