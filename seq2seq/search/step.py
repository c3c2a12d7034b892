"""The step function that every search runs on, and operations that searches share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.types import BOS, PAD, StepOutput

if TYPE_CHECKING:
    from typing_extensions import Self


class Reorderable(Protocol):
    """A state with a row for each hypothesis, or a memory with one per sentence."""

    def select(self, rows: Tensor, /) -> Self:
        """Keep these rows, in this order; a row may come twice."""
        ...


CHUNK_SIZE = 64
"""Scores of a row that `topk` reduces to their maximum first."""

MAX_ARGMAX = 16
"""Largest count that `topk` takes by one argmax after another."""

MAX_ARGMAX_ROW = 2**13
"""Longest row of which it does; chunks are faster beyond."""

MIN_ARGMAX = 2**14
"""Fewest numbers of all rows; `Tensor.topk` is as fast for fewer."""

StateT = TypeVar("StateT", bound=Reorderable)
MemoryT = TypeVar("MemoryT", bound=Reorderable)

StepFunction = Callable[[Tensor, StateT, MemoryT], StepOutput[StateT]]
"""`step(last_tokens (R,), state, memory) -> StepOutput(log_probs (R, V), state, ...)`.

Tokens and state have W rows for each sentence, one sentence after another: R = N * W.
The memory has one row for each sentence, which its W rows share, so a beam needs no
copies of the encoder's output. The search may write into the log-probabilities, which
are as large as all else in a step.
"""


def mask_special_tokens(log_probs: Tensor) -> Tensor:
    """Mask PAD and BOS, which no sentence contains, in single precision or better.

    Args:
        log_probs: The step's scores, (R, V); written to unless in half precision.

    Returns:
        The same, or a copy, with -inf at PAD and BOS, (R, V). Sums of half-precision
        numbers would lose the differences that a search ranks by.
    """
    masked = log_probs.to(torch.promote_types(log_probs.dtype, torch.float32))  # (R, V)
    masked[:, PAD] = -math.inf
    masked[:, BOS] = -math.inf
    return masked


def argmax(log_probs: Tensor) -> Tensor:
    """Return the index of the largest number of each row, (R,).

    On a CPU numpy takes a tenth of torch's time.
    """
    if log_probs.device.type == "cpu":
        return torch.from_numpy(log_probs.detach().numpy().argmax(axis=1))
    return log_probs.argmax(dim=1)


def topk(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the largest numbers of each row and their indices, as `Tensor.topk` does.

    On a CPU a few of short rows are taken by one argmax after another. Longer rows are
    cut into chunks: the largest numbers lie in the chunks with the largest maxima.
    Either takes a third to a half of the time of `Tensor.topk`.

    Args:
        values: (R, V); written to meanwhile.
        count: How many to return of each row, at most V.
    """
    if (
        values.device.type == "cpu"
        and count <= MAX_ARGMAX
        and MIN_ARGMAX <= values.numel() <= len(values) * MAX_ARGMAX_ROW
    ):
        array = values.detach().numpy()
        rows = np.arange(len(array))
        indices = np.empty((len(array), count), np.int64)
        best = np.empty((len(array), count), array.dtype)
        for rank in range(count):
            indices[:, rank] = array.argmax(axis=1)
            best[:, rank] = array[rows, indices[:, rank]]
            array[rows, indices[:, rank]] = -math.inf
        for rank in reversed(range(count)):  # The first of one index is its number.
            array[rows, indices[:, rank]] = best[:, rank]
        if not (best[:, -1] == -math.inf).any():  # Else indices may be repeated.
            return torch.from_numpy(best), torch.from_numpy(indices)
    num_chunks = values.shape[1] // CHUNK_SIZE
    if values.device.type != "cpu" or count * 4 > num_chunks:
        plain = values.topk(count, dim=1)
        return plain.values, plain.indices
    body_size = num_chunks * CHUNK_SIZE
    body, tail = values.split([body_size, values.shape[1] - body_size], dim=1)
    chunks = body.unflatten(1, (num_chunks, CHUNK_SIZE))  # (R, V / 64, 64)
    chosen = chunks.amax(dim=2).topk(count, dim=1).indices  # (R, count)
    candidates = chunks.gather(1, chosen[:, :, None].expand(-1, -1, CHUNK_SIZE))
    candidates = torch.cat(
        [candidates.flatten(1), tail], dim=1
    )  # (R, count * 64 + tail)
    largest, columns = candidates.topk(count, dim=1)  # (R, count)
    slots = columns.div(CHUNK_SIZE, rounding_mode="floor").clamp(max=count - 1)
    in_body = chosen.gather(1, slots) * CHUNK_SIZE + columns % CHUNK_SIZE
    in_tail = columns + (num_chunks - count) * CHUNK_SIZE
    return largest, torch.where(columns < count * CHUNK_SIZE, in_body, in_tail)


def non_finite_scores_error() -> UserError:
    """Return the error for NaN or +inf scores, by which nothing can be ranked."""
    return UserError(
        "the model's scores are not finite: log-probabilities hold NaN or +inf. Its "
        "weights are probably damaged, or its training diverged."
    )
