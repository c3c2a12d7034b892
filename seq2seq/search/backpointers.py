"""What every step of a beam chose, and hypotheses read back from it.

Knows rows, pieces and weights; not how they were chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor

from seq2seq.search.beam_hypotheses import FinishedBeam, sort_key
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.types import Hypothesis


@dataclass
class BackpointerTable:
    """The steps of one search, in order.

    Attributes:
        backpointers: For each step the pieces it read, and the rows of the step before
            that they follow, (2, R).
        attention: For each step what it read of the source, (R, S); none without
            attention.
    """

    backpointers: list[Tensor] = field(default_factory=list)
    attention: list[Tensor] = field(default_factory=list)

    def hypotheses(
        self,
        endings: list[list[list[FinishedBeam]]],
        ranking: HypothesisScorer,
        count: int,
    ) -> list[list[Hypothesis]]:
        """Read back the best hypotheses.

        Where a sentence has several groups, each gives its best, then each its second,
        until there are enough.

        Args:
            endings: Of each sentence, of each group, best first.
            ranking: How they are ranked.
            count: The most to return of each sentence.

        Returns:
            Of each sentence, different ones, finished ones first, then by falling
            score.
        """
        sizes = [part.shape[1] for part in self.backpointers]
        together = torch.cat(
            self.backpointers, dim=1
        ).cpu()  # One wait, not one a step.
        links = [p.tolist() for p in torch.split_with_sizes(together, sizes, dim=1)]
        firsts = [0, *accumulate(sizes)]

        chosen: list[list[tuple[list[int], FinishedBeam, list[int]]]] = []
        for groups in endings:
            turns = [
                (turn, sort_key(ending), ending)
                for group in groups
                for turn, ending in enumerate(group)
            ]
            turns.sort(key=lambda item: item[:2])
            best: dict[tuple[int, ...], tuple[list[int], FinishedBeam, list[int]]] = {}
            for _, _, ending in turns:
                pieces, rows = _read_back(links, ending)
                best.setdefault(tuple(pieces), (pieces, ending, rows))
                if len(best) == count:
                    break
            chosen.append(sorted(best.values(), key=lambda item: sort_key(item[1])))

        # All weights in one selection: where each of them lies, end to end.
        places = [
            firsts[step] + row
            for best_of_one in chosen
            for _, _, rows in best_of_one
            for step, row in enumerate(rows)
        ]
        read: Tensor | None = None
        if self.attention:
            everything = torch.cat(self.attention)
            read = everything[torch.tensor(places, device=everything.device)].cpu()
        found: list[list[Hypothesis]] = []
        done = 0
        for best_of_one in chosen:
            found.append([])
            for pieces, ending, rows in best_of_one:
                weights = None if read is None else read[done : done + len(rows)]
                done += len(rows)
                found[-1].append(
                    ranking.hypothesis(
                        pieces,
                        ending.log_prob,
                        finished=ending.finished,
                        passed_over=ending.coverage_penalty,
                        weights=weights,
                    )
                )
        return found


def _read_back(
    links: list[list[list[int]]], ending: FinishedBeam
) -> tuple[list[int], list[int]]:
    """Follow the rows from the last piece to the first.

    Returns:
        The pieces, and the row of each step that chose one of them, or EOS.
    """
    row = ending.beam_index
    pieces: list[int] = []
    rows: list[int] = [row] if ending.finished else []
    for chosen, before in reversed(links[1 : ending.length + 1]):
        pieces.append(chosen[row])
        row = before[row]
        rows.append(row)
    return pieces[::-1], rows[::-1]
