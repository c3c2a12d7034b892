"""The best combinations of the hypotheses of a line's segments."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from seq2seq.translate.constraints import TokenizedConstraints
from seq2seq.types import Hypothesis

MAX_COMBINATIONS = 1000
"""Combinations of a line for each translation that is to be returned."""

Candidate: TypeAlias = tuple[str, Hypothesis]
"""A hypothesis of a segment with its text."""


class Cost(NamedTuple):
    """What the better combination has less of.

    Attributes:
        truncated: Hypotheses that the length limit truncated.
        score: The negative sum of the scores.
    """

    truncated: int
    score: float


@dataclass
class LineHypotheses:
    """Distinct translations of a line that satisfy its constraints, best first.

    Attributes:
        n_best: Maximal number.
        gaps: White space before the translation of each segment.
        constraints: The line's constraints, if it has several segments and any. Each
            segment satisfies them, but a forbidden phrase may begin in one and end in
            another.
    """

    n_best: int
    gaps: Sequence[str]
    constraints: TokenizedConstraints | None
    _distinct: dict[str, list[Hypothesis]] = field(default_factory=dict)
    _violation: str = ""

    def valid(self) -> dict[str, list[Hypothesis]]:
        """Return the translations, each with the hypotheses of its segments.

        Raises:
            UserError: If there is none.
        """
        if not self._distinct and self.constraints is not None:
            raise self.constraints.unsatisfied_error(self._violation)
        return self._distinct

    def add(self, combination: Sequence[Candidate]) -> Iterable[int]:
        """Add a combination, unless it violates the constraints.

        Args:
            combination: A candidate for each segment.

        Returns:
            The segments of which one has to change next: all, or those that the
            forbidden phrase is in.
        """
        text, ends = self._join([text for text, _ in combination])
        violation = self.constraints.violation(text) if self.constraints else ""
        segments = range(len(combination))
        if not violation or self.constraints is None:
            hypotheses = [hypothesis for _, hypothesis in combination]
            self._distinct.setdefault(text, hypotheses)
            return segments
        self._violation = self._violation or violation
        start, end = self.constraints.banned_span(text) or (0, len(text))
        # The characters beside it decide whether it is a word.
        starts = [0, *ends]
        return [i for i in segments if starts[i] <= end + 1 and start - 1 <= ends[i]]

    def add_best(self, candidates: Sequence[Sequence[tuple[Candidate, Cost]]]) -> None:
        """Add the best combinations, lazily and best first.

        A heap holds combinations of which all better ones came before: each is made
        from a better one by the next candidate of one segment.

        Args:
            candidates: The candidates of each segment with their costs, best first.

        Source: Huang and Chiang 2005 (Better k-best parsing), section 4.2.
        """
        heap: list[tuple[Cost, tuple[tuple[int, int], ...]]] = [(Cost(0, 0.0), ())]
        queued = {heap[0][1]}  # Ranks above 0, by segment.
        for _ in range(MAX_COMBINATIONS * self.n_best):
            if not heap:
                return
            cost, ranks = heapq.heappop(heap)
            rank_of = dict(ranks)
            segments = self.add(
                [items[rank_of.get(i, 0)][0] for i, items in enumerate(candidates)]
            )
            if len(self._distinct) == self.n_best:
                return
            for index in segments:
                rank = rank_of.get(index, 0)
                following = tuple(sorted((rank_of | {index: rank + 1}).items()))
                if rank + 1 == len(candidates[index]) or following in queued:
                    continue
                queued.add(following)
                old, new = (candidates[index][r][1] for r in (rank, rank + 1))
                truncated = cost.truncated + new.truncated - old.truncated
                score = cost.score + new.score - old.score
                heapq.heappush(heap, (Cost(truncated, score), following))

    def _join(self, texts: Sequence[str]) -> tuple[str, list[int]]:
        """Join translations with the white space before each.

        Returns:
            The text without line feeds, which some tokens spell, and where each ends.
        """
        parts: list[str] = []
        ends: list[int] = []
        length = 0
        for text, gap in zip(texts, self.gaps, strict=True):
            if text:
                parts.append(gap + text if length else text)
                length += len(parts[-1])
            ends.append(length)
        joined = "".join(parts)
        return joined.replace("\n", " ").replace("\r", " "), ends
