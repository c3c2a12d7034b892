"""Which pairs stand in which batch, and in what order: a pure function of the seed.

Knows lengths and numbers; not text or tensors. Sentences of like length share a batch,
so that little of it is padding; batches have a budget of padded pieces; every group of
batches that makes one optimizer step is planned whole, with its number of tokens, so
that accumulation and ranks change nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


class PlannedBatch(NamedTuple):
    """One batch to be.

    Attributes:
        indices: Which pairs, (N,).
        num_tokens: Target tokens, EOS included, of the whole optimizer step it belongs to.
    """

    indices: Numbers
    num_tokens: int


class TokenBatchSampler:
    """The batches of every epoch.

    Args:
        source_lengths: Pieces of each source, EOS included, (pairs,).
        target_lengths: Pieces of each target, EOS included, (pairs,).
        batch_tokens: Most padded pieces of the longer side in a batch; a pair that is
            longer stands alone.
        step_batches: Batches to an optimizer step: accumulated ones times ranks.
        seed: What the order depends on, besides the epoch.

    Raises:
        ValueError: If there are no pairs or the budget is below 1.
    """

    def __init__(
        self,
        source_lengths: Numbers,
        target_lengths: Numbers,
        *,
        batch_tokens: int,
        step_batches: int = 1,
        seed: int = 0,
    ) -> None:
        if len(source_lengths) == 0 or len(source_lengths) != len(target_lengths):
            raise ValueError(
                f"{len(source_lengths)} source and {len(target_lengths)} target lengths"
                " came; at least one of each is needed, and as many of both."
            )
        if batch_tokens < 1 or step_batches < 1:
            raise ValueError("batch_tokens and step_batches must be at least 1.")
        self.source_lengths = source_lengths
        self.target_lengths = target_lengths
        self.step_batches = step_batches
        self.seed = seed
        # Rows sorted by length are the same in every epoch but for ties, so the cuts,
        # and with them the number of batches, are the same as well.
        order = np.lexsort((source_lengths, target_lengths))
        self._cuts = self._cut(order, batch_tokens)

    @property
    def batches(self) -> int:
        """Batches in an epoch, a multiple of step_batches unless pairs are too few."""
        return len(self._cuts) - 1

    @property
    def steps(self) -> int:
        """Optimizer steps in an epoch."""
        return -(-self.batches // self.step_batches)

    def epoch(self, number: int) -> list[PlannedBatch]:
        """Plan one epoch: every pair once, batches of like lengths, in random order.

        The very first step has the largest batches: what does not fit into memory
        shows at once, and not after hours.
        """
        random = np.random.default_rng([self.seed, number])
        tie = random.permutation(len(self.source_lengths))
        order = np.lexsort((tie, self.source_lengths, self.target_lengths))
        batches = np.split(order, self._cuts[1:-1])
        turns = random.permutation(len(batches)).tolist()
        if number == 0:
            largest = sorted(turns, key=lambda i: -self._size(batches[i]))
            lead = largest[: self.step_batches]
            turns = lead + [i for i in turns if i not in lead]
        shuffled = [batches[i] for i in turns]
        planned: list[PlannedBatch] = []
        for first in range(0, len(shuffled), self.step_batches):
            group = shuffled[first : first + self.step_batches]
            tokens = int(sum(self.target_lengths[rows].sum() for rows in group))
            planned += [PlannedBatch(rows, tokens) for rows in group]
        return planned

    def _size(self, rows: Numbers) -> int:
        """Count the padded pieces of a batch, both sides together."""
        longest = self.source_lengths[rows].max() + self.target_lengths[rows].max()
        return len(rows) * int(longest)

    def padding_efficiency(self) -> tuple[float, float]:
        """Return the share of padded pieces that are real, of sources and targets."""
        shares = []
        order = np.lexsort((self.source_lengths, self.target_lengths))
        for lengths in (self.source_lengths, self.target_lengths):
            batches = np.split(lengths[order], self._cuts[1:-1])
            padded = sum(int(batch.max()) * len(batch) for batch in batches)
            shares.append(int(lengths.sum()) / padded)
        return shares[0], shares[1]

    def _cut(self, order: Numbers, batch_tokens: int) -> list[int]:
        """Return where batches begin in the sorted rows, and the end of the last."""
        longer = np.maximum(self.source_lengths, self.target_lengths)[order].tolist()
        cuts, longest = [0], 0
        for position, length in enumerate(longer):
            longest = max(longest, length)
            size = position - cuts[-1] + 1
            if size > 1 and size * longest > batch_tokens:
                cuts.append(position)
                longest = length
        cuts.append(len(longer))
        # Every step needs the same number of batches: halve the largest ones.
        while (len(cuts) - 1) % self.step_batches:
            sizes = np.diff(cuts)
            largest = int(sizes.argmax())
            if sizes[largest] == 1:
                break
            cuts.insert(largest + 1, cuts[largest] + int(sizes[largest]) // 2)
        return cuts
