"""What a hypothesis is worth: log-probability by length, and what was passed over.

Knows sums, lengths and attention's weights; not how hypotheses are found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.recipe import SearchOptions
from seq2seq.types import Hypothesis


@dataclass(frozen=True)
class HypothesisScorer:
    """How hypotheses of different length are compared.

    score = log_prob / norm(length) + coverage penalty. Every piece makes a sum of
    log-probabilities smaller, so without a norm a search prefers short translations.
    The length counts the pieces, and EOS where it was reached.

    Args:
        options: The recipe's search section; read are length_penalty, its kind and
            coverage_penalty.

    Source: Wu et al. 2016, section 7. Their norm, kind gnmt, is ((5 + length) / 6) **
    penalty; the kind power is length ** penalty, which makes 1 the mean.
    """

    options: SearchOptions

    def length_penalty(self, length: int) -> float:
        """Return what a log-probability is divided by; it never falls with length."""
        options, length = self.options, max(length, 1)
        base = length if options.length_penalty_type == "power" else (5 + length) / 6
        return math.pow(base, options.length_penalty)

    def score(self, log_prob: float, length: int, passed_over: float = 0.0) -> float:
        """Return the score of a hypothesis.

        Args:
            log_prob: Sum of its pieces, in nats.
            length: How many log-probabilities it sums.
            passed_over: Its coverage penalty, never above 0.
        """
        return log_prob / self.length_penalty(length) + passed_over

    def upper_bound(self, log_prob: float, limit: int) -> float:
        """Return a score that no hypothesis with this beginning can exceed.

        A beginning of log-probability p <= 0 can only fall to some q <= p, over a
        length n of at most limit + 1 with EOS. As the norm does not fall with length,
        q / norm(n) <= p / norm(n) <= p / norm(limit + 1); and coverage only costs.

        Args:
            log_prob: Of the beginning, or of the likeliest of several.
            limit: The most pieces that it may come to.

        Source: Huang et al. 2017, section 3, who have no norm, or a bounded reward in
        its place.
        """
        return log_prob / self.length_penalty(limit + 1)

    def coverage_penalty(self, coverage: Tensor, source_lengths: Tensor) -> Tensor:
        """Charge source positions that were read for less than one piece in sum.

        Args:
            coverage: Weights summed over all pieces, (R, S).
            source_lengths: Positions that count, (R,).

        Returns:
            The penalty of each row, in nats, never above 0, (R,).

        Source: Wu et al. 2016, equation 14.
        """
        positions = torch.arange(coverage.shape[1], device=coverage.device)
        real = positions < source_lengths[:, None]
        # A weight that underflowed to 0 would make all such hypotheses equal.
        least = torch.finfo(coverage.dtype).tiny
        logs = coverage.clamp(least, 1.0).log().masked_fill(~real, 0.0)
        return self.options.coverage_penalty * logs.sum(dim=1)

    def hypothesis(
        self,
        pieces: Sequence[int],
        log_prob: float,
        *,
        finished: bool,
        passed_over: float = 0.0,
        weights: Tensor | None = None,
    ) -> Hypothesis:
        """Give what a search found its score; a cut hypothesis has no EOS to count."""
        score = self.score(log_prob, len(pieces) + finished, passed_over)
        return Hypothesis(tuple(pieces), log_prob, score, finished, weights)


def missing_attention_error() -> UserError:
    """Say that there is nothing to tell coverage by."""
    return UserError(
        "coverage_penalty needs a model with attention and the source lengths: the "
        "step returned no weights, or the demands hold no source_lengths. Set it to 0."
    )
