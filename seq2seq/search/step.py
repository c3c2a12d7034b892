"""What every search shares: the step function that it asks what may come next.

Knows rows and log-probabilities; not models, text, layers or files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.types import BOS, PAD, StepOutput

if TYPE_CHECKING:
    from typing_extensions import Self


class Reorderable(Protocol):
    """Something with a row for each hypothesis under way, or for each sentence."""

    def select(self, rows: Tensor, /) -> Self:
        """Keep these rows, in this order; a row may come twice."""
        ...


CHUNK = 64
"""Numbers of a row whose largest is found first."""

StateT = TypeVar("StateT", bound=Reorderable)
MemoryT = TypeVar("MemoryT", bound=Reorderable)

StepFunction = Callable[[Tensor, StateT, MemoryT], StepOutput[StateT]]
"""`step(last_pieces (R,), state, memory) -> Step(log_probs (R, V), state, weights)`.

The pieces and the state have as many rows of every sentence, one sentence after
another: R = N * W. The memory has one row for each sentence, which its W rows share, so
that a beam needs no copies of what was read. The search may write into the
log-probabilities, which are as large as all else in a step.
"""


def mask_special_tokens(log_probs: Tensor) -> Tensor:
    """Rule out PAD and BOS, which no sentence contains, in single precision or better.

    Args:
        log_probs: What the model says, (R, V); written to unless it has half precision.

    Returns:
        The same, or a copy, with -inf at PAD and BOS, (R, V). Sums of half-precision
        numbers would lose the differences that the search ranks by.
    """
    masked = log_probs.to(torch.promote_types(log_probs.dtype, torch.float32))
    masked[:, PAD] = -math.inf
    masked[:, BOS] = -math.inf
    return masked


def argmax(log_probs: Tensor) -> Tensor:
    """Return the place of the largest number of each row, (R,).

    On a CPU numpy does it in a tenth of torch's time.
    """
    if log_probs.device.type == "cpu":
        return torch.from_numpy(log_probs.detach().numpy().argmax(axis=1))
    return log_probs.argmax(dim=1)


def topk(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the largest numbers of each row and their places, as `Tensor.topk` does.

    On a CPU the rows are cut into chunks: what is sought lies in those whose largest
    number is among the largest. That takes a third to a half of the time of `topk`.

    Args:
        values: (R, V).
        count: How many to find, at most V.
    """
    whole = values.shape[1] // CHUNK
    if values.device.type != "cpu" or count * 4 > whole:
        found = values.topk(count, dim=1)
        return found.values, found.indices
    body, rest = values.split([whole * CHUNK, values.shape[1] - whole * CHUNK], dim=1)
    chunks = body.unflatten(1, (whole, CHUNK))
    chosen = chunks.amax(dim=2).topk(count, dim=1).indices
    some = chunks.gather(1, chosen[:, :, None].expand(-1, -1, CHUNK)).flatten(1)
    best, at = torch.cat([some, rest], dim=1).topk(count, dim=1)
    start = chosen.gather(1, at.div(CHUNK, rounding_mode="floor").clamp(max=count - 1))
    inside = start * CHUNK + at % CHUNK
    beyond = at + (whole - count) * CHUNK
    return best, torch.where(at < count * CHUNK, inside, beyond)


def non_finite_scores_error() -> UserError:
    """Say that the model computed NaN or +inf, which nothing can be ranked by."""
    return UserError(
        "the model's scores are not finite: log-probabilities hold NaN or +inf. Its "
        "weights are probably damaged, or its training diverged."
    )
