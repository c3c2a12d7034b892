"""Which hypotheses of a group of beams have ended, and whether another can still win.

Knows log-probabilities, lengths and scores; not pieces, tensors or the step function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from seq2seq.search.penalties import Ranking


class Ending(NamedTuple):
    """A hypothesis as the place in the lattice of its last piece.

    Attributes:
        log_prob: Sum of its log-probabilities.
        score: What it ranks by.
        length: Its pieces, EOS not counted.
        row: The row of the step that ended it, or would have gone on from there.
        finished: Whether it ended with EOS.
        complete: Whether it holds what is required.
        passed_over: Its coverage penalty.
    """

    log_prob: float
    score: float
    length: int
    row: int
    finished: bool
    complete: bool
    passed_over: float


@dataclass
class Contest:
    """The endings of one group of beams of one sentence.

    Attributes:
        limit: The most pieces, EOS not counted.
        size: K, the beams of the group.
        wanted: How many hypotheses will be returned.
        ranking: How they rank.
        endings: Those found so far.
        done: Whether no more are looked for.
    """

    limit: int
    size: int
    wanted: int
    ranking: Ranking
    endings: list[Ending] = field(default_factory=list)
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
        self.endings.append(
            Ending(log_prob, score, length, row, finished, complete, passed_over)
        )
        if finished and len(self.endings) >= self.wanted:
            # To be returned, a hypothesis has to beat the last that would be now.
            scores = sorted((ending.score for ending in self.endings), reverse=True)
            self._bar = scores[self.wanted - 1]

    def is_over(self, alive: float, length: int) -> bool:
        """Tell whether a group is done after a step, when all who ended are entered.

        Args:
            alive: Log-probability of the likeliest beam that could go on.
            length: Pieces of the beams before that step.
        """
        return (
            alive == -math.inf
            or self.limit <= length
            or self._bar >= self.ranking.bound(alive, self.limit)
            or (self.ranking.options.stop == "count" and len(self.endings) >= self.size)
        )

    def best(self) -> list[Ending]:
        """Return those wanted: finished ones first, then by falling score.

        Those that lack something are left out where others do not.
        """
        whole = any(ending.complete for ending in self.endings)
        kept = [ending for ending in self.endings if ending.complete or not whole]
        return sorted(kept, key=rank)[: self.wanted]


def rank(ending: Ending) -> tuple[bool, float]:
    """Return what puts the better ending first."""
    return not ending.finished, -ending.score
