"""What every search shares: the step function that it asks what may come next.

Knows rows and log-probabilities; not models, text, layers or files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch
from torch import Tensor

from seq2seq.errors import InputError
from seq2seq.structures import BOS, PAD, Step

if TYPE_CHECKING:
    from typing_extensions import Self


class Selectable(Protocol):
    """Something with a row for each hypothesis under way, or for each sentence."""

    def select(self, rows: Tensor, /) -> Self:
        """Keep these rows, in this order; a row may come twice."""
        ...


StateT = TypeVar("StateT", bound=Selectable)
MemoryT = TypeVar("MemoryT", bound=Selectable)

StepFunction = Callable[[Tensor, StateT, MemoryT], Step[StateT]]
"""`step(last_pieces (R,), state, memory) -> Step(log_probs (R, V), state, weights)`.

The pieces and the state have as many rows of every sentence, one sentence after
another: R = N * W. The memory has one row for each sentence, which its W rows share, so
that a beam needs no copies of what was read.
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


def not_finite() -> InputError:
    """Say that the model computed NaN or +inf, which nothing can be ranked by."""
    return InputError(
        "the model's scores are not finite: log-probabilities hold NaN or +inf. Its "
        "weights are probably damaged, or its training diverged."
    )
