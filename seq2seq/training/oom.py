"""Out-of-memory recovery: a batch that does not fit is trained on in halves.

A loss is a sum over target tokens, divided by the tokens of the whole optimizer step,
so the halves' gradients add up to the batch's, but for rounding and for which units
dropout takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from seq2seq.errors import UserError
from seq2seq.nn.loss import LossOutput
from seq2seq.types import PAD, Batch
from seq2seq.utils.memory import is_oom_error


class OOMSplitter:
    """Run forward and backward of a batch whole, or in halves where memory is full.

    Args:
        compute: Computes the loss of a batch.
        context: The precision context of a forward pass, entered again for halves.
        warn: Receives one line when a batch is split.
    """

    def __init__(
        self,
        compute: Callable[[Batch], LossOutput],
        context: Callable[[], AbstractContextManager[None]],
        warn: Callable[[str], None],
    ) -> None:
        self.compute = compute
        self.context = context
        self.warn = warn
        self.too_large = math.inf  # Positions of a batch that did not fit.
        self._parts: list[Batch] = []  # Halves that backward has yet to train on.
        self._nll: Tensor | None = None

    def forward(self, batch: Batch) -> LossOutput:
        """Return a batch's loss; if memory is full, one that backward will complete."""
        self.batch, self._parts, self._nll = batch, [], None
        if num_positions(batch) < self.too_large or len(batch.source) == 1:
            try:
                return self.compute(batch)
            except (RuntimeError, MemoryError) as error:
                self._record(error, batch)
        self._parts = split_batch(batch)
        self._nll = torch.zeros((), device=batch.targets.device)
        return LossOutput(torch.zeros_like(self._nll, requires_grad=True), self._nll)

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
            no_gradients_yet = all(p.grad is None for p in parameters)
            try:
                if no_gradients_yet:
                    loss.backward()
                else:
                    accumulate_gradients(loss, parameters)
                return
            except (RuntimeError, MemoryError) as error:
                self._record(error, self.batch)
            if no_gradients_yet:
                for parameter in parameters:
                    parameter.grad = None
            self._parts = split_batch(self.batch)
        while self._parts:
            part = self._parts.pop(0)
            try:
                with self.context():
                    output = self.compute(part)
                accumulate_gradients(output.loss * share, parameters)
                if self._nll is not None:
                    self._nll += output.nll
                continue
            except (RuntimeError, MemoryError) as error:
                self._record(error, part)
            self._parts = split_batch(part) + self._parts

    def _record(self, error: Exception, batch: Batch) -> None:
        """Say that a batch will be split, or raise what splitting does not mend."""
        if not is_oom_error(error):
            raise error
        self.too_large = min(self.too_large, num_positions(batch))
        if batch.targets.device.type == "cuda":
            torch.cuda.empty_cache()
        longest = max(batch.source.shape[1], batch.targets.shape[1])
        if len(batch.source) > 1:
            self.warn(
                f"a batch of {len(batch.source)} sentences, {longest} tokens long, "
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
            "tokens, does not fit in memory. Lower data.max_length or the model's "
            "sizes, or give it more memory."
        )
    parts = []
    for rows in (slice(0, count // 2), slice(count // 2, count)):
        lengths = batch.source_lengths[rows]
        source, longest = int(lengths.max()), batch.targets.shape[1]
        if not batch.targets.is_floating_point():
            longest = int((batch.targets[rows] != PAD).sum(dim=1).max())
        parts.append(
            batch._replace(
                source=batch.source[rows, :source],
                source_lengths=lengths,
                inputs=batch.inputs[rows, :longest],
                targets=batch.targets[rows, :longest],
                indices=batch.indices[rows],
            )
        )
    return parts


def num_positions(batch: Batch) -> int:
    """Count positions, padded ones included."""
    return batch.source.numel() + batch.targets.numel()


def accumulate_gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> None:
    """Add a loss's gradients to the parameters', to all of them or, on error, to none.

    `Tensor.backward` would have changed some of them by the time that memory is full.
    """
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:
            continue
        if parameter.grad is None:
            parameter.grad = gradient
        else:
            parameter.grad += gradient
