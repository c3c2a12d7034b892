"""Hand-written second-order Markov tables as models, and slow searches over them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.greedy_search import greedy_search
from seq2seq.types import BOS, EOS, PAD, Hypothesis, StepOutput

NEVER = -math.inf


class TableState(NamedTuple):
    """The piece before the last one, so that a wrong row gives wrong numbers."""

    previous: Tensor
    sentence: Tensor
    calls: Calls

    def select(self, rows: Tensor) -> TableState:
        self.calls.state.append(len(rows))
        return TableState(self.previous[rows], self.sentence[rows], self.calls)


class TableMemory(NamedTuple):
    """A table for each sentence, and what each last piece reads of its source."""

    tables: Tensor
    sentence: Tensor
    calls: Calls
    looks: Tensor | None = None  # (N, V, S)

    def select(self, rows: Tensor) -> TableMemory:
        self.calls.memory.append(len(rows))
        looks = None if self.looks is None else self.looks[rows]
        return TableMemory(self.tables[rows], self.sentence[rows], self.calls, looks)


@dataclass
class Calls:
    """Row counts of all steps and selections."""

    step: list[int] = field(default_factory=list)
    state: list[int] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


def step(
    last: Tensor, state: TableState, memory: TableMemory
) -> StepOutput[TableState]:
    """Look up log P(piece | previous, last), as (R, V)."""
    each = len(last) // len(memory.sentence)
    places = torch.arange(len(memory.sentence)).repeat_interleave(each)
    assert torch.equal(state.sentence, memory.sentence[places])  # Rows never mix.
    state.calls.step.append(len(last))
    log_probs = memory.tables[places, state.previous, last]
    weights = None if memory.looks is None else memory.looks[places, last]
    return StepOutput(log_probs, state._replace(previous=last), weights)


def start(
    tables: Tensor, looks: Tensor | None = None
) -> tuple[TableState, TableMemory, Calls]:
    calls, sentence = Calls(), torch.arange(len(tables))
    previous = torch.full_like(sentence, BOS)
    return (
        TableState(previous, sentence, calls),
        TableMemory(tables, sentence, calls, looks),
        calls,
    )


def random_tables(
    seed: int, *, sentences: int, vocabulary: int, impossible: float = 0.0
) -> Tensor:
    """Random tables, (N, V, V, V); some pieces impossible, EOS among them."""
    generator = torch.Generator().manual_seed(seed)
    shape = (sentences, vocabulary, vocabulary, vocabulary)
    logits = 1.5 * torch.randn(shape, generator=generator, dtype=torch.float64)
    log_probs = logits.log_softmax(dim=-1)
    gone = torch.rand(shape, generator=generator) < impossible
    return log_probs.masked_fill(gone, NEVER)


def table(vocabulary: int, rows: dict[tuple[int, int], dict[int, float]]) -> Tensor:
    """One table from probabilities by (previous, last), (1, V, V, V)."""
    made = torch.zeros(1, vocabulary, vocabulary, vocabulary, dtype=torch.float64)
    for (previous, last), probabilities in rows.items():
        for piece, probability in probabilities.items():
            made[0, previous, last, piece] = probability
    return made.log()


def log_prob_of(one: Tensor, pieces: tuple[int, ...], *, finished: bool) -> float:
    path = (BOS, BOS, *pieces, *([EOS] if finished else []))
    return math.fsum(
        float(one[path[i], path[i + 1], path[i + 2]]) for i in range(len(path) - 2)
    )


def real_pieces(one: Tensor) -> list[int]:
    return [piece for piece in range(len(one)) if piece not in (PAD, BOS, EOS)]


def by_power(log_prob: float, length: int, penalty: float) -> float:
    return log_prob / max(length, 1) ** penalty


def brute_force(
    one: Tensor,
    max_length: int,
    penalty: float,
    *,
    holds: Callable[[tuple[int, ...]], bool] = lambda pieces: True,
    norm: Callable[[float, int, float], float] = by_power,
    extra: Callable[[tuple[int, ...]], float] = lambda pieces: 0.0,
) -> list[tuple[tuple[int, ...], float]]:
    """Every finished sequence that is possible, and its score, best first.

    It has to hold; its score is by a norm of its length, and something extra.
    """
    everything = []
    for length in range(max_length + 1):
        for pieces in itertools.product(real_pieces(one), repeat=length):
            total = log_prob_of(one, pieces, finished=True)
            if total > NEVER and holds(pieces):
                score = norm(total, length + 1, penalty) + extra(pieces)
                everything.append((pieces, score))
    return sorted(everything, key=lambda item: -item[1])


def slow_beam(
    one: Tensor,
    *,
    beam_size: int,
    max_length: int,
    penalty: float,
    hypotheses: int,
    early_stopping: Any = True,
    num_beam_groups: int = 1,
    diversity_penalty: float = 0.0,
) -> list[Hypothesis]:
    """Run the same search in plain lists, for one sentence, without the bound."""
    size = beam_size // num_beam_groups
    alive: list[list[tuple[tuple[int, ...], float]]] = [[((), 0.0)]] * num_beam_groups
    finished: list[list[Hypothesis]] = [[] for _ in range(num_beam_groups)]
    cut: list[list[Hypothesis]] = [[] for _ in range(num_beam_groups)]
    for length in range(max_length + 1):
        said = dict.fromkeys(range(len(one)), 0)
        for group in range(num_beam_groups):
            candidates = []
            for pieces, total in alive[group]:
                previous, last = (BOS, BOS, *pieces)[-2:]
                for piece in [*real_pieces(one), EOS]:
                    new = total + float(one[previous, last, piece])
                    if new > NEVER:
                        candidates.append((pieces, piece, new))
            candidates.sort(key=lambda c: -(c[2] - diversity_penalty * said[c[1]]))
            over = set()
            for pieces, piece, total in candidates[:size]:
                if piece == EOS:
                    over.add(pieces)
                    score = by_power(total, length + 1, penalty)
                    finished[group].append(Hypothesis(pieces, total, score, True))
            going = [c for c in candidates if c[1] != EOS][:size]
            full = len(finished[group]) >= size and early_stopping is True
            if alive[group] and not full and (not going or length == max_length):
                cut[group] = [
                    Hypothesis(pieces, total, by_power(total, length, penalty), False)
                    for pieces, total in alive[group]
                    if pieces not in over
                ]
            for _, piece, _ in going:
                said[piece] += 1
            alive[group] = [] if full else [((*p, piece), t) for p, piece, t in going]
        if not any(alive):
            break
    turns = []
    for some, rest in zip(finished, cut, strict=True):
        ranked = sorted(some, key=lambda h: -h.score)
        ranked += sorted(rest, key=lambda h: -h.score)
        ranked = ranked[: min(size, hypotheses)]
        turns += [(i, not h.finished, -h.score, h) for i, h in enumerate(ranked)]
    turns.sort(key=lambda turn: turn[:3])
    chosen = {h.tokens: h for *_, h in reversed(turns)}
    best = [h for *_, h in turns if chosen[h.tokens] is h][:hypotheses]
    return sorted(best, key=lambda h: (not h.finished, -h.score))


def assert_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [(h.tokens, h.finished) for h in found] == [
        (h.tokens, h.finished) for h in expected
    ]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.log_prob == pytest.approx(theirs.log_prob, abs=1e-9)
        assert ours.score == pytest.approx(theirs.score, abs=1e-9)


def beam(
    tables: Tensor,
    limits: list[int],
    *,
    hypotheses: int = 1,
    demands: dict[str, Any] | None = None,
    looks: Tensor | None = None,
    **options: Any,
) -> list[list[Hypothesis]]:
    state, memory, _ = start(tables, looks)
    return beam_search(
        step,
        state,
        memory,
        DecodingConstraints(max_lengths=torch.tensor(limits), **(demands or {})),
        SearchOptions(**options),
        hypotheses=hypotheses,
    )


def greedy(
    tables: Tensor,
    limits: list[int],
    *,
    demands: dict[str, Any] | None = None,
    **options: Any,
) -> list[Hypothesis]:
    state, memory, _ = start(tables)
    asked = DecodingConstraints(max_lengths=torch.tensor(limits), **(demands or {}))
    return greedy_search(step, state, memory, asked, SearchOptions(**options))


class Case(NamedTuple):
    tables: Tensor
    limits: list[int]
    penalty: float


@st.composite
def cases(draw: st.DrawFn) -> Case:
    limits = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    tables = random_tables(
        draw(st.integers(0, 2**31)),
        sentences=len(limits),
        vocabulary=draw(st.integers(4, 9)),
        impossible=draw(st.sampled_from([0.0, 0.3, 0.7, 0.95])),
    )
    return Case(tables, limits, draw(st.sampled_from([0.0, 0.6, 1.0, 2.0])))


many = settings(max_examples=200, deadline=None, derandomize=True, database=None)
some = settings(max_examples=60, deadline=None, derandomize=True, database=None)
