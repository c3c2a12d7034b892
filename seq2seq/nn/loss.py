"""Cross-entropy as a sum over tokens, with label smoothing, whole or in chunks."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq.types import PAD

CHUNK = 2**21
"""Maximum number of logits at a time in `chunked_cross_entropy`: 8 MiB of float32."""

GPU_CHUNK = 2**25
"""The same on a GPU, where small products are launches and little else: 128 MiB."""


class LossOutput(NamedTuple):
    """Sums over tokens, so that batches add up.

    Attributes:
        loss: Training loss, label smoothing included, in nats, a scalar.
        nll: Negative log-likelihood without smoothing, in nats, a scalar; no gradient.
    """

    loss: Tensor
    nll: Tensor


def log_softmax(logits: Tensor) -> Tensor:
    """Log-softmax of logits, (R, V), in place where that is safe.

    On a CPU another tensor of that size costs a third more time.
    """
    if logits.device.type == "cpu" and not logits.requires_grad:
        return torch.log_softmax(logits, dim=-1, out=logits)
    return F.log_softmax(logits, dim=-1)


def cross_entropy(
    logits: Tensor, targets: Tensor, *, smoothing: float = 0.0
) -> LossOutput:
    """Cross-entropy with label smoothing, summed over target tokens.

    Args:
        logits: Unnormalised scores at M real positions, without padding, (M, V).
        targets: Target token ids, (M,).
        smoothing: Label smoothing: probability mass spread over the vocabulary, in
            [0, 1).

    Returns:
        The sums, in nats; divide by M (or by the tokens of a larger batch) for a mean.

    Raises:
        ValueError: If smoothing is outside [0, 1).

    Source: Szegedy et al. 2016, section 7.
    """
    _check_smoothing(smoothing)
    log_probs = F.log_softmax(_to_float32(logits), dim=-1)  # (M, V)
    nll = F.nll_loss(log_probs, targets, reduction="sum")
    if smoothing == 0:
        return LossOutput(nll, nll.detach())
    uniform = -log_probs.mean(dim=-1).sum()
    return LossOutput((1 - smoothing) * nll + smoothing * uniform, nll.detach())


def chunked_cross_entropy(
    features: Tensor,
    output_layer: nn.Linear,
    targets: Tensor,
    *,
    weights: Tensor | None = None,
    smoothing: float = 0.0,
    chunk: int | None = None,
) -> LossOutput:
    """Output layer and cross-entropy together, in chunks that bound memory.

    Equal to `cross_entropy(output_layer(features), targets)` on real positions, but
    only `chunk` logits exist at a time: gradients are computed in the forward pass, so
    memory grows with tokens and with the vocabulary, not with their product. Padding
    gets weight 0; selecting rows instead would make a GPU wait for their number.

    Args:
        features: Input of the output layer, (M, E).
        output_layer: Projection from E to V.
        targets: Target token ids, PAD at padding, (M,).
        weights: Weight of each position, possibly negative, (M,); 1 if None.
        smoothing: As in `cross_entropy`.
        chunk: Maximum number of logits at a time; CHUNK or GPU_CHUNK if None.

    Returns:
        The sums, in nats.

    Raises:
        ValueError: If smoothing is outside [0, 1).
    """
    _check_smoothing(smoothing)
    if chunk is None:
        chunk = CHUNK if features.device.type == "cpu" else GPU_CHUNK
    rows = max(1, chunk // output_layer.out_features)
    masked = (targets != PAD).to(_to_float32(features).dtype)  # (M,)
    if weights is not None:
        masked = masked * weights.to(masked.dtype)
    matrix, bias = output_layer.weight, output_layer.bias
    sums: tuple[Tensor, Tensor] = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        features, matrix, bias, targets, masked, smoothing, rows
    )
    return LossOutput(*sums)


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The loss together with its gradients, so that no logits are kept for backward."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        weights: Tensor,
        smoothing: float,
        rows: int,
    ) -> tuple[Tensor, Tensor]:
        # Under autocast matrix products are in its narrow type, all sums in float32.
        needs_grad = any(ctx.needs_input_grad)
        dtype = _to_float32(weight).dtype
        nll = torch.zeros((), dtype=dtype, device=features.device)
        uniform = torch.zeros_like(nll)
        grad_weight = torch.zeros_like(weight) if needs_grad else None
        grad_bias = torch.zeros_like(bias) if needs_grad else None
        grad_features: list[Tensor] = []
        matrix = weight.to(features.dtype)  # Once for all chunks.
        tensors = (features, targets, weights[:, None])
        chunks = (tensor.split(rows) for tensor in tensors)
        for chunk, target, chunk_weights in zip(*chunks, strict=True):  # (m, E), (m,)
            logits = F.linear(chunk, matrix, bias.to(matrix.dtype)).to(dtype)  # (m, V)
            target_logits = logits.gather(1, target[:, None])  # (m, 1)
            mean = logits.mean(dim=1, keepdim=True) if smoothing else 0.0
            largest = logits.amax(dim=1, keepdim=True)
            probs = torch.softmax(logits, dim=1)
            # The largest probability is at least 1 / V, so its logarithm is finite, and
            # gives the normaliser without another exponential of all.
            log_sum = largest - probs.amax(dim=1, keepdim=True).log()  # (m, 1)
            nll += ((log_sum - target_logits) * chunk_weights).sum()
            if smoothing:
                uniform += ((log_sum - mean) * chunk_weights).sum()
            if grad_weight is None or grad_bias is None:
                continue
            # d loss / d logits = predicted - smoothed target distribution.
            minus_target = torch.full_like(chunk_weights, smoothing - 1)
            probs.scatter_add_(1, target[:, None], minus_target)
            if smoothing:
                probs -= smoothing / weight.shape[0]
            probs *= chunk_weights
            grad_bias += probs.sum(dim=0)
            grad_logits = probs.to(chunk.dtype)
            grad_features.append(grad_logits @ matrix)  # (m, E)
            if grad_weight.dtype == chunk.dtype:
                grad_weight.addmm_(grad_logits.t(), chunk)
            else:
                grad_weight += grad_logits.t() @ chunk
        if needs_grad:
            ctx.save_for_backward(torch.cat(grad_features), grad_weight, grad_bias)
        loss = (1 - smoothing) * nll + smoothing * uniform
        ctx.mark_non_differentiable(nll)
        return loss, nll

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, bias = (grad * grad_loss for grad in ctx.saved_tensors)
        return features, weight, bias, None, None, None, None


def _to_float32(tensor: Tensor) -> Tensor:
    """Convert to at least 32 bits, which sums need."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _check_smoothing(smoothing: float) -> None:
    if not 0 <= smoothing < 1:
        raise ValueError(
            f"smoothing is {smoothing}, but must be at least 0 and below 1."
        )
