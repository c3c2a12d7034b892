"""Token-based batch sampling with bucketing: the batches of an epoch, from its seed.

Pairs of similar length share a batch, so that padding is rare; a batch has a budget of
padded tokens instead of a number of sentences. The batches of one optimizer step are
planned together, with the step's number of tokens, so that the loss is the same however
they are spread over gradient accumulation and ranks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.errors import UserError
from seq2seq.utils.text import with_noun

Indices = NDArray[np.int64]


class PlannedBatch(NamedTuple):
    """The pairs of one batch.

    Attributes:
        indices: Index of each pair in the dataset, (N,).
        num_tokens: Target tokens, EOS included, of the whole optimizer step that the
            batch belongs to; None: the batch's own.
    """

    indices: Indices
    num_tokens: int | None


class TokenBatchSampler:
    """Batches of similar lengths within a budget of padded tokens, shuffled per epoch.

    Args:
        source_lengths: Tokens of each source, EOS included, (num_pairs,).
        target_lengths: Tokens of each target, EOS included, (num_pairs,).
        batch_tokens: Maximum of padded tokens in a batch, on its longer side; a pair
            that is longer is a batch by itself.
        batches_per_step: Batches in an optimizer step: accumulated ones times ranks.
        seed: Seed of the order of batches, together with the epoch.
        mix_lengths: Whether batches are drawn from all pairs, not from those of similar
            length: equally many, as if each were the longest; a rest below half a
            batch joins the last.

    Raises:
        ValueError: If there are no pairs or the budget is below 1.
        UserError: If the pairs make fewer batches than whole steps need.
    """

    def __init__(
        self,
        source_lengths: Indices,
        target_lengths: Indices,
        *,
        batch_tokens: int,
        batches_per_step: int = 1,
        seed: int = 0,
        mix_lengths: bool = False,
    ) -> None:
        if len(source_lengths) == 0 or len(source_lengths) != len(target_lengths):
            raise ValueError(
                f"{len(source_lengths)} source and {len(target_lengths)} target lengths"
                " came; at least one of each is needed, and as many of both."
            )
        if batch_tokens < 1 or batches_per_step < 1:
            raise ValueError("batch_tokens and batches_per_step must be at least 1.")
        self.source_lengths = source_lengths
        self.target_lengths = target_lengths
        self.batches_per_step = batches_per_step
        self.seed = seed
        self.mix_lengths = mix_lengths
        # Sorted lengths are the same in every epoch, only ties are broken differently;
        # so the boundaries, and with them the number of batches, are the same as well.
        order = np.lexsort((source_lengths, target_lengths))
        self._boundaries = self._batch_boundaries(order, batch_tokens)
        if self.batches_per_epoch % batches_per_step:
            pairs = with_noun(len(source_lengths), "pair")
            batches = with_noun(self.batches_per_epoch, "batch", "es")
            raise UserError(
                f"{pairs} can make {batches}, but an optimizer step needs "
                f"{batches_per_step}: train.accumulate_grad_batches for each of the "
                "processes (--devices). Lower either, or add text."
            )

    @property
    def batches_per_epoch(self) -> int:
        """Batches in an epoch; a multiple of batches_per_step."""
        return len(self._boundaries) - 1

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        return self.batches_per_epoch // self.batches_per_step

    def plan_epoch(self, epoch: int) -> list[PlannedBatch]:
        """Return the batches of an epoch in random order; they cover every pair once.

        The very first step has the largest batches, so that running out of memory
        shows at once and not after hours.
        """
        random = np.random.default_rng([self.seed, epoch])
        tie_breaker = random.permutation(len(self.source_lengths))
        order = tie_breaker
        if not self.mix_lengths:
            order = np.lexsort((order, self.source_lengths, self.target_lengths))
        batches = np.split(order, self._boundaries[1:-1])
        batch_order = random.permutation(len(batches)).tolist()
        if epoch == 0:
            by_size = sorted(batch_order, key=lambda i: -self._padded_size(batches[i]))
            largest = by_size[: self.batches_per_step]
            batch_order = largest + [i for i in batch_order if i not in largest]
        shuffled = [batches[i] for i in batch_order]
        plan: list[PlannedBatch] = []
        for start in range(0, len(shuffled), self.batches_per_step):
            step = shuffled[start : start + self.batches_per_step]
            num_tokens = int(sum(self.target_lengths[batch].sum() for batch in step))
            plan += [PlannedBatch(batch, num_tokens) for batch in step]
        return plan

    def _padded_size(self, indices: Indices) -> int:
        """Count the padded tokens of a batch, both sides together."""
        source, target = self.source_lengths[indices], self.target_lengths[indices]
        return len(indices) * int(source.max() + target.max())

    def padding_efficiency(self) -> tuple[float, float]:
        """Return the share of non-padding tokens, of sources and of targets."""
        shares = []
        order = np.lexsort((self.source_lengths, self.target_lengths))
        for lengths in (self.source_lengths, self.target_lengths):
            batches = np.split(lengths[order], self._boundaries[1:-1])
            padded = sum(int(batch.max()) * len(batch) for batch in batches)
            shares.append(int(lengths.sum()) / padded)
        return shares[0], shares[1]

    def _batch_boundaries(self, order: Indices, batch_tokens: int) -> list[int]:
        """Return the start of each batch in sorted order, and the end of the last."""
        lengths = np.maximum(self.source_lengths, self.target_lengths)[order].tolist()
        boundaries, max_length = [0], 0
        for position, length in enumerate(lengths):
            max_length = max(max_length, length)
            size = position - boundaries[-1] + 1
            if size > 1 and size * max_length > batch_tokens:
                boundaries.append(position)
                max_length = length
        boundaries.append(len(lengths))
        if self.mix_lengths:
            size = max(1, batch_tokens // max(lengths))
            rest = len(lengths) - size // 2
            boundaries = [0, *range(size, rest, size), len(lengths)]
        # Every step needs the same number of batches: halve the largest ones.
        while (len(boundaries) - 1) % self.batches_per_step:
            sizes = np.diff(boundaries)
            largest = int(sizes.argmax())
            if sizes[largest] == 1:
                break
            middle = boundaries[largest] + int(sizes[largest]) // 2
            boundaries.insert(largest + 1, middle)
        return boundaries
