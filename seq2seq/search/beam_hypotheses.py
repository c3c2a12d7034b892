"""Which hypotheses of a group of beams have ended, and whether another can still win.

Knows log-probabilities, lengths and scores; not pieces, tensors or the step function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from seq2seq.search.penalties import HypothesisScorer


class FinishedBeam(NamedTuple):
    """A hypothesis as the place in the lattice of its last piece.

    Attributes:
        log_prob: Sum of its log-probabilities.
        score: What it ranks by.
        length: Its pieces, EOS not counted.
        beam_index: The row of the step that ended it, or would have gone on from there.
        finished: Whether it ended with EOS.
        constraints_met: Whether it holds what is required.
        coverage_penalty: Its coverage penalty.
    """

    log_prob: float
    score: float
    length: int
    beam_index: int
    finished: bool
    constraints_met: bool
    coverage_penalty: float


@dataclass
class BeamHypotheses:
    """The endings of one group of beams of one sentence.

    Attributes:
        limit: The most pieces, EOS not counted.
        size: K, the beams of the group.
        num_return: How many hypotheses will be returned.
        ranking: How they rank.
        finished: Those found so far.
        done: Whether no more are looked for.
    """

    limit: int
    size: int
    num_return: int
    ranking: HypothesisScorer
    finished: list[FinishedBeam] = field(default_factory=list)
    done: bool = False
    _bar: float = -math.inf

    def add(
        self,
        log_prob: float,
        *,
        length: int,
        row: int,
        finished: bool = True,
        complete: bool = True,
        passed_over: float = 0.0,
    ) -> None:
        """Enter a hypothesis that finished, or one that was cut."""
        score = self.ranking.score(log_prob, length + finished, passed_over)
        self.finished.append(
            FinishedBeam(log_prob, score, length, row, finished, complete, passed_over)
        )
        if finished and len(self.finished) >= self.num_return:
            # To be returned, a hypothesis has to beat the last that would be now.
            scores = sorted((ending.score for ending in self.finished), reverse=True)
            self._bar = scores[self.num_return - 1]

    def is_done(self, alive: float, length: int) -> bool:
        """Tell whether a group is done after a step, when all who ended are entered.

        Args:
            alive: Log-probability of the likeliest beam that could go on.
            length: Pieces of the beams before that step.
        """
        return (
            alive == -math.inf
            or self.limit <= length
            or self._bar >= self.ranking.upper_bound(alive, self.limit)
            or (
                self.ranking.options.early_stopping is True
                and len(self.finished) >= self.size
            )
        )

    def best(self) -> list[FinishedBeam]:
        """Return those wanted: finished ones first, then by falling score.

        Those that lack something are left out where others do not.
        """
        whole = any(ending.constraints_met for ending in self.finished)
        kept = [
            ending for ending in self.finished if ending.constraints_met or not whole
        ]
        return sorted(kept, key=sort_key)[: self.num_return]


def sort_key(ending: FinishedBeam) -> tuple[bool, float]:
    """Return what puts the better ending first."""
    return not ending.finished, -ending.score
