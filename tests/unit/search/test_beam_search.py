"""Search over hand-written second-order Markov tables: no model, no text."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.greedy_search import greedy_search
from seq2seq.types import BOS, EOS, PAD, UNK, Hypothesis, StepOutput
from tests.helpers.markov_step import (
    NEVER,
    Case,
    TableMemory,
    TableState,
    assert_same,
    beam,
    brute_force,
    cases,
    greedy,
    log_prob_of,
    many,
    random_tables,
    slow_beam,
    start,
    step,
    table,
)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 1.7])
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_equals_brute_force_in_full_order(
    seed: int, penalty: float
) -> None:
    tables = random_tables(seed, sentences=2, vocabulary=6)
    limits = [4, 2]
    hypotheses = beam(
        tables, limits, beam_size=400, length_penalty=penalty, num_hypotheses=400
    )
    for one, limit, nbest in zip(tables, limits, hypotheses, strict=True):
        expected = brute_force(one, limit, penalty)
        assert [h.tokens for h in nbest] == [tokens for tokens, _ in expected]
        assert [h.score for h in nbest] == pytest.approx([s for _, s in expected])
        assert all(h.finished for h in nbest)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 1.7])
def test_stopping_early_loses_no_hypothesis(penalty: float) -> None:
    """The bound may end a wide beam after few steps, but not change the best."""
    for seed in range(8):
        tables = random_tables(seed, sentences=1, vocabulary=6)
        hypotheses = beam(
            tables, [4], beam_size=400, length_penalty=penalty, num_hypotheses=3
        )[0]
        expected = brute_force(tables[0], 4, penalty)[:3]
        assert [h.tokens for h in hypotheses] == [tokens for tokens, _ in expected]


def test_a_sure_end_stops_the_search_before_the_limit() -> None:
    tables = table(5, {(BOS, BOS): {EOS: 0.9, 4: 0.1}, (BOS, 4): {4: 1.0}})
    state, memory, calls = start(tables)
    hypotheses = beam_search(
        step,
        state,
        memory,
        DecodingConstraints(max_lengths=torch.tensor([5])),
        SearchOptions(beam_size=4),
    )
    # One step: log(0.9) = -0.105 is more than log(0.1) / 6 = -0.384.
    assert (hypotheses[0][0].tokens, calls.step) == ((), [1])


def test_a_long_hypothesis_that_catches_up_late_is_not_missed() -> None:
    a = 4
    rows = {(BOS, BOS): {EOS: 0.5, a: 0.4}, (BOS, a): {a: 1.0}}
    tables = table(5, {**rows, (a, a): {a: 0.9, EOS: 0.1}})
    # At once: log(0.5) / 1 = -0.69; after six tokens: -3.64 / 7 = -0.52.
    best = beam(tables, [6], beam_size=9)[0][0]
    assert best.tokens == (a,) * 6
    assert best.score == pytest.approx((math.log(0.4 * 0.1) + 4 * math.log(0.9)) / 7)


def test_a_finished_hypothesis_takes_no_beam_from_those_that_go_on() -> None:
    a, b = 4, 5
    tables = table(
        6,
        {
            (BOS, BOS): {EOS: 0.5, a: 0.3, b: 0.2},
            (BOS, a): {a: 1.0},
            (BOS, b): {EOS: 1.0},
        },
    )
    hypotheses = beam(tables, [2], beam_size=2, num_hypotheses=2)[0]
    assert [h.tokens for h in hypotheses] == [(), (b,)]


@many
@given(case=cases(), beam_size=st.integers(1, 6), data=st.data())
def test_the_beam_equals_a_slow_one_in_plain_lists(
    case: Case, beam_size: int, data: st.DataObject
) -> None:
    num_hypotheses = data.draw(st.integers(1, beam_size))
    tables, limits, penalty = case
    hypotheses = beam(
        tables,
        limits,
        beam_size=beam_size,
        length_penalty=penalty,
        num_hypotheses=num_hypotheses,
    )
    assert len(hypotheses) == len(limits)
    for one, limit, nbest in zip(tables, limits, hypotheses, strict=True):
        expected = slow_beam(
            one,
            beam_size=beam_size,
            max_length=limit,
            penalty=penalty,
            num_hypotheses=num_hypotheses,
        )
        assert_same(nbest, expected)


@many
@given(case=cases(), beam_size=st.integers(2, 6))
def test_every_hypothesis_is_possible_distinct_ordered_and_worth_its_score(
    case: Case, beam_size: int
) -> None:
    tables, limits, penalty = case
    hypotheses = beam(
        tables,
        limits,
        beam_size=beam_size,
        length_penalty=penalty,
        num_hypotheses=beam_size,
    )
    for one, limit, nbest in zip(tables, limits, hypotheses, strict=True):
        assert 1 <= len(nbest) <= beam_size
        assert len({h.tokens for h in nbest}) == len(nbest)
        order = [(not h.finished, -h.score) for h in nbest]
        assert order == sorted(order)
        for h in nbest:
            assert len(h.tokens) <= limit
            assert not {PAD, BOS, EOS} & set(h.tokens)
            total = log_prob_of(one, h.tokens, finished=h.finished)
            assert total > NEVER
            assert h.log_prob == pytest.approx(total, abs=1e-9)
            length = max(len(h.tokens) + h.finished, 1)
            assert h.score == pytest.approx(h.log_prob / length**penalty)


@many
@given(case=cases())
def test_a_beam_of_one_is_greedy_search(case: Case) -> None:
    tables, limits, penalty = case
    narrow = beam(tables, limits, beam_size=1, length_penalty=penalty)
    best = greedy(tables, limits, length_penalty=penalty)
    assert narrow == [[hypothesis] for hypothesis in best]
    for one, limit, hypothesis in zip(tables, limits, best, strict=True):
        expected = slow_beam(
            one, beam_size=1, max_length=limit, penalty=penalty, num_hypotheses=1
        )
        assert_same([hypothesis], expected)


@pytest.mark.parametrize("impossible", [0.0, 0.5])
def test_a_batch_equals_each_sentence_alone(impossible: float) -> None:
    limits = [3, 12, 1, 7, 12, 5]
    tables = random_tables(
        5, sentences=len(limits), vocabulary=8, impossible=impossible
    )
    together = beam(tables, limits, beam_size=3, num_hypotheses=3)
    greedily = greedy(tables, limits)
    for i, limit in enumerate(limits):
        alone = tables[i : i + 1]
        assert beam(alone, [limit], beam_size=3, num_hypotheses=3) == [together[i]]
        assert greedy(alone, [limit]) == [greedily[i]]


def test_the_beam_finds_what_greedy_search_misses() -> None:
    a, b = 4, 5
    tables = table(
        6,
        {
            (BOS, BOS): {a: 0.6, b: 0.4},
            (BOS, a): {EOS: 0.5, a: 0.25, b: 0.25},
            (BOS, b): {EOS: 1.0},
        },
    )
    assert greedy(tables, [3])[0].tokens == (a,)
    best = beam(tables, [3], beam_size=2)[0][0]
    assert best.tokens == (b,)
    assert best.log_prob == pytest.approx(math.log(0.4))
    assert best.score == pytest.approx(math.log(0.4) / 2)


def test_finished_sentences_leave_the_batch() -> None:
    a = 4
    ends_at_once = table(5, {(BOS, BOS): {EOS: 1.0}})
    goes_on = table(
        5, {(BOS, BOS): {a: 1.0}, (BOS, a): {a: 1.0}, (a, a): {EOS: 0.5, a: 0.5}}
    )
    tables = torch.cat([goes_on, ends_at_once])
    constraints = DecodingConstraints(max_lengths=torch.tensor([4, 4]))

    state, memory, calls = start(tables)
    greedy_search(step, state, memory, constraints, SearchOptions())
    assert calls.step[:3] == [2, 1, 1]
    assert calls.state == calls.memory == [1]  # Once, when the sentence left.

    state, memory, calls = start(tables)
    beam_search(step, state, memory, constraints, SearchOptions(beam_size=2))
    assert calls.step[:3] == [2, 2, 2]  # Two beams of the other sentence.
    assert calls.memory == [1]


def test_beams_share_the_memory_of_their_sentence_until_it_leaves() -> None:
    tables = random_tables(1, sentences=3, vocabulary=9)
    state, memory, calls = start(tables)
    constraints = DecodingConstraints(max_lengths=torch.tensor([6, 6, 2]))
    beam_search(step, state, memory, constraints, SearchOptions(beam_size=4))
    grown = [rows for rows in calls.step if rows != 3]  # All but the first step.
    left = [b // 4 for a, b in itertools.pairwise(grown) if a != b]
    assert calls.memory == left
    assert len(calls.step) > len(calls.memory) + 1
    assert calls.state == calls.step[1:]


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_a_sentence_may_end_at_its_limit_and_is_cut_beyond(beam_size: int) -> None:
    a = 4
    rows = {(BOS, BOS): {a: 1.0}, (BOS, a): {a: 1.0}, (a, a): {EOS: 1.0}}
    ends, goes_on = table(5, rows), table(5, {**rows, (a, a): {a: 1.0}})
    (fits,), (cut,) = beam(torch.cat([ends, goes_on]), [2, 2], beam_size=beam_size)
    assert (fits.tokens, fits.finished) == ((a, a), True)
    assert (cut.tokens, cut.finished) == ((a, a), False)


def test_a_cut_hypothesis_counts_its_pieces_alone() -> None:
    a = 4
    tables = table(5, {(BOS, BOS): {a: 0.5}, (BOS, a): {a: 0.8}, (a, a): {a: 0.9}})
    cut = greedy(tables, [2], length_penalty=0.5)[0]
    expected = Hypothesis((a, a), math.log(0.4), math.log(0.4) / 2**0.5, False)
    assert_same([cut], [expected])


def test_finished_hypotheses_rank_before_better_cut_ones() -> None:
    a, b = 4, 5
    tables = table(
        6,
        {
            (BOS, BOS): {a: 0.7, b: 0.2, UNK: 0.1},
            (BOS, a): {a: 1.0},
            (BOS, b): {EOS: 1.0},
            (BOS, UNK): {a: 1.0},
        },
    )
    hypotheses = beam(tables, [1], beam_size=3, num_hypotheses=3)[0]
    assert [(h.tokens, h.finished) for h in hypotheses] == [
        ((b,), True),
        ((a,), False),
        ((UNK,), False),
    ]
    assert hypotheses[0].score == pytest.approx(math.log(0.2) / 2)
    assert hypotheses[1].score == pytest.approx(math.log(0.7))


@pytest.mark.parametrize("beam_size", [1, 5])
def test_a_dead_end_returns_what_exists(beam_size: int) -> None:
    a = 4
    nothing = table(5, {})
    stuck = table(5, {(BOS, BOS): {a: 0.5}})
    hypotheses = beam(
        torch.cat([nothing, stuck]),
        [3, 3],
        beam_size=beam_size,
        num_hypotheses=beam_size,
    )
    assert hypotheses[0] == [Hypothesis((), 0.0, 0.0, False)]
    assert_same(hypotheses[1], [Hypothesis((a,), math.log(0.5), math.log(0.5), False)])
    # Attention weights of no token at all.
    (alone,) = beam(nothing, [3], beam_size=beam_size, attention=torch.ones(1, 5, 4))
    assert alone == [Hypothesis((), 0.0, 0.0, False)]


def test_the_model_never_reads_an_impossible_piece() -> None:
    def strict_step(
        last: Tensor, state: TableState, memory: TableMemory
    ) -> StepOutput[TableState]:
        assert not torch.isin(last, torch.tensor([PAD, EOS])).any()
        output = step(last, state, memory)
        # A dead end of a real decoder: softmax over nothing.
        gone = (last == UNK)[:, None]
        return StepOutput(torch.where(gone, math.nan, output.log_probs), output.state)

    # Few tokens for many beams; UNK has probability zero, and would read as NaN.
    tables = random_tables(3, sentences=4, vocabulary=6)
    tables[..., UNK] = NEVER
    state, memory, _ = start(tables)
    hypotheses = beam_search(
        strict_step,
        state,
        memory,
        DecodingConstraints(max_lengths=torch.tensor([3, 4, 5, 6])),
        SearchOptions(beam_size=9),
        num_hypotheses=9,
    )
    assert all(UNK not in h.tokens for nbest in hypotheses for h in nbest)


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("token", [UNK, EOS, 6])
def test_scores_that_are_not_finite_are_refused(
    beam_size: int, bad: float, token: int
) -> None:
    tables = random_tables(0, sentences=3, vocabulary=7)
    tables[1, ..., token] = bad
    with pytest.raises(ValueError, match="the model's scores are not finite"):
        beam(tables, [5, 5, 5], beam_size=beam_size)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"num_hypotheses": 0},
            "num_hypotheses is 0, but must be from 1 to the beam size, 2",
        ),
        (
            {"num_hypotheses": 3},
            "num_hypotheses is 3, but must be from 1 to the beam size, 2",
        ),
        ({"limits": [3, 0]}, "max_lengths holds 0, but every sentence needs"),
        ({"limits": [[3], [3]]}, r"max_lengths has the shape \(2, 1\)"),
    ],
)
def test_arguments_out_of_range_are_refused(
    options: dict[str, Any], message: str
) -> None:
    arguments: dict[str, Any] = {"limits": [3, 3], "beam_size": 2, **options}
    with pytest.raises(ValueError, match=message):
        beam(random_tables(0, sentences=2, vocabulary=6), **arguments)


def test_no_sentences_need_no_step() -> None:
    nothing = random_tables(0, sentences=0, vocabulary=6)
    assert beam(nothing, [], beam_size=3) == greedy(nothing, []) == []
