"""What every search shares: the step function, and the rules of a hypothesis.

Knows rows, ids and log-probabilities; not models, text, layers or files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch
from torch import Tensor

from seq2seq.structures import BOS, PAD, Hypothesis

if TYPE_CHECKING:
    from typing_extensions import Self


class Selectable(Protocol):
    """Something with a row for each hypothesis under way."""

    def select(self, rows: Tensor, /) -> Self:
        """Keep these rows, in this order; a row may come twice."""
        ...


StateT = TypeVar("StateT", bound=Selectable)
MemoryT = TypeVar("MemoryT", bound=Selectable)

Step = Callable[[Tensor, StateT, MemoryT], tuple[Tensor, StateT]]
"""`step(last_pieces (R,), state, memory) -> (log_probs (R, V), state)`.

The log-probabilities are in nats, none above 0; -inf marks a piece that cannot come.
"""


def permitted(log_probs: Tensor) -> Tensor:
    """Rule out PAD and BOS, which no sentence contains, in single precision or better.

    Args:
        log_probs: What the model says, (R, V); left as it is.

    Returns:
        A copy with -inf at PAD and BOS, (R, V). Sums of half-precision numbers would
        lose the differences that the search ranks by.
    """
    dtype = torch.promote_types(log_probs.dtype, torch.float32)
    masked = log_probs.to(dtype, copy=True)
    masked[:, PAD] = -math.inf
    masked[:, BOS] = -math.inf
    return masked


def normalised(log_prob: float, length: int, length_penalty: float) -> float:
    """Divide a log-probability by length ** length_penalty.

    Every piece makes a sum of log-probabilities smaller, so without normalisation a
    search prefers short translations. A penalty of 1 gives the mean log-probability,
    0 the plain sum.

    Args:
        log_prob: The sum, in nats.
        length: How many log-probabilities it sums; EOS counts, BOS does not.
        length_penalty: The exponent, at least 0.

    Source: Wu et al. 2016, section 7, for the reason; their lp(Y) shifts the length
    by 5, this one does not, which makes 1 the mean.
    """
    return log_prob / math.pow(max(length, 1), length_penalty)


def as_hypothesis(
    pieces: Sequence[int], log_prob: float, *, finished: bool, length_penalty: float
) -> Hypothesis:
    """Give what a search found its score; a cut hypothesis has no EOS to count."""
    score = normalised(log_prob, len(pieces) + finished, length_penalty)
    return Hypothesis(tuple(pieces), log_prob, score, finished)


def checked_limits(max_lengths: Tensor, length_penalty: float) -> list[int]:
    """Read the limits that every search is given.

    Args:
        max_lengths: The most pieces of each sentence, EOS not counted, (N,).
        length_penalty: The exponent of the length.

    Returns:
        The limits as numbers.

    Raises:
        ValueError: If a limit is below 1, the limits are not one per sentence, or the
            penalty is negative or not finite.
    """
    if not 0 <= length_penalty < math.inf:
        raise ValueError(
            f"length_penalty is {length_penalty}, but must be a number of at least 0: "
            "0 ranks by the sum of log-probabilities, 1 by their mean."
        )
    if max_lengths.dim() != 1:
        raise ValueError(
            f"max_lengths has the shape {tuple(max_lengths.shape)}, but must be (N,): "
            "one limit for each sentence."
        )
    limits: list[int] = max_lengths.tolist()
    if limits and min(limits) < 1:
        raise ValueError(
            f"max_lengths holds {min(limits)}, but every sentence needs a limit of at "
            "least 1 piece."
        )
    return limits


def not_finite() -> ValueError:
    """Say that the model computed NaN or +inf, which nothing can be ranked by."""
    return ValueError(
        "the model's scores are not finite: log-probabilities hold NaN or +inf. Its "
        "weights are probably damaged, or its training diverged."
    )
