"""Cross-entropy as a sum and a count. Knows logits and ids; not models."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F


class Loss(NamedTuple):
    """Sums over tokens, so that batches add up.

    Attributes:
        total: What is minimised, label smoothing included, in nats, a scalar.
        nats: The plain cross-entropy, a scalar without gradient.
    """

    total: Tensor
    nats: Tensor


def token_loss(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Loss:
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
    if not 0 <= smoothing < 1:
        raise ValueError(
            f"smoothing is {smoothing}, but must be at least 0 and below 1."
        )
    log_probs = F.log_softmax(logits.float(), dim=-1)
    nats = F.nll_loss(log_probs, targets, reduction="sum")
    if smoothing == 0:
        return Loss(nats, nats.detach())
    uniform = -log_probs.mean(dim=-1).sum()
    return Loss((1 - smoothing) * nats + smoothing * uniform, nats.detach())
