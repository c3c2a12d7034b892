"""What a beam search is asked for, and what each of its rows leaves behind.

Knows rules, phrases and attention's weights; not log-probabilities or endings.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.constraints import Demands
from seq2seq.search.lexical_constraints import Needs
from seq2seq.search.logits_processors import Rules
from seq2seq.search.penalties import Ranking, no_weights


class Asked(NamedTuple):
    """What is asked of sentences under way, a row for each.

    Attributes:
        options: How to search.
        rules: What may not come.
        needs: Required phrases, if any.
        source_lengths: Source positions of each, (N,), where coverage counts.
    """

    options: SearchOptions
    rules: Rules
    needs: Needs | None
    source_lengths: Tensor | None

    @classmethod
    def of(cls, demands: Demands, options: SearchOptions) -> Asked:
        """Gather what sentences and options ask for.

        Raises:
            ValueError: If coverage counts, but there are no source lengths.
        """
        lengths = demands.source_lengths if options.coverage_penalty else None
        if options.coverage_penalty and lengths is None:
            raise no_weights()
        return cls(options, Rules.of(demands, options), Needs.of(demands), lengths)

    def select(self, sentences: Tensor) -> Asked:
        """Keep these sentences, in this order."""
        return Asked(
            self.options,
            self.rules.select(sentences),
            self.needs and self.needs.select(sentences),
            None if self.source_lengths is None else self.source_lengths[sentences],
        )

    def passed_over(self, coverage: Tensor) -> Tensor:
        """Return the coverage penalty of every row, (R,)."""
        assert self.source_lengths is not None
        each = len(coverage) // len(self.source_lengths)
        lengths = self.source_lengths.repeat_interleave(each)
        return Ranking(self.options).passed_over(coverage, lengths)


class Track(NamedTuple):
    """What each row leaves behind, as far as anybody asks for it.

    Attributes:
        history: What it said, (R, pieces).
        coverage: What it read of each source position in sum, (R, S); None where
            coverage does not count, a zero before the first step.
        held: The required phrases that it holds, (R, P).
    """

    history: Tensor | None
    coverage: Tensor | None
    held: Tensor | None

    @classmethod
    def start(cls, asked: Asked, rows: int, device: torch.device) -> Track:
        """Begin with nothing said, as so many rows."""
        history = coverage = held = None
        if asked.rules.read_history or asked.needs is not None:
            history = torch.empty(rows, 0, dtype=torch.long, device=device)
        if asked.source_lengths is not None:
            coverage = torch.zeros(rows, 1, device=device)
        if asked.needs is not None:
            held = asked.needs.lengths == 0
        return cls(history, coverage, held)

    def read(self, weights: Tensor | None) -> Track:
        """Add what a step read.

        Raises:
            ValueError: If coverage counts, but the step returned no weights.
        """
        if self.coverage is None:
            return self
        if weights is None:
            raise no_weights()
        return self._replace(coverage=self.coverage + weights)

    def follow(self, rows: Tensor, pieces: Tensor, held: Tensor | None) -> Track:
        """Keep these rows, in this order, and say these pieces."""
        history, coverage = self.history, self.coverage
        if history is not None:
            history = torch.cat([history[rows], pieces[:, None]], dim=1)
        if coverage is not None:
            coverage = coverage[rows]
        return Track(history, coverage, None if held is None else held.flatten(0, 1))
