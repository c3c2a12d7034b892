"""Required phrases: they come, and what comes with them is as likely as can be."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.data.collate import collate
from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.greedy_search import greedy_search
from seq2seq.search.lexical_constraints import PhraseConstraints
from seq2seq.types import UNK
from tests.helpers.markov_step import (
    beam,
    brute_force,
    log_prob_of,
    random_tables,
    some,
    start,
    step,
)
from tests.helpers.tiny_models import SOURCES, TARGETS, exact

Pieces = tuple[int, ...]


def contains(pieces: Pieces, phrase: Pieces) -> bool:
    size = len(phrase)
    return any(pieces[i : i + size] == phrase for i in range(len(pieces) - size + 1))


@pytest.mark.parametrize("hypotheses", [1, 400])
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
def test_a_wide_beam_equals_brute_force(phrases: list[Pieces], hypotheses: int) -> None:
    for seed in range(2):
        tables = random_tables(seed, sentences=1, vocabulary=6)
        (found,) = beam(
            tables,
            [4],
            beam_size=400,
            hypotheses=hypotheses,
            demands={"required_phrases": [phrases]},
        )
        expected = brute_force(
            tables[0], 4, 1.0, holds=lambda p: all(contains(p, f) for f in phrases)
        )[:hypotheses]
        finished = [h for h in found if h.finished]
        assert [h.tokens for h in finished] == [pieces for pieces, _ in expected]
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
    """Even in a beam of one, and with no piece to spare."""
    piece = st.sampled_from([UNK, 4, 5, 6, 7])
    phrases = st.lists(st.lists(piece, min_size=1, max_size=3), max_size=3)
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
        hypotheses=beam_size,
        demands={"required_phrases": required},
        **options,
    )
    for n, found in enumerate(together):
        for h in found:
            assert all(contains(h.tokens, tuple(f)) for f in required[n])
            total = log_prob_of(tables[n], h.tokens, finished=h.finished)
            assert h.log_prob == pytest.approx(total)
        assert [found] == beam(
            tables[n : n + 1],
            limits[n : n + 1],
            hypotheses=beam_size,
            demands={"required_phrases": required[n : n + 1]},
            **options,
        )


@pytest.mark.parametrize("beam_size", [2, 5])
def test_without_phrases_the_beam_is_the_plain_one(beam_size: int) -> None:
    """In a batch where another sentence has some."""
    tables = random_tables(7, sentences=3, vocabulary=9)
    limits = [6, 5, 7]
    with_needs = beam(
        tables,
        limits,
        beam_size=beam_size,
        hypotheses=beam_size,
        demands={"required_phrases": [[], [[4, 5]], []]},
    )
    plain = beam(tables, limits, beam_size=beam_size, hypotheses=beam_size)
    assert [with_needs[0], with_needs[2]] == [plain[0], plain[2]]
    assert with_needs[1] != plain[1]


def test_phrases_come_after_the_prefix_and_may_lie_in_it() -> None:
    tables = random_tables(1, sentences=2, vocabulary=8)
    (first,), (second,) = beam(
        tables,
        [7, 7],
        beam_size=4,
        demands={
            "prefixes": [[4, 5], [6, 7]],
            "required_phrases": [[[5, 6]], [[6, 7]]],
        },
    )
    assert first.tokens[:2] == (4, 5)
    assert contains(first.tokens, (5, 6))
    assert second.tokens[:2] == (6, 7)


def test_a_phrase_is_begun_by_the_longest_beginning_that_was_just_said() -> None:
    demands = DecodingConstraints(
        max_lengths=torch.tensor([9]), required_phrases=[[[4, 4, 5], [5, 6]]]
    )
    needs = PhraseConstraints.of(demands)
    assert needs is not None
    said = torch.tensor([[6, 4, 4], [4, 4, 4], [4, 4, 5], [7, 5, 6], [5, 6, 7]])
    assert needs.matched_length(said).tolist() == [
        [2, 0],
        [2, 0],
        [3, 1],
        [0, 2],
        [0, 0],
    ]
    nothing_held = torch.zeros(5, 2, dtype=torch.bool)
    held = needs.matched_length(said) == needs.lengths
    assert needs.next_tokens(said, nothing_held | held).tolist() == [
        [5, 5],
        [5, 5],
        [0, 6],
        [4, 0],
        [4, 5],
    ]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_real_network_says_what_is_required(beam_size: int) -> None:
    model = exact(attention={"kind": "general"})
    batch = collate(SOURCES, TARGETS)
    required: list[list[list[int]]] = [[[9, 8], [17]], [], [[12]], [[5, 6, 7, 8]]]
    with torch.no_grad():
        state, memory = model.start(model.encoder(batch.source, batch.source_lengths))
        found = beam_search(
            model.step,
            state,
            memory,
            DecodingConstraints(
                max_lengths=torch.full((4,), 12), required_phrases=required
            ),
            SearchOptions(beam_size=beam_size),
        )
    for (h,), phrases in zip(found, required, strict=True):
        assert all(contains(h.tokens, tuple(phrase)) for phrase in phrases)


def test_phrases_are_refused_where_nothing_would_keep_them() -> None:
    tables = random_tables(0, sentences=1, vocabulary=8)
    demands: dict[str, Any] = {"required_phrases": [[[4]]]}
    with pytest.raises(ValueError, match="required phrases and num_beam_groups"):
        beam(tables, [5], beam_size=4, num_beam_groups=2, demands=demands)
    state, memory, _ = start(tables)
    asked = DecodingConstraints(max_lengths=torch.tensor([5]), **demands)
    with pytest.raises(ValueError, match="greedy search keeps no required phrases"):
        greedy_search(step, state, memory, asked, SearchOptions())
