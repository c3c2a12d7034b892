"""At the length limit only EOS may come: no other token takes a beam's place there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.types import BOS, EOS, UNK
from tests.helpers.markov_step import (
    NEVER,
    beam,
    brute_force,
    greedy,
    log_prob_of,
    make_constraints,
    random_tables,
    some,
    table,
)

A, B = 4, 5
LIMIT = 3
OF_FULL_LENGTH = 27  # Sequences of three of the tokens UNK, 4 and 5.

# EOS is the least probable token everywhere.
GOES_ON = table(
    6,
    {
        (previous, last): {A: 0.5 + 0.01 * last, B: 0.48 - 0.01 * last, EOS: 0.02}
        for previous in (BOS, A, B)
        for last in (BOS, A, B)
    },
)


@pytest.mark.parametrize("beam_size", [1, 2, 4])
def test_every_beam_finishes_at_the_limit_though_eos_is_least_probable(
    beam_size: int,
) -> None:
    hypotheses = beam(
        GOES_ON,
        [2],
        beam_size=beam_size,
        num_hypotheses=beam_size,
        constraints={"min_lengths": torch.tensor([2])},
    )[0]
    expected = brute_force(GOES_ON[0], 2, 1.0, holds=lambda tokens: len(tokens) == 2)
    assert [h.tokens for h in hypotheses] == [t for t, _ in expected[:beam_size]]
    assert all(h.finished for h in hypotheses)
    assert [h.score for h in hypotheses] == pytest.approx(
        [score for _, score in expected[:beam_size]]
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "options", [{}, {"early_stopping": "never"}, {"length_penalty": 0.0}]
)
def test_a_beam_for_every_full_length_sequence_equals_brute_force(
    seed: int, options: dict[str, Any]
) -> None:
    """Of 108 continuations at the limit the 27 that end are not the most probable."""
    tables = random_tables(seed, sentences=2, vocabulary=6)
    tables[..., EOS] -= 4.0
    hypotheses = beam(
        tables,
        [LIMIT, LIMIT],
        beam_size=OF_FULL_LENGTH,
        num_hypotheses=OF_FULL_LENGTH,
        constraints={"min_lengths": torch.tensor([LIMIT, LIMIT])},
        **options,
    )
    penalty = options.get("length_penalty", 1.0)
    for one, nbest in zip(tables, hypotheses, strict=True):
        expected = brute_force(one, LIMIT, penalty, holds=lambda t: len(t) == LIMIT)
        assert [h.tokens for h in nbest] == [tokens for tokens, _ in expected]
        assert [h.score for h in nbest] == pytest.approx([s for _, s in expected])


@pytest.mark.parametrize("phrases", [[(A,)], [(B, A)], [(A,), (B,)]], ids=str)
def test_constrained_beams_finish_at_the_limit_as_brute_force_does(
    phrases: list[tuple[int, ...]],
) -> None:
    def holds(tokens: tuple[int, ...]) -> bool:
        text = " ".join(map(str, tokens))
        met = all(" ".join(map(str, phrase)) in text for phrase in phrases)
        return len(tokens) == LIMIT and met

    for seed in range(4):
        tables = random_tables(seed, sentences=1, vocabulary=6)
        tables[..., EOS] -= 4.0
        hypotheses = beam(
            tables,
            [LIMIT],
            beam_size=OF_FULL_LENGTH,
            num_hypotheses=OF_FULL_LENGTH,
            constraints={
                "min_lengths": torch.tensor([LIMIT]),
                "required_phrases": [phrases],
            },
        )[0]
        expected = brute_force(tables[0], LIMIT, 1.0, holds=holds)
        assert [h.tokens for h in hypotheses] == [tokens for tokens, _ in expected]
        assert all(h.finished for h in hypotheses)


@some
@given(
    seed=st.integers(0, 2**31),
    groups=st.integers(1, 3),
    group_size=st.integers(1, 3),
    limits=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    impossible=st.sampled_from([0.0, 0.5]),
)
def test_a_hypothesis_of_full_length_is_cut_only_where_eos_is_impossible(
    seed: int, groups: int, group_size: int, limits: list[int], impossible: float
) -> None:
    tables = random_tables(
        seed, sentences=len(limits), vocabulary=7, impossible=impossible
    )
    size = groups * group_size
    hypotheses = beam(
        tables,
        limits,
        beam_size=size,
        num_hypotheses=size,
        num_beam_groups=groups,
        diversity_penalty=0.7,
        early_stopping="never",
    )
    greedily = [[hypothesis] for hypothesis in greedy(tables, limits)]
    for nbests in (hypotheses, greedily):
        for one, limit, nbest in zip(tables, limits, nbests, strict=True):
            for h in nbest:
                if len(h.tokens) == limit and not h.finished:
                    assert log_prob_of(one, h.tokens, finished=True) == NEVER


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_beam_without_a_possible_eos_is_cut_at_the_limit(beam_size: int) -> None:
    tables = GOES_ON.clone()
    tables[..., EOS] = NEVER
    tables[..., UNK] = NEVER
    hypotheses = beam(tables, [2], beam_size=beam_size, num_hypotheses=beam_size)[0]
    assert len(hypotheses) == beam_size
    for h in hypotheses:
        assert (len(h.tokens), h.finished) == (2, False)
        expected = log_prob_of(tables[0], h.tokens, finished=False)
        assert h.log_prob == pytest.approx(expected)


def test_a_sentence_at_its_limit_leaves_those_below_theirs_alone() -> None:
    tables = torch.cat([GOES_ON, GOES_ON])
    shorter, longer = beam(tables, [1, 3], beam_size=2)
    assert [shorter] == beam(GOES_ON, [1], beam_size=2)
    assert [longer] == beam(GOES_ON, [3], beam_size=2)
    assert make_constraints([1, 3]).validate() == [1, 3]
    assert (len(shorter[0].tokens), len(longer[0].tokens)) == (1, 3)
