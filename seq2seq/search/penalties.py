"""Scores of hypotheses: length normalisation and coverage penalty (Wu et al. 2016)."""

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
    """Scores hypotheses of different length, so that they can be compared.

    score = log_prob / length_penalty(length) + coverage_penalty. Every token makes a
    sum of log-probabilities smaller, so without normalisation a search prefers short
    translations. The length counts the tokens, and EOS where it was reached.

    Args:
        options: The recipe's search section: length_penalty, length_penalty_type and
            coverage_penalty.

    Source: Wu et al. 2016, section 7. Their length penalty, type gnmt, is ((5 +
    length) / 6) ** penalty; type power is length ** penalty, which makes 1 the mean.
    """

    options: SearchOptions

    def length_penalty(self, length: int) -> float:
        """Return the divisor of a log-probability; it never falls with length."""
        options, length = self.options, max(length, 1)
        base = length if options.length_penalty_type == "power" else (5 + length) / 6
        return math.pow(base, options.length_penalty)

    def score(
        self, log_prob: float, length: int, coverage_penalty: float = 0.0
    ) -> float:
        """Return the score of a hypothesis.

        Args:
            log_prob: Sum of its log-probabilities, in nats.
            length: How many it sums.
            coverage_penalty: Its coverage penalty, never above 0.
        """
        return log_prob / self.length_penalty(length) + coverage_penalty

    def upper_bound(self, log_prob: float, max_length: int) -> float:
        """Return a score that no continuation of a hypothesis can exceed.

        A hypothesis of log-probability p <= 0 can only fall to some q <= p, over a
        length n of at most max_length + 1 with EOS. As the length penalty does not fall
        with length, q / penalty(n) <= p / penalty(n) <= p / penalty(max_length + 1);
        and the coverage penalty is never above 0.

        Args:
            log_prob: Of the hypothesis, or of the likeliest of several.
            max_length: Maximum number of its tokens.

        Source: Huang et al. 2017, section 3, who have no length penalty, or a bounded
        reward in its place.
        """
        return log_prob / self.length_penalty(max_length + 1)

    def coverage_penalty(
        self, coverage: Tensor, source_lengths: Tensor | None
    ) -> Tensor:
        """Penalise source positions whose summed attention is below 1.

        Args:
            coverage: Attention weights summed over all tokens, (R, S).
            source_lengths: Positions that count, (N,), each for R / N rows.

        Returns:
            The penalty of each row, in nats, never above 0, (R,).

        Raises:
            ValueError: If there are no source lengths.

        Source: Wu et al. 2016, equation 14.
        """
        if source_lengths is None:
            raise missing_attention_error()
        lengths = source_lengths.repeat_interleave(len(coverage) // len(source_lengths))
        positions = torch.arange(coverage.shape[1], device=coverage.device)
        mask = positions < lengths[:, None]  # (R, S)
        # A weight that underflowed to 0 would make all such hypotheses equal.
        least = torch.finfo(coverage.dtype).tiny
        logs = coverage.clamp(least, 1.0).log().masked_fill(~mask, 0.0)  # (R, S)
        return self.options.coverage_penalty * logs.sum(dim=1)

    def hypothesis(
        self,
        tokens: Sequence[int],
        log_prob: float,
        *,
        finished: bool,
        coverage_penalty: float = 0.0,
        attention: Tensor | None = None,
        token_log_probs: Sequence[float] | None = None,
    ) -> Hypothesis:
        """Return a scored hypothesis; one that is cut has no EOS to count."""
        score = self.score(log_prob, len(tokens) + finished, coverage_penalty)
        return Hypothesis(
            tuple(tokens), log_prob, score, finished, attention, token_log_probs
        )


def missing_attention_error() -> UserError:
    """Return the error for a coverage penalty without attention weights or lengths."""
    return UserError(
        "coverage_penalty needs a model with attention and the source lengths: the "
        "step returned no attention weights, or the constraints have no "
        "source_lengths. Set it to 0."
    )
