"""Steps of a search reported to a watcher, for beam trees and live display.

A search without a watcher computes nothing for it: see tests/benchmarks/watcher.py,
which counts instructions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.search.beam_hypotheses import BeamHypotheses
from seq2seq.search.beam_state import BeamState
from seq2seq.search.beam_step import BeamStep
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.types import EOS

NUM_CUT = 5
"""Candidates that a step reports of a group of beams beside those kept and finished."""


State = Literal["kept", "finished", "cut"]


class Candidate(NamedTuple):
    """A token that a step considered after one of its rows.

    Attributes:
        sentence: Index of its sentence in the batch.
        parent: The row of this step that it continues.
        row: The row of the next step that it becomes; None unless it is kept.
        token: Its id.
        token_log_prob: Its log-probability, in nats.
        log_prob: The sum of it and those of the tokens before.
        score: That of a hypothesis that would end with it.
        state: kept, if it goes on; finished, if it is an EOS that ends a hypothesis;
            cut, if other candidates took its place or the search has ended.
    """

    sentence: int
    parent: int
    row: int | None
    token: int
    token_log_prob: float
    log_prob: float
    score: float
    state: State


class SearchWatcher(Protocol):
    """What a search reports its steps to."""

    def on_step(self, length: int, candidates: Sequence[Candidate]) -> None:
        """Receive the candidates of a step, on the host.

        Args:
            length: Tokens of the hypotheses before the step; 0 begins a search.
            candidates: Those kept and finished, and the best of those that were cut, by
                sentence, each in order of rows.
        """
        ...


@dataclass(frozen=True)
class BeamReporter:
    """Reports the steps of a beam search.

    Attributes:
        watcher: Receives them.
        groups: All groups of all sentences.
        num_groups: Groups of each sentence.
        scorer: How hypotheses are scored.
    """

    watcher: SearchWatcher
    groups: Sequence[BeamHypotheses]
    num_groups: int
    scorer: HypothesisScorer

    def report(
        self,
        active: Sequence[BeamHypotheses],
        step: BeamStep,
        beams: BeamState,
        log_probs: Tensor,
        length: int,
        source_lengths: Tensor | None,
    ) -> None:
        """Report a step whose finished hypotheses are collected.

        Args:
            active: The groups under way before the step, N.
            step: The continuations that were chosen.
            beams: The beams before the step, with the step's attention.
            log_probs: Log-probabilities of the next token after masking, (R, V).
            length: Tokens of the beams before the step.
            source_lengths: As the constraints have them, (N,).
        """
        sentences = {id(g): n // self.num_groups for n, g in enumerate(self.groups)}
        sums = beams.log_probs.flatten()  # (R,)
        width = beams.log_probs.shape[1]
        vocab_size = log_probs.shape[1]
        # Added as the search does, so that a sum is the hypothesis' to the last bit.
        totals = (sums[:, None] + log_probs).view(len(active), -1)  # (N, W * V)
        # At most K are kept and W finish; the others are cut.
        count = active[0].beam_size + width + NUM_CUT
        best = totals.topk(min(count, totals.shape[1]), dim=1)
        best_totals, best_indices = best.values.double().tolist(), best.indices.tolist()
        before = sums.double().tolist()
        chosen = [
            part.double().tolist() for part in (step.log_probs, step.tokens, step.beams)
        ]
        penalties = [0.0] * len(before)
        if beams.coverage is not None:
            coverage = self.scorer.coverage_penalty(beams.coverage, source_lengths)
            penalties = coverage.tolist()

        candidates: list[Candidate] = []
        next_row = 0
        for index, group in enumerate(active):
            first = index - index % self.num_groups
            goes_on = not all(g.done for g in active[first : first + self.num_groups])
            entries: dict[tuple[int, int], tuple[float, int | None, State]] = {}
            for rank, (log_prob, token, beam) in enumerate(
                zip(*(part[index] for part in chosen), strict=True)
            ):
                if log_prob > -math.inf and not group.done:
                    key = index * width + int(beam), int(token)
                    entries[key] = log_prob, next_row + rank, "kept"
            next_row += goes_on * len(chosen[0][index])
            for end in group.finished:
                if end.finished and end.length == length:
                    entries[end.beam_index, EOS] = end.log_prob, None, "finished"
            ranked = zip(best_totals[index], best_indices[index], strict=True)
            num_reported = len(entries) + NUM_CUT
            for log_prob, flat in ranked:
                key = index * width + flat // vocab_size, flat % vocab_size
                if log_prob == -math.inf or len(entries) == num_reported:
                    break
                entries.setdefault(key, (log_prob, None, "cut"))
            candidates += [
                Candidate(
                    sentences[id(group)],
                    parent,
                    row,
                    token,
                    log_prob - before[parent],
                    log_prob,
                    self.scorer.score(log_prob, length + 1, penalties[parent]),
                    state,
                )
                for (parent, token), (log_prob, row, state) in entries.items()
            ]
        self.watcher.on_step(length, candidates)


@dataclass(frozen=True)
class RowReporter:
    """Reports the steps of a search with one hypothesis per row.

    Attributes:
        watcher: Receives them.
        scorer: How hypotheses are scored; without coverage penalty, which is known
            when they end.
        log_probs: Those of the tokens so far, by sentence.
    """

    watcher: SearchWatcher
    scorer: HypothesisScorer
    log_probs: dict[int, list[float]] = field(default_factory=dict)

    def report(
        self,
        sentences: NDArray[np.int64],
        tokens: NDArray[np.float64],
        valid: NDArray[np.bool_],
        going_on: NDArray[np.int64],
        log_probs: Tensor,
        *,
        length: int,
    ) -> None:
        """Report a step.

        Args:
            sentences: The sentence of each row, (R,).
            tokens: The token that was selected in each row, (R,).
            valid: Whether it belongs to the row's hypothesis, (R,).
            going_on: The rows that go on, which are the next step's.
            log_probs: Log-probabilities of the next token after masking, (R, V), in
                double precision.
            length: Tokens of the hypotheses before the step.
        """
        next_rows = {row: rank for rank, row in enumerate(going_on.tolist())}
        best = log_probs.topk(min(NUM_CUT + 1, log_probs.shape[1]), dim=1)
        candidates: list[Candidate] = []
        for parent, sentence in enumerate(sentences.tolist()):
            selected = int(tokens[parent])
            before = self.log_probs.setdefault(sentence, [])
            row = zip(
                best.indices[parent].tolist(), best.values[parent].tolist(), strict=True
            )
            ranked = {selected: float(log_probs[parent, selected])} | dict(row)
            for token, log_prob in ranked.items():
                if log_prob == -math.inf:
                    continue
                state: State = "cut"
                if token == selected and valid[parent]:
                    state = "finished" if token == EOS else "kept"
                total = math.fsum([*before, log_prob])
                candidates.append(
                    Candidate(
                        sentence,
                        parent,
                        next_rows[parent] if state == "kept" else None,
                        token,
                        log_prob,
                        total,
                        self.scorer.score(total, length + 1),
                        state,
                    )
                )
            before.append(ranked[selected])
        self.watcher.on_step(length, candidates)
