"""A batch that does not fit in memory is trained on in halves.

Knows batches, gradients and torch's errors; not what the loss is. A loss is a sum over
target tokens and is divided by the tokens of the whole step, so the halves' gradients
add up to the batch's, up to rounding and to which units dropout takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from seq2seq.errors import UserError
from seq2seq.nn.loss import LossOutput
from seq2seq.types import Batch
from seq2seq.utils.memory import is_oom_error

Say = Callable[[str], None]


class OOMSplitter:
    """Goes through a batch whole, or in halves, and halves of these, if it must.

    Args:
        compute: The loss of a batch; Lightning has it in a context of its own, which
            `context` enters again for halves.
        context: What a forward pass runs in.
    """

    def __init__(
        self,
        compute: Callable[[Batch], LossOutput],
        context: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.compute = compute
        self.context = context
        self.say: Say = print
        self.too_large = math.inf  # Positions of a batch that did not fit.
        self._parts: list[Batch] = []  # What backward has yet to go through.
        self._nats: Tensor | None = None

    def forward(self, batch: Batch) -> LossOutput:
        """Return a batch's loss; if memory is full, one that backward will complete."""
        self.batch, self._parts, self._nats = batch, [], None
        if num_positions(batch) < self.too_large or len(batch.source) == 1:
            try:
                return self.compute(batch)
            except (RuntimeError, MemoryError) as error:
                self._note(error, batch)
        self._parts = split_batch(batch)
        self._nats = torch.zeros((), device=batch.targets.device)
        return LossOutput(torch.zeros_like(self._nats, requires_grad=True), self._nats)

    def backward(
        self, loss: Tensor, parameters: Sequence[nn.Parameter], *, share: float
    ) -> None:
        """Add gradients to the parameters'.

        Args:
            loss: What forward returned, perhaps multiplied since.
            parameters: What is trained.
            share: What it was multiplied by.
        """
        if not self._parts:
            untouched = all(each.grad is None for each in parameters)
            try:
                if untouched:
                    loss.backward()
                else:
                    accumulate_gradients(loss, parameters)
                return
            except (RuntimeError, MemoryError) as error:
                self._note(error, self.batch)
            if untouched:
                for each in parameters:
                    each.grad = None
            self._parts = split_batch(self.batch)
        while self._parts:
            part = self._parts.pop(0)
            try:
                with self.context():
                    found = self.compute(part)
                accumulate_gradients(found.loss * share, parameters)
                if self._nats is not None:
                    self._nats += found.nll
                continue
            except (RuntimeError, MemoryError) as error:
                self._note(error, part)
            self._parts = split_batch(part) + self._parts

    def _note(self, error: Exception, batch: Batch) -> None:
        """Say that a batch will be split, or raise what splitting does not mend."""
        if not is_oom_error(error):
            raise error
        self.too_large = min(self.too_large, num_positions(batch))
        if batch.targets.device.type == "cuda":
            torch.cuda.empty_cache()
        longest = max(batch.source.shape[1], batch.targets.shape[1])
        if len(batch.source) > 1:
            self.say(
                f"a batch of {len(batch.source)} sentences, {longest} pieces long, "
                "does not fit in memory; it is split in halves, and so are others as "
                "large. A lower train.batch_tokens avoids this."
            )


def split_batch(batch: Batch) -> list[Batch]:
    """Split the sentences in two, without the padding that a half no longer needs.

    Raises:
        InputError: If there is only one.
    """
    count = len(batch.source)
    if count == 1:
        row, source = int(batch.indices[0]), batch.source.shape[1]
        raise UserError(
            f"pair {row} alone, of {source} source and {batch.targets.shape[1]} target "
            "pieces, does not fit in memory. Lower data.max_length or the model's "
            "sizes, or give it more memory."
        )
    found = []
    for rows in (slice(0, count // 2), slice(count // 2, count)):
        lengths = batch.source_lengths[rows]
        source, target = int(lengths.max()), batch.targets[rows] != 0
        longest = int(target.sum(dim=1).max())
        found.append(
            batch._replace(
                source=batch.source[rows, :source],
                source_lengths=lengths,
                inputs=batch.inputs[rows, :longest],
                targets=batch.targets[rows, :longest],
                indices=batch.indices[rows],
            )
        )
    return found


def num_positions(batch: Batch) -> int:
    """Count positions, padded ones included."""
    return batch.source.numel() + batch.targets.numel()


def accumulate_gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> None:
    """Add a loss's gradients to the parameters', to all of them or, on error, to none.

    `Tensor.backward` would have changed some of them by the time that memory is full.
    """
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, found, strict=True):
        if gradient is None:
            continue
        if parameter.grad is None:
            parameter.grad = gradient
        else:
            parameter.grad += gradient
