"""What may come: n-grams, the unknown piece, lengths, prefixes, forbidden phrases."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.data.collate import collate
from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.logits_processors import LogitsProcessors
from seq2seq.search.step import argmax, topk
from seq2seq.types import BOS, EOS, PAD, UNK
from tests.helpers.markov_step import (
    beam,
    brute_force,
    greedy,
    log_prob_of,
    many,
    random_tables,
    some,
)
from tests.helpers.tiny_models import SOURCES, TARGETS, exact

Pieces = tuple[int, ...]


def contains(pieces: Pieces, phrase: Pieces) -> bool:
    size = len(phrase)
    return any(pieces[i : i + size] == phrase for i in range(len(pieces) - size + 1))


def repeats(pieces: Pieces, size: int) -> bool:
    ngrams = [pieces[i : i + size] for i in range(len(pieces) - size + 1)]
    return len(set(ngrams)) < len(ngrams)


Case = tuple[dict[str, Any], dict[str, Any], Callable[[Pieces], bool]]
RULES: dict[str, Case] = {
    "unigrams": ({"no_repeat_ngram_size": 1}, {}, lambda p: not repeats(p, 1)),
    "bigrams": ({"no_repeat_ngram_size": 2}, {}, lambda p: not repeats(p, 2)),
    "unknown": ({"allow_unknown": False}, {}, lambda p: UNK not in p),
    "least": ({}, {"min_lengths": torch.tensor([3])}, lambda p: len(p) >= 3),
    "prefix": ({}, {"prefixes": [[5, UNK]]}, lambda p: p[:2] == (5, UNK)),
    "banned_phrases": (
        {},
        {"banned_phrases": [[[4, 4], [5, UNK, 4], [5, 5]]]},
        lambda p: not any(contains(p, f) for f in ((4, 4), (5, 1, 4), (5, 5))),
    ),
    "forbidden piece": (
        {},
        {"banned_phrases": [[[4], [5, 5]]]},
        lambda p: 4 not in p and not contains(p, (5, 5)),
    ),
    "all": (
        {"no_repeat_ngram_size": 2, "allow_unknown": False},
        {
            "min_lengths": torch.tensor([2]),
            "prefixes": [[UNK]],
            "banned_phrases": [[[4, 5]]],
        },
        lambda p: (
            len(p) >= 2
            and p[0] == UNK
            and UNK not in p[1:]
            and not repeats(p, 2)
            and not contains(p, (4, 5))
        ),
    ),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("hypotheses", [1, 400])
def test_a_wide_beam_equals_brute_force(rule: str, hypotheses: int) -> None:
    options, demands, holds = RULES[rule]
    for seed in range(3):
        tables = random_tables(seed, sentences=1, vocabulary=6)
        (found,) = beam(
            tables,
            [4],
            beam_size=400,
            hypotheses=hypotheses,
            length_penalty=0.8,
            demands=demands,
            **options,
        )
        expected = brute_force(tables[0], 4, 0.8, holds=holds)[:hypotheses]
        assert [h.tokens for h in found] == [pieces for pieces, _ in expected]
        assert [h.score for h in found] == pytest.approx([s for _, s in expected])


@pytest.mark.parametrize("rule", RULES)
def test_greedy_search_takes_the_likeliest_piece_that_may_come(rule: str) -> None:
    """After any beginning, by trying each piece: EOS where the whole holds."""
    options, demands, holds = RULES[rule]
    needs_later = {
        "prefix",
        "least",
        "all",
    }  # LogitsProcessors that a beginning may not hold yet.
    for seed in range(6):
        tables = random_tables(seed, sentences=1, vocabulary=7)
        (found,) = greedy(tables, [6], demands=demands, **options)
        total = log_prob_of(tables[0], found.tokens, finished=found.finished)
        assert found.log_prob == pytest.approx(total)
        assert holds(found.tokens) or not found.finished
        if rule in needs_later:
            continue
        for length in range(len(found.tokens)):
            before = found.tokens[:length]
            previous, last = (BOS, BOS, *before)[-2:]
            row = tables[0, previous, last]
            may = [p for p in (UNK, EOS, 4, 5, 6) if p == EOS or holds((*before, p))]
            assert found.tokens[length] == max(may, key=lambda p: float(row[p]))


@some
@given(
    seed=st.integers(0, 2**31),
    ngram=st.integers(0, 3),
    beam_size=st.integers(1, 4),
    data=st.data(),
)
def test_a_batch_with_rules_equals_each_sentence_alone(
    seed: int, ngram: int, beam_size: int, data: st.DataObject
) -> None:
    count, pieces = data.draw(st.integers(1, 4)), st.sampled_from([UNK, 4, 5, 6, 7])
    limits = data.draw(st.lists(st.integers(3, 8), min_size=count, max_size=count))
    phrases = st.lists(st.lists(pieces, min_size=1, max_size=3), max_size=3)
    demands: dict[str, Any] = {
        "prefixes": data.draw(
            st.lists(st.lists(pieces, max_size=3), min_size=count, max_size=count)
        ),
        "banned_phrases": data.draw(st.lists(phrases, min_size=count, max_size=count)),
        "min_lengths": torch.tensor(
            data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
        ),
    }
    tables = random_tables(seed, sentences=count, vocabulary=8, impossible=0.2)
    options = {"beam_size": beam_size, "no_repeat_ngram_size": ngram}
    together = beam(tables, limits, hypotheses=beam_size, demands=demands, **options)
    for n, found in enumerate(together):
        own = {name: value[n : n + 1] for name, value in demands.items()}
        one = tables[n : n + 1]
        assert [found] == beam(
            one, limits[n : n + 1], hypotheses=beam_size, demands=own, **options
        )
        for h in found:
            prefix = tuple(demands["prefixes"][n])
            assert h.tokens[: len(prefix)] == prefix[: len(h.tokens)]
            rest = h.tokens[len(prefix) :]
            assert not any(
                contains(rest, tuple(f)) for f in demands["banned_phrases"][n]
            )
            assert not h.finished or len(h.tokens) >= demands["min_lengths"][n]
            assert not (ngram and repeats(rest, ngram))


def test_what_rules_do_not_forbid_is_as_the_model_said_it() -> None:
    log_probs = torch.randn(2, 8).log_softmax(dim=1)
    before = log_probs.clone()
    demands = DecodingConstraints(max_lengths=torch.tensor([9, 9]), prefixes=[[4], []])
    rules = LogitsProcessors.of(demands, SearchOptions(allow_unknown=False))
    masked = rules.apply(log_probs, None, 0)
    assert (masked[0] > -math.inf).nonzero().flatten().tolist() == [4]
    assert (masked[1] > -math.inf).nonzero().flatten().tolist() == [EOS, 4, 5, 6, 7]
    assert torch.equal(masked[1, EOS:], before[1, EOS:])


def test_lengths_by_ratio_count_source_pieces() -> None:
    options = SearchOptions(max_length_ratio=1.5, min_length_ratio=0.5)
    demands = DecodingConstraints.from_length_ratio(torch.tensor([3, 8]), options)
    assert demands.max_lengths.tolist() == [14, 22]
    assert demands.min_lengths is not None
    assert demands.min_lengths.tolist() == [1, 4]
    assert (
        DecodingConstraints.from_length_ratio(
            torch.tensor([3, 8]), SearchOptions()
        ).min_lengths
        is None
    )


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("kind", ["none", "fixed", "general"])
def test_a_batch_of_a_real_network_equals_each_sentence_alone(
    kind: str, beam_size: int
) -> None:
    """Beams share their sentence's memory, whether it is a context or the states."""
    model = exact(attention={"kind": kind}, decoder={"layers": 2})
    options = SearchOptions(
        beam_size=beam_size,
        no_repeat_ngram_size=2,
        coverage_penalty=0.3 if kind == "general" else 0.0,
        length_penalty=0.6,
    )

    def found(sources: list[list[int]]) -> list[Any]:
        batch = collate(sources, TARGETS[: len(sources)])
        with torch.no_grad():
            encoded = model.encoder(batch.source, batch.source_lengths)
            state, memory = model.start(encoded)
            demands = DecodingConstraints.from_length_ratio(
                batch.source_lengths, options
            )
            return beam_search(
                model.step, state, memory, demands, options, hypotheses=beam_size
            )

    together = found(SOURCES)
    for n, source in enumerate(SOURCES):
        (alone,) = found([source])
        assert [h.tokens for h in alone] == [h.tokens for h in together[n]]
        assert [h.score for h in alone] == pytest.approx(
            [h.score for h in together[n]], abs=1e-5
        )
        if kind == "general":
            for one, other in zip(alone, together[n], strict=True):
                assert one.attention is not None
                assert other.attention is not None
                longest = one.attention.shape[1]
                torch.testing.assert_close(one.attention, other.attention[:, :longest])


@pytest.mark.parametrize(
    ("demands", "message"),
    [
        ({"prefixes": [[4]]}, "prefixes has 1 places for 2 sentences"),
        ({"prefixes": [[4] * 4, []]}, "sentence 0 have 4 pieces, but"),
        ({"prefixes": [[], [EOS]]}, f"piece {EOS} is asked for or forbidden"),
        (
            {"banned_phrases": [[[4, PAD]], []]},
            f"piece {PAD} is asked for or forbidden",
        ),
        ({"banned_phrases": [[[]], []]}, "phrase has no pieces"),
        ({"required_phrases": [[], [[4, 5], [6, 7]]]}, "sentence 1 have 4 pieces, but"),
        ({"min_lengths": torch.tensor([1])}, r"min_lengths has the shape \(1,\)"),
        ({"min_lengths": torch.tensor([1, 4])}, "least length is more than"),
    ],
)
@pytest.mark.parametrize("beam_size", [1, 2])
def test_demands_that_cannot_be_met_are_refused(
    demands: dict[str, Any], message: str, beam_size: int
) -> None:
    tables = random_tables(0, sentences=2, vocabulary=8)
    with pytest.raises(ValueError, match=message):
        beam(tables, [3, 3], beam_size=beam_size, demands=demands)


@given(
    seed=st.integers(0, 2**31),
    width=st.integers(1, 1500),
    count=st.integers(1, 8),
    holes=st.sampled_from([0.0, 0.5, 0.999]),
)
@many
def test_the_largest_are_found_by_chunks(
    seed: int, width: int, count: int, holes: float
) -> None:
    draw = torch.Generator().manual_seed(seed)
    values = torch.rand(3, width, generator=draw)
    values[torch.rand(3, width, generator=draw) < holes] = -math.inf
    count = min(count, width)
    found, places = topk(values, count)
    assert torch.equal(found, values.topk(count, dim=1).values)
    assert torch.equal(values.gather(1, places), found)
    assert all(len(set(row)) == count for row in places.tolist())
    best = argmax(values)
    assert torch.equal(values.gather(1, best[:, None])[:, 0], values.amax(dim=1))
    values[1, width // 2] = math.nan
    assert bool(topk(values, count)[0][1].isnan().any())
    assert int(argmax(values)[1]) == width // 2
