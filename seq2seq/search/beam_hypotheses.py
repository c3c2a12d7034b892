"""Finished hypotheses of a beam group, the stopping criterion, and backpointers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.search.penalties import HypothesisScorer
from seq2seq.types import Hypothesis


class FinishedBeam(NamedTuple):
    """A hypothesis that ended or was cut, by its last entry in the backpointer table.

    Attributes:
        log_prob: Sum of its log-probabilities.
        score: What it is ranked by.
        length: Its tokens, EOS not counted.
        beam_index: The row of the step that ended it, or would have continued it.
        finished: Whether it ended with EOS.
        constraints_met: Whether it contains all required phrases.
        coverage_penalty: Its coverage penalty.
    """

    log_prob: float
    score: float
    length: int
    beam_index: int
    finished: bool
    constraints_met: bool
    coverage_penalty: float

    @property
    def sort_key(self) -> tuple[bool, float]:
        """What the better hypothesis has the smaller of: finished first, then score."""
        return not self.finished, -self.score


@dataclass
class BeamHypotheses:
    """The finished hypotheses of one group of beams of one sentence.

    Attributes:
        max_length: Maximum number of tokens, EOS not counted.
        beam_size: K, the beams of the group.
        num_return: How many hypotheses will be returned.
        scorer: How they are scored.
        finished: Those so far.
        done: Whether the search of this group has stopped.
    """

    max_length: int
    beam_size: int
    num_return: int
    scorer: HypothesisScorer
    finished: list[FinishedBeam] = field(default_factory=list)
    done: bool = False
    _worst_kept_score: float = -math.inf

    def add(
        self,
        log_prob: float,
        *,
        length: int,
        beam_index: int,
        finished: bool = True,
        constraints_met: bool = True,
        coverage_penalty: float = 0.0,
    ) -> None:
        """Add a hypothesis that finished, or one that was cut."""
        score = self.scorer.score(log_prob, length + finished, coverage_penalty)
        self.finished.append(
            FinishedBeam(
                log_prob,
                score,
                length,
                beam_index,
                finished,
                constraints_met,
                coverage_penalty,
            )
        )
        if finished and len(self.finished) >= self.num_return:
            # To be returned, a hypothesis has to beat the last that would be now.
            scores = sorted((beam.score for beam in self.finished), reverse=True)
            self._worst_kept_score = scores[self.num_return - 1]

    def is_done(self, best_log_prob: float, length: int) -> bool:
        """Return whether to stop after a step whose finished beams are added.

        Args:
            best_log_prob: Of the likeliest beam that could go on.
            length: Tokens of the beams before that step.
        """
        return (
            best_log_prob == -math.inf
            or self.max_length <= length
            or self._worst_kept_score
            >= self.scorer.upper_bound(best_log_prob, self.max_length)
            or (
                self.scorer.options.early_stopping is True
                and len(self.finished) >= self.beam_size
            )
        )

    def best(self) -> list[FinishedBeam]:
        """Return the num_return best: finished ones first, then by falling score.

        Those that lack a required phrase are left out if any has all.
        """
        any_met = any(beam.constraints_met for beam in self.finished)
        eligible = [b for b in self.finished if b.constraints_met or not any_met]
        return sorted(eligible, key=lambda beam: beam.sort_key)[: self.num_return]


@dataclass
class BackpointerTable:
    """The tokens, backpointers and what else of every step of a beam search.

    Attributes:
        backpointers: For each step the tokens that it read, and the rows of the step
            before that they continue, (2, R).
        attention: For each step its attention weights, (R, S); empty without attention.
        log_probs: For each step the log-probabilities of the beams that it continues,
            (R,); empty where those of single tokens are not needed.
    """

    backpointers: list[Tensor] = field(default_factory=list)
    attention: list[Tensor] = field(default_factory=list)
    log_probs: list[Tensor] = field(default_factory=list)

    def hypotheses(
        self,
        finished: list[list[list[FinishedBeam]]],
        scorer: HypothesisScorer,
        num_hypotheses: int,
    ) -> list[list[Hypothesis]]:
        """Follow the backpointers of the best hypotheses.

        Where a sentence has several groups, each contributes its best, then each its
        second, until there are enough.

        Args:
            finished: Of each sentence, of each group, best first.
            scorer: How they are scored.
            num_hypotheses: Maximum number to return of each sentence.

        Returns:
            Of each sentence, distinct ones, finished ones first, then by falling score.
        """
        sizes = [step.shape[1] for step in self.backpointers]
        # One transfer for all steps.
        host = torch.cat(self.backpointers, dim=1).cpu()
        links = [step.tolist() for step in torch.split_with_sizes(host, sizes, dim=1)]
        first_rows = [0, *accumulate(sizes)]
        paths = [_best_paths(links, groups, num_hypotheses) for groups in finished]

        # All attention weights in one selection, by their row in all steps together;
        # and so with log-probabilities.
        attention: Tensor | None = None
        log_probs: list[float] | None = None
        if self.attention or self.log_probs:
            rows = torch.tensor(
                [
                    first_rows[step] + row
                    for of_sentence in paths
                    for path in of_sentence
                    for step, row in enumerate(path.rows)
                ],
                dtype=torch.long,
                device=self.backpointers[0].device,
            )
            if self.attention:
                attention = torch.cat(self.attention)[rows].cpu()
            if self.log_probs:
                log_probs = torch.cat(self.log_probs)[rows].tolist()
        hypotheses: list[list[Hypothesis]] = []
        start = 0
        for of_sentence in paths:
            hypotheses.append([])
            for tokens, beam, path_rows in of_sentence:
                stop = start + len(path_rows)
                hypotheses[-1].append(
                    scorer.hypothesis(
                        tokens,
                        beam.log_prob,
                        finished=beam.finished,
                        coverage_penalty=beam.coverage_penalty,
                        attention=None if attention is None else attention[start:stop],
                        token_log_probs=None
                        if log_probs is None
                        else _differences([*log_probs[start:stop], beam.log_prob]),
                    )
                )
                start = stop
        return hypotheses


def _differences(sums: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(sums)]


class _Path(NamedTuple):
    # A hypothesis's tokens, its end, and the row of each step that chose one of the
    # tokens, or EOS.
    tokens: list[int]
    beam: FinishedBeam
    rows: list[int]


def _best_paths(
    links: list[list[list[int]]], groups: list[list[FinishedBeam]], count: int
) -> list[_Path]:
    """Return the best distinct hypotheses of a sentence's groups, in turn."""
    ranked = sorted(
        (
            (rank, beam.sort_key, beam)
            for group in groups
            for rank, beam in enumerate(group)
        ),
        key=lambda item: item[:2],
    )
    distinct: dict[tuple[int, ...], _Path] = {}
    for _, _, beam in ranked:
        path = _backtrack(links, beam)
        distinct.setdefault(tuple(path.tokens), path)
        if len(distinct) == count:
            break
    return sorted(distinct.values(), key=lambda path: path.beam.sort_key)


def _backtrack(links: list[list[list[int]]], beam: FinishedBeam) -> _Path:
    """Follow the backpointers from the last token to the first."""
    row = beam.beam_index
    tokens: list[int] = []
    rows: list[int] = [row] if beam.finished else []
    for step_tokens, step_rows in reversed(links[1 : beam.length + 1]):
        tokens.append(step_tokens[row])
        row = step_rows[row]
        rows.append(row)
    return _Path(tokens[::-1], beam, rows[::-1])
