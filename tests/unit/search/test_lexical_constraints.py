"""Required phrases: every hypothesis has them, and is as probable as can be."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.data.collate import collate
from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search
from seq2seq.search.greedy_search import greedy_search
from seq2seq.search.lexical_constraints import PhraseConstraints
from seq2seq.types import BOS, UNK
from tests.helpers.markov_step import (
    assert_same,
    beam,
    brute_force,
    log_prob_of,
    make_constraints,
    random_tables,
    some,
    start,
    step,
)
from tests.helpers.tiny_models import SOURCES, TARGETS, exact

Tokens = tuple[int, ...]


def contains(tokens: Tokens, phrase: Tokens) -> bool:
    size = len(phrase)
    return any(tokens[i : i + size] == phrase for i in range(len(tokens) - size + 1))


@pytest.mark.parametrize("num_hypotheses", [1, 400])
@pytest.mark.parametrize(
    "phrases",
    [
        [(4,)],
        [(5, 4)],
        [(4, 4, 5)],  # Begins with what it may go on with.
        [(4, 5), (5, 4)],  # Overlap: 4 5 4 holds both.
        [(4,), (4, 5)],  # One lies within the other.
        [(UNK, 4), (5,)],
        [(4, 5), (4, 5)],
    ],
    ids=str,
)
def test_a_wide_beam_equals_brute_force(
    phrases: list[Tokens], num_hypotheses: int
) -> None:
    for seed in range(2):
        tables = random_tables(seed, sentences=1, vocabulary=6)
        (hypotheses,) = beam(
            tables,
            [4],
            beam_size=400,
            num_hypotheses=num_hypotheses,
            constraints={"required_phrases": [phrases]},
        )
        expected = brute_force(
            tables[0], 4, 1.0, holds=lambda p: all(contains(p, f) for f in phrases)
        )[:num_hypotheses]
        finished = [h for h in hypotheses if h.finished]
        assert [h.tokens for h in finished] == [tokens for tokens, _ in expected]
        assert [h.score for h in finished] == pytest.approx([s for _, s in expected])


@some
@given(
    seed=st.integers(0, 2**31),
    beam_size=st.integers(1, 6),
    ngram=st.sampled_from([0, 1, 2]),
    data=st.data(),
)
def test_every_hypothesis_holds_its_phrases_whatever_the_beam_and_the_batch(
    seed: int, beam_size: int, ngram: int, data: st.DataObject
) -> None:
    """Even in a beam of one, and with no token to spare."""
    token = st.sampled_from([UNK, 4, 5, 6, 7])
    phrases = st.lists(st.lists(token, min_size=1, max_size=3), max_size=3)
    required = data.draw(st.lists(phrases, min_size=1, max_size=4))
    spare = data.draw(st.integers(0, 4))
    limits = [max(sum(map(len, some)) + spare, 1) for some in required]
    tables = random_tables(seed, sentences=len(required), vocabulary=8)
    options = {
        "beam_size": beam_size,
        "no_repeat_ngram_size": ngram,
        "allow_unknown": data.draw(st.booleans()),
    }
    together = beam(
        tables,
        limits,
        num_hypotheses=beam_size,
        constraints={"required_phrases": required},
        **options,
    )
    for n, hypotheses in enumerate(together):
        for h in hypotheses:
            assert all(contains(h.tokens, tuple(f)) for f in required[n])
            total = log_prob_of(tables[n], h.tokens, finished=h.finished)
            assert h.log_prob == pytest.approx(total)
        (alone,) = beam(
            tables[n : n + 1],
            limits[n : n + 1],
            num_hypotheses=beam_size,
            constraints={"required_phrases": required[n : n + 1]},
            **options,
        )
        # A beam of one without phrases is greedy search where it is alone, which sums
        # log-probabilities at the end: the last bit may differ.
        assert_same(hypotheses, alone)
        if beam_size > 1:
            assert hypotheses == alone


@pytest.mark.parametrize("beam_size", [2, 5])
def test_without_phrases_the_beam_is_the_plain_one(beam_size: int) -> None:
    """In a batch where another sentence has some."""
    tables = random_tables(7, sentences=3, vocabulary=9)
    limits = [6, 5, 7]
    with_phrases = beam(
        tables,
        limits,
        beam_size=beam_size,
        num_hypotheses=beam_size,
        constraints={"required_phrases": [[], [[4, 5]], []]},
    )
    plain = beam(tables, limits, beam_size=beam_size, num_hypotheses=beam_size)
    assert [with_phrases[0], with_phrases[2]] == [plain[0], plain[2]]
    assert with_phrases[1] != plain[1]


def test_phrases_come_after_the_prefix_and_may_lie_in_it() -> None:
    tables = random_tables(1, sentences=2, vocabulary=8)
    (first,), (second,) = beam(
        tables,
        [7, 7],
        beam_size=4,
        constraints={
            "prefixes": [[4, 5], [6, 7]],
            "required_phrases": [[[5, 6]], [[6, 7]]],
        },
    )
    assert first.tokens[:2] == (4, 5)
    assert contains(first.tokens, (5, 6))
    assert second.tokens[:2] == (6, 7)


def test_a_phrase_is_matched_by_its_longest_prefix_that_a_row_ends_with() -> None:
    phrases = PhraseConstraints.of([[[4, 4, 5], [5, 6]]], torch.device("cpu"))
    assert phrases is not None
    tokens = torch.tensor([[6, 4, 4], [4, 4, 4], [4, 4, 5], [7, 5, 6], [5, 6, 7]])
    assert phrases.matched_length(tokens).tolist() == [
        [2, 0],
        [2, 0],
        [3, 1],
        [0, 2],
        [0, 0],
    ]
    none_met = torch.zeros(5, 2, dtype=torch.bool)
    met = phrases.matched_length(tokens) == phrases.lengths
    assert phrases.next_tokens(tokens, none_met | met).tolist() == [
        [5, 5],
        [5, 5],
        [0, 6],
        [4, 0],
        [4, 5],
    ]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_real_network_generates_what_is_required(beam_size: int) -> None:
    model = exact(attention={"kind": "general"})
    batch = collate(SOURCES, TARGETS)
    required: list[list[list[int]]] = [[[9, 8], [17]], [], [[12]], [[5, 6, 7, 8]]]
    with torch.no_grad():
        state, memory = model.init_decoder(
            model.encoder(batch.source, batch.source_lengths)
        )
        hypotheses = beam_search(
            model.step,
            state,
            memory,
            make_constraints([12] * 4, required_phrases=required),
            SearchOptions(beam_size=beam_size),
        )
    for (h,), phrases in zip(hypotheses, required, strict=True):
        assert all(contains(h.tokens, tuple(phrase)) for phrase in phrases)


def test_phrases_are_refused_where_nothing_would_keep_them() -> None:
    tables = random_tables(0, sentences=1, vocabulary=8)
    constraints: dict[str, Any] = {"required_phrases": [[[4]]]}
    with pytest.raises(
        ValueError, match="required phrases and num_beam_groups both divide"
    ):
        beam(tables, [5], beam_size=4, num_beam_groups=2, constraints=constraints)
    state, memory, _ = start(tables)
    with pytest.raises(ValueError, match="greedy search keeps no required phrases"):
        greedy_search(
            step, state, memory, make_constraints([5], **constraints), SearchOptions()
        )


def test_a_bank_counts_the_longest_partial_match_and_not_the_sum_of_all() -> None:
    """After 4, token 7 completes a phrase of two, and 5 begins one and continues one.

    Both make two tokens, so the more probable 7 comes; were partial matches added up,
    5 would make three.
    """
    tables = torch.full((1, 9, 9, 9), 0.1, dtype=torch.float64)
    tables[..., 7] = 0.6
    tables[0, BOS, BOS, 4] = 0.9
    phrases = [(4, 5, 6), (5, 8), (4, 7)]
    (hypotheses,) = beam(
        tables.log(), [12], beam_size=1, constraints={"required_phrases": [phrases]}
    )
    assert hypotheses[0].tokens[:2] == (4, 7)
    assert all(contains(hypotheses[0].tokens, phrase) for phrase in phrases)
