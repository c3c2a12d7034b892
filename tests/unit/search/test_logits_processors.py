"""Masked tokens: n-grams, the unknown token, lengths, prefixes, banned phrases."""

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
from seq2seq.search.logits_processors import process_logits
from seq2seq.search.step import CHUNK_SIZE, argmax, topk
from seq2seq.types import BOS, EOS, PAD, UNK
from tests.helpers.markov_step import (
    beam,
    brute_force,
    greedy,
    log_prob_of,
    make_constraints,
    many,
    random_tables,
    some,
)
from tests.helpers.tiny_models import SOURCES, TARGETS, exact

Tokens = tuple[int, ...]


def contains(tokens: Tokens, phrase: Tokens) -> bool:
    size = len(phrase)
    return any(tokens[i : i + size] == phrase for i in range(len(tokens) - size + 1))


def repeats(tokens: Tokens, size: int) -> bool:
    ngrams = [tokens[i : i + size] for i in range(len(tokens) - size + 1)]
    return len(set(ngrams)) < len(ngrams)


Case = tuple[dict[str, Any], dict[str, Any], Callable[[Tokens], bool]]
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
    "banned token": (
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
@pytest.mark.parametrize("num_hypotheses", [1, 400])
def test_a_wide_beam_equals_brute_force(rule: str, num_hypotheses: int) -> None:
    options, constraints, holds = RULES[rule]
    for seed in range(3):
        tables = random_tables(seed, sentences=1, vocabulary=6)
        (hypotheses,) = beam(
            tables,
            [4],
            beam_size=400,
            num_hypotheses=num_hypotheses,
            length_penalty=0.8,
            constraints=constraints,
            **options,
        )
        expected = brute_force(tables[0], 4, 0.8, holds=holds)[:num_hypotheses]
        assert [h.tokens for h in hypotheses] == [tokens for tokens, _ in expected]
        assert [h.score for h in hypotheses] == pytest.approx([s for _, s in expected])


@pytest.mark.parametrize("rule", RULES)
def test_greedy_search_takes_the_likeliest_piece_that_may_come(rule: str) -> None:
    """After any beginning, by trying each token: EOS where the whole holds."""
    options, constraints, holds = RULES[rule]
    met_later = {
        "prefix",
        "least",
        "all",
    }  # Constraints that a prefix may not meet yet.
    for seed in range(6):
        tables = random_tables(seed, sentences=1, vocabulary=7)
        (hypotheses,) = greedy(tables, [6], constraints=constraints, **options)
        total = log_prob_of(tables[0], hypotheses.tokens, finished=hypotheses.finished)
        assert hypotheses.log_prob == pytest.approx(total)
        assert holds(hypotheses.tokens) or not hypotheses.finished
        if rule in met_later:
            continue
        for length in range(len(hypotheses.tokens)):
            before = hypotheses.tokens[:length]
            previous, last = (BOS, BOS, *before)[-2:]
            row = tables[0, previous, last]
            may = [p for p in (UNK, EOS, 4, 5, 6) if p == EOS or holds((*before, p))]
            assert hypotheses.tokens[length] == max(may, key=lambda p: float(row[p]))


@some
@given(
    seed=st.integers(0, 2**31),
    ngram=st.integers(0, 3),
    beam_size=st.integers(1, 4),
    data=st.data(),
)
def test_a_batch_with_constraints_equals_each_sentence_alone(
    seed: int, ngram: int, beam_size: int, data: st.DataObject
) -> None:
    count, tokens = data.draw(st.integers(1, 4)), st.sampled_from([UNK, 4, 5, 6, 7])
    limits = data.draw(st.lists(st.integers(3, 8), min_size=count, max_size=count))
    phrases = st.lists(st.lists(tokens, min_size=1, max_size=3), max_size=3)
    constraints: dict[str, Any] = {
        "prefixes": data.draw(
            st.lists(st.lists(tokens, max_size=3), min_size=count, max_size=count)
        ),
        "banned_phrases": data.draw(st.lists(phrases, min_size=count, max_size=count)),
        "min_lengths": torch.tensor(
            data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
        ),
    }
    tables = random_tables(seed, sentences=count, vocabulary=8, impossible=0.2)
    options = {"beam_size": beam_size, "no_repeat_ngram_size": ngram}
    together = beam(
        tables, limits, num_hypotheses=beam_size, constraints=constraints, **options
    )
    for n, hypotheses in enumerate(together):
        alone = {name: value[n : n + 1] for name, value in constraints.items()}
        one = tables[n : n + 1]
        assert [hypotheses] == beam(
            one,
            limits[n : n + 1],
            num_hypotheses=beam_size,
            constraints=alone,
            **options,
        )
        for h in hypotheses:
            prefix = tuple(constraints["prefixes"][n])
            assert h.tokens[: len(prefix)] == prefix[: len(h.tokens)]
            rest = h.tokens[len(prefix) :]
            assert not any(
                contains(rest, tuple(f)) for f in constraints["banned_phrases"][n]
            )
            assert not h.finished or len(h.tokens) >= constraints["min_lengths"][n]
            assert not (ngram and repeats(rest, ngram))


def test_tokens_that_are_not_masked_keep_their_log_probabilities() -> None:
    log_probs = torch.randn(2, 8).log_softmax(dim=1)
    before = log_probs.clone()
    constraints = make_constraints([9, 9], prefixes=[[4], []])
    options = SearchOptions(allow_unknown=False)
    tokens = torch.empty(2, 0, dtype=torch.long)
    masked = process_logits(log_probs, tokens, 0, constraints, options)
    assert (masked[0] > -math.inf).nonzero().flatten().tolist() == [4]
    assert (masked[1] > -math.inf).nonzero().flatten().tolist() == [EOS, 4, 5, 6, 7]
    assert torch.equal(masked[1, EOS:], before[1, EOS:])


def test_lengths_by_ratio_count_source_pieces() -> None:
    options = SearchOptions(max_length_ratio=1.5, min_length_ratio=0.5)
    constraints = DecodingConstraints.from_length_ratio(torch.tensor([3, 8]), options)
    assert constraints.max_lengths.tolist() == [14, 22]
    assert constraints.min_lengths is not None
    assert constraints.min_lengths.tolist() == [1, 4]
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

    def hypotheses(sources: list[list[int]]) -> list[Any]:
        batch = collate(sources, TARGETS[: len(sources)])
        with torch.no_grad():
            encoded = model.encoder(batch.source, batch.source_lengths)
            state, memory = model.init_decoder(encoded)
            constraints = DecodingConstraints.from_length_ratio(
                batch.source_lengths, options
            )
            return beam_search(
                model.step,
                state,
                memory,
                constraints,
                options,
                num_hypotheses=beam_size,
            )

    together = hypotheses(SOURCES)
    for n, source in enumerate(SOURCES):
        (alone,) = hypotheses([source])
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
    ("constraints", "message"),
    [
        ({"prefixes": [[4]]}, "prefixes has 1 places for 2 sentences"),
        ({"prefixes": [[4] * 4, []]}, "sentence 0 have 4 tokens, but"),
        ({"prefixes": [[], [EOS]]}, f"token {EOS} is required or banned"),
        (
            {"banned_phrases": [[[4, PAD]], []]},
            f"token {PAD} is required or banned",
        ),
        ({"banned_phrases": [[[]], []]}, "phrase has no tokens"),
        ({"required_phrases": [[], [[4, 5], [6, 7]]]}, "sentence 1 have 4 tokens, but"),
        ({"min_lengths": torch.tensor([1])}, r"min_lengths has the shape \(1,\)"),
        ({"min_lengths": torch.tensor([1, 4])}, "least length is more than"),
    ],
)
@pytest.mark.parametrize("beam_size", [1, 2])
def test_constraints_that_cannot_be_met_are_refused(
    constraints: dict[str, Any], message: str, beam_size: int
) -> None:
    tables = random_tables(0, sentences=2, vocabulary=8)
    with pytest.raises(ValueError, match=message):
        beam(tables, [3, 3], beam_size=beam_size, constraints=constraints)


@given(
    seed=st.integers(0, 2**31),
    width=st.integers(1, 1500),
    count=st.integers(1, 8),
    holes=st.sampled_from([0.0, 0.5, 0.999]),
)
@many
def test_topk_by_chunks_equals_topk(
    seed: int, width: int, count: int, holes: float
) -> None:
    draw = torch.Generator().manual_seed(seed)
    values = torch.rand(3, width, generator=draw)
    values[torch.rand(3, width, generator=draw) < holes] = -math.inf
    count = min(count, width)
    hypotheses, places = topk(values, count)
    assert torch.equal(hypotheses, values.topk(count, dim=1).values)
    assert torch.equal(values.gather(1, places), hypotheses)
    assert all(len(set(row)) == count for row in places.tolist())
    best = argmax(values)
    assert torch.equal(values.gather(1, best[:, None])[:, 0], values.amax(dim=1))
    values[1, width // 2] = math.nan
    assert bool(topk(values, count)[0][1].isnan().any())
    assert int(argmax(values)[1]) == width // 2


@pytest.mark.parametrize("finite", [6000, 4, 0])
def test_topk_by_repeated_argmax_equals_topk(
    finite: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = torch.randn(3, 6000, generator=torch.Generator().manual_seed(1))
    values[1, finite:] = -math.inf  # Below five, the chunks give distinct indices.
    before, expected = values.clone(), values.topk(5, dim=1)
    if finite > 5:
        monkeypatch.setattr(torch.Tensor, "topk", None)
    best, indices = topk(values, 5)
    assert torch.equal(values, before)
    assert torch.equal(best, expected.values)
    assert torch.equal(values.gather(1, indices), best)
    assert all(len(set(row)) == 5 for row in indices.tolist())


@pytest.mark.parametrize(
    ("count", "widths"),
    [
        (4, [16, 4 * CHUNK_SIZE + 5]),  # Of 16 chunks a quarter is kept.
        (5, [16 * CHUNK_SIZE + 5]),
        (17, [16 * CHUNK_SIZE + 5]),  # More than there are chunks.
    ],
)
def test_topk_uses_chunks_where_it_keeps_a_quarter_of_them_or_fewer(
    count: int, widths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = torch.randn(3, 16 * CHUNK_SIZE + 5)
    expected = values.topk(count, dim=1)
    plain, calls = torch.Tensor.topk, []

    def recorded(tensor: torch.Tensor, *args: Any, **options: Any) -> Any:
        calls.append(tensor.shape[1])
        return plain(tensor, *args, **options)

    monkeypatch.setattr(torch.Tensor, "topk", recorded)
    best, indices = topk(values, count)
    assert calls == widths
    assert torch.equal(best, expected.values)
    assert torch.equal(indices, expected.indices)
