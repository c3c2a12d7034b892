"""Per-beam state that a beam search carries from step to step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.logits_processors import needs_tokens
from seq2seq.search.penalties import missing_attention_error


class Continuations(NamedTuple):
    """The W beams of each of N groups that go on after a step.

    Attributes:
        log_probs: Sums of log-probabilities, (N, W); -inf for a beam that is none.
        tokens: Their new tokens, (N, W).
        rows: The rows of the step that they continue, (N, W).
        constraints_met: The required phrases that each contains, (N, W, P), or None.
    """

    log_probs: Tensor
    tokens: Tensor
    rows: Tensor
    constraints_met: Tensor | None


class BeamState(NamedTuple):
    """Per-beam state carried from step to step, of N groups of W beams, R = N * W.

    Attributes:
        log_probs: Sums of log-probabilities, (N, W); -inf for a beam that is none.
        tokens: Generated tokens, (R, length); stays (R, 0) unless keep_tokens.
        keep_tokens: Whether a constraint needs the tokens.
        coverage: Sum of attention weights, (R, S); None without coverage penalty, a
            zero before the first step.
        constraints_met: The required phrases that each beam contains, (R, P); None
            without required phrases.
    """

    log_probs: Tensor
    tokens: Tensor
    keep_tokens: bool
    coverage: Tensor | None
    constraints_met: Tensor | None

    @classmethod
    def initial(
        cls, constraints: DecodingConstraints, options: SearchOptions, num_groups: int
    ) -> BeamState:
        """Return one empty beam for each group: K equal ones would stay equal."""
        device, phrases = constraints.max_lengths.device, constraints.required_phrases
        coverage = None
        if options.coverage_penalty:
            coverage = torch.zeros(num_groups, 1, device=device)
        return cls(
            torch.zeros(num_groups, 1, device=device),
            torch.empty(num_groups, 0, dtype=torch.long, device=device),
            needs_tokens(constraints, options),
            coverage,
            None if phrases is None else phrases.lengths == 0,
        )

    def add_attention(self, attention: Tensor | None) -> BeamState:
        """Add a step's attention weights to the coverage.

        Raises:
            ValueError: If there is a coverage penalty, but no attention.
        """
        if self.coverage is None:
            return self
        if attention is None:
            raise missing_attention_error()
        return self._replace(coverage=self.coverage + attention)  # (R, S)

    def reorder(self, continuations: Continuations) -> BeamState:
        """Return the state of the beams that go on."""
        log_probs, last, rows, constraints_met = continuations
        rows, tokens, coverage = rows.flatten(), self.tokens, self.coverage
        if self.keep_tokens:
            tokens = torch.cat([tokens[rows], last.view(-1, 1)], dim=1)
        if coverage is not None:
            coverage = coverage[rows]
        if constraints_met is not None:
            constraints_met = constraints_met.flatten(0, 1)
        return BeamState(log_probs, tokens, self.keep_tokens, coverage, constraints_met)
