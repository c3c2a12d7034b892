"""What a beam search is asked for, and what each of its rows leaves behind.

Knows rules, phrases and attention's weights; not log-probabilities or endings.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.lexical_constraints import PhraseConstraints
from seq2seq.search.logits_processors import LogitsProcessors
from seq2seq.search.penalties import HypothesisScorer, missing_attention_error


class SearchContext(NamedTuple):
    """What is asked of sentences under way, a row for each.

    Attributes:
        options: How to search.
        logits_processors: What may not come.
        phrase_constraints: Required phrases, if any.
        source_lengths: Source positions of each, (N,), where coverage counts.
    """

    options: SearchOptions
    logits_processors: LogitsProcessors
    phrase_constraints: PhraseConstraints | None
    source_lengths: Tensor | None

    @classmethod
    def of(cls, demands: DecodingConstraints, options: SearchOptions) -> SearchContext:
        """Gather what sentences and options ask for.

        Raises:
            ValueError: If coverage counts, but there are no source lengths.
        """
        lengths = demands.source_lengths if options.coverage_penalty else None
        if options.coverage_penalty and lengths is None:
            raise missing_attention_error()
        return cls(
            options,
            LogitsProcessors.of(demands, options),
            PhraseConstraints.of(demands),
            lengths,
        )

    def select(self, sentences: Tensor) -> SearchContext:
        """Keep these sentences, in this order."""
        return SearchContext(
            self.options,
            self.logits_processors.select(sentences),
            self.phrase_constraints and self.phrase_constraints.select(sentences),
            None if self.source_lengths is None else self.source_lengths[sentences],
        )

    def coverage_penalty(self, coverage: Tensor) -> Tensor:
        """Return the coverage penalty of every row, (R,)."""
        assert self.source_lengths is not None
        each = len(coverage) // len(self.source_lengths)
        lengths = self.source_lengths.repeat_interleave(each)
        return HypothesisScorer(self.options).coverage_penalty(coverage, lengths)


class BeamState(NamedTuple):
    """What each row leaves behind, as far as anybody asks for it.

    Attributes:
        tokens: What it said, (R, pieces).
        coverage: What it read of each source position in sum, (R, S); None where
            coverage does not count, a zero before the first step.
        constraints_met: The required phrases that it holds, (R, P).
    """

    tokens: Tensor | None
    coverage: Tensor | None
    constraints_met: Tensor | None

    @classmethod
    def initial(
        cls, asked: SearchContext, rows: int, device: torch.device
    ) -> BeamState:
        """Begin with nothing said, as so many rows."""
        history = coverage = held = None
        if asked.logits_processors.needs_tokens or asked.phrase_constraints is not None:
            history = torch.empty(rows, 0, dtype=torch.long, device=device)
        if asked.source_lengths is not None:
            coverage = torch.zeros(rows, 1, device=device)
        if asked.phrase_constraints is not None:
            held = asked.phrase_constraints.lengths == 0
        return cls(history, coverage, held)

    def add_attention(self, weights: Tensor | None) -> BeamState:
        """Add what a step read.

        Raises:
            ValueError: If coverage counts, but the step returned no weights.
        """
        if self.coverage is None:
            return self
        if weights is None:
            raise missing_attention_error()
        return self._replace(coverage=self.coverage + weights)

    def reorder(self, rows: Tensor, pieces: Tensor, held: Tensor | None) -> BeamState:
        """Keep these rows, in this order, and say these pieces."""
        history, coverage = self.tokens, self.coverage
        if history is not None:
            history = torch.cat([history[rows], pieces[:, None]], dim=1)
        if coverage is not None:
            coverage = coverage[rows]
        return BeamState(
            history, coverage, None if held is None else held.flatten(0, 1)
        )
