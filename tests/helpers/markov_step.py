"""Second-order Markov tables as step functions, and reference searches over them."""

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
    """The token before the last one, so that a wrong row gives wrong numbers."""

    previous: Tensor
    sentence: Tensor
    calls: Calls

    def select(self, rows: Tensor) -> TableState:
        self.calls.state.append(len(rows))
        return TableState(self.previous[rows], self.sentence[rows], self.calls)


class TableMemory(NamedTuple):
    """A table for each sentence, and the attention weights after each last token."""

    tables: Tensor
    sentence: Tensor
    calls: Calls
    attention: Tensor | None = None  # (N, V, S)

    def select(self, rows: Tensor) -> TableMemory:
        self.calls.memory.append(len(rows))
        attention = None if self.attention is None else self.attention[rows]
        return TableMemory(
            self.tables[rows], self.sentence[rows], self.calls, attention
        )


@dataclass
class Calls:
    """Row counts of all steps and selections."""

    step: list[int] = field(default_factory=list)
    state: list[int] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


def step(
    last: Tensor, state: TableState, memory: TableMemory
) -> StepOutput[TableState]:
    """Look up log P(token | previous, last), as (R, V)."""
    rows_per_sentence = len(last) // len(memory.sentence)
    sentences = torch.arange(len(memory.sentence))
    sentences = sentences.repeat_interleave(rows_per_sentence)  # (R,)
    assert torch.equal(state.sentence, memory.sentence[sentences])  # Rows never mix.
    state.calls.step.append(len(last))
    log_probs = memory.tables[sentences, state.previous, last]
    attention = None if memory.attention is None else memory.attention[sentences, last]
    return StepOutput(log_probs, state._replace(previous=last), attention)


def start(
    tables: Tensor, attention: Tensor | None = None
) -> tuple[TableState, TableMemory, Calls]:
    calls, sentence = Calls(), torch.arange(len(tables))
    previous = torch.full_like(sentence, BOS)
    return (
        TableState(previous, sentence, calls),
        TableMemory(tables, sentence, calls, attention),
        calls,
    )


def random_tables(
    seed: int, *, sentences: int, vocabulary: int, impossible: float = 0.0
) -> Tensor:
    """Random tables, (N, V, V, V); some tokens impossible, EOS among them."""
    generator = torch.Generator().manual_seed(seed)
    shape = (sentences, vocabulary, vocabulary, vocabulary)
    logits = 1.5 * torch.randn(shape, generator=generator, dtype=torch.float64)
    log_probs = logits.log_softmax(dim=-1)
    masked = torch.rand(shape, generator=generator) < impossible
    return log_probs.masked_fill(masked, NEVER)


def table(vocabulary: int, rows: dict[tuple[int, int], dict[int, float]]) -> Tensor:
    """One table from probabilities by (previous, last), (1, V, V, V)."""
    probs = torch.zeros(1, vocabulary, vocabulary, vocabulary, dtype=torch.float64)
    for (previous, last), probabilities in rows.items():
        for token, probability in probabilities.items():
            probs[0, previous, last, token] = probability
    return probs.log()


def log_prob_of(one: Tensor, tokens: tuple[int, ...], *, finished: bool) -> float:
    path = (BOS, BOS, *tokens, *([EOS] if finished else []))
    return math.fsum(
        float(one[path[i], path[i + 1], path[i + 2]]) for i in range(len(path) - 2)
    )


def real_tokens(one: Tensor) -> list[int]:
    return [token for token in range(len(one)) if token not in (PAD, BOS, EOS)]


def by_power(log_prob: float, length: int, penalty: float) -> float:
    return log_prob / max(length, 1) ** penalty


def brute_force(
    one: Tensor,
    max_length: int,
    penalty: float,
    *,
    holds: Callable[[tuple[int, ...]], bool] = lambda tokens: True,
    norm: Callable[[float, int, float], float] = by_power,
    extra: Callable[[tuple[int, ...]], float] = lambda tokens: 0.0,
) -> list[tuple[tuple[int, ...], float]]:
    """Every finished sequence that is possible, and its score, best first.

    Its score is normalised by length, and an extra term added.
    """
    scored = []
    for length in range(max_length + 1):
        for tokens in itertools.product(real_tokens(one), repeat=length):
            total = log_prob_of(one, tokens, finished=True)
            if total > NEVER and holds(tokens):
                score = norm(total, length + 1, penalty) + extra(tokens)
                scored.append((tokens, score))
    return sorted(scored, key=lambda item: -item[1])


def slow_beam(
    one: Tensor,
    *,
    beam_size: int,
    max_length: int,
    penalty: float,
    num_hypotheses: int,
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
        token_counts = dict.fromkeys(range(len(one)), 0)
        for group in range(num_beam_groups):
            candidates = []
            for tokens, total in alive[group]:
                previous, last = (BOS, BOS, *tokens)[-2:]
                for token in (
                    [EOS] if length == max_length else [*real_tokens(one), EOS]
                ):
                    new = total + float(one[previous, last, token])
                    if new > NEVER:
                        candidates.append((tokens, token, new))
            candidates.sort(
                key=lambda c: -(c[2] - diversity_penalty * token_counts[c[1]])
            )
            ended = set()
            for tokens, token, total in candidates[:size]:
                if token == EOS:
                    ended.add(tokens)
                    score = by_power(total, length + 1, penalty)
                    finished[group].append(Hypothesis(tokens, total, score, True))
            going = [c for c in candidates if c[1] != EOS][:size]
            full = len(finished[group]) >= size and early_stopping is True
            if alive[group] and not full and (not going or length == max_length):
                cut[group] = [
                    Hypothesis(tokens, total, by_power(total, length, penalty), False)
                    for tokens, total in alive[group]
                    if tokens not in ended
                ]
            for _, token, _ in going:
                token_counts[token] += 1
            alive[group] = [] if full else [((*p, token), t) for p, token, t in going]
        if not any(alive):
            break
    ranks = []
    for ended_beams, cut_beams in zip(finished, cut, strict=True):
        ranked = sorted(ended_beams, key=lambda h: -h.score)
        ranked += sorted(cut_beams, key=lambda h: -h.score)
        ranked = ranked[: min(size, num_hypotheses)]
        ranks += [(i, not h.finished, -h.score, h) for i, h in enumerate(ranked)]
    ranks.sort(key=lambda rank: rank[:3])
    chosen = {h.tokens: h for *_, h in reversed(ranks)}
    best = [h for *_, h in ranks if chosen[h.tokens] is h][:num_hypotheses]
    return sorted(best, key=lambda h: (not h.finished, -h.score))


def assert_same(hypotheses: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [(h.tokens, h.finished) for h in hypotheses] == [
        (h.tokens, h.finished) for h in expected
    ]
    for hypothesis, reference in zip(hypotheses, expected, strict=True):
        assert hypothesis.log_prob == pytest.approx(reference.log_prob, abs=1e-9)
        assert hypothesis.score == pytest.approx(reference.score, abs=1e-9)


def make_constraints(
    limits: list[int],
    *,
    min_lengths: Tensor | None = None,
    source_lengths: Tensor | None = None,
    **tokens: Any,
) -> DecodingConstraints:
    return DecodingConstraints(
        max_lengths=torch.tensor(limits),
        min_lengths=min_lengths,
        source_lengths=source_lengths,
    ).with_tokens(**tokens)


def beam(
    tables: Tensor,
    limits: list[int],
    *,
    num_hypotheses: int = 1,
    constraints: dict[str, Any] | None = None,
    attention: Tensor | None = None,
    **options: Any,
) -> list[list[Hypothesis]]:
    state, memory, _ = start(tables, attention)
    return beam_search(
        step,
        state,
        memory,
        make_constraints(limits, **(constraints or {})),
        SearchOptions(**options),
        num_hypotheses=num_hypotheses,
    )


def greedy(
    tables: Tensor,
    limits: list[int],
    *,
    constraints: dict[str, Any] | None = None,
    **options: Any,
) -> list[Hypothesis]:
    state, memory, _ = start(tables)
    return greedy_search(
        step,
        state,
        memory,
        make_constraints(limits, **(constraints or {})),
        SearchOptions(**options),
    )


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


many = settings(max_examples=200)
some = settings(max_examples=60)
