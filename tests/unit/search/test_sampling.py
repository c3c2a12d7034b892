"""Sampling: frequencies are probabilities, and samples depend on the sentence alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from seq2seq.data.collate import collate
from seq2seq.recipe import SamplingOptions, SearchOptions
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.sampling import (
    HEAD,
    exponential_noise,
    sample,
    sample_seeds,
    sentence_seed,
    warp_logits,
)
from seq2seq.types import BOS, EOS, UNK, Hypothesis
from tests.helpers.markov_step import (
    log_prob_of,
    make_constraints,
    random_tables,
    start,
    step,
    table,
)
from tests.helpers.tiny_models import SOURCES, TARGETS, exact

DRAWS = 20_000
# What chi-square stays below in 999 of 1,000 experiments, by degrees of freedom.
CRITICAL = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 15: 37.70}


def drawn(
    tables: Tensor,
    limits: list[int],
    seeds: list[int],
    *,
    num_samples: int = 1,
    constraints: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    **sampling: Any,
) -> list[list[Hypothesis]]:
    state, memory, _ = start(tables)
    chosen = SearchOptions(sampling=SamplingOptions(**sampling), **(options or {}))
    return sample(
        step,
        state,
        memory,
        make_constraints(limits, **(constraints or {})),
        chosen,
        seeds=seeds,
        num_samples=num_samples,
    )


def chi_square(counts: list[int], shares: list[float]) -> float:
    total = sum(counts)
    return sum(
        (c - total * p) ** 2 / (total * p) for c, p in zip(counts, shares, strict=True)
    )


PROBABILITIES = {4: 0.4, 5: 0.3, 6: 0.15, 7: 0.1, EOS: 0.04, UNK: 0.01}


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        ({}, [4, 5, 6, 7, EOS, UNK]),
        ({"temperature": 0.5}, [4, 5, 6, 7, EOS, UNK]),
        ({"temperature": 2.0}, [4, 5, 6, 7, EOS, UNK]),
        ({"top_k": 2}, [4, 5]),
        ({"top_p": 0.69}, [4, 5]),
        ({"top_p": 0.71}, [4, 5, 6]),
        ({"epsilon_cutoff": 0.05}, [4, 5, 6, 7]),
        ({"top_k": 3, "top_p": 0.99, "epsilon_cutoff": 0.2}, [4, 5]),
        ({"temperature": 2.0, "top_p": 0.5}, [4, 5]),
    ],
    ids=str,
)
def test_frequencies_are_the_probabilities_that_temperature_and_cuts_leave(
    sampling: dict[str, float], kept: list[int]
) -> None:
    tables = table(8, {(BOS, BOS): PROBABILITIES})
    (hypotheses,) = drawn(tables, [1], [17], num_samples=DRAWS, **sampling)
    # A token after which nothing can come is cut; what was drawn is its first token.
    counts = Counter(h.tokens[0] if h.tokens else EOS for h in hypotheses)
    assert set(counts) == set(kept)
    if len(kept) > 1:
        power = 1 / sampling.get("temperature", 1.0)
        weights = [PROBABILITIES[token] ** power for token in kept]
        shares = [weight / sum(weights) for weight in weights]
        kept_counts = [counts[token] for token in kept]
        assert chi_square(kept_counts, shares) < CRITICAL[len(kept) - 1]


@pytest.mark.parametrize(
    "sampling",
    [{"top_k": 1}, {"top_p": 0.01}, {"epsilon_cutoff": 0.9}, {"temperature": 1e-4}],
)
def test_the_most_probable_token_always_stays(sampling: dict[str, Any]) -> None:
    tables = table(8, {(BOS, BOS): PROBABILITIES})
    (hypotheses,) = drawn(tables, [1], [3], num_samples=50, **sampling)
    assert {h.tokens for h in hypotheses} == {(4,)}


def test_two_positions_two_samples_and_two_sentences_are_independent() -> None:
    """Pairs of draws come as often as the product of their probabilities."""
    even = dict.fromkeys([4, 5, 6, 7], 0.25)
    rows = {(BOS, BOS): even} | {(BOS, token): even for token in even}
    one = table(8, rows)
    tables = torch.cat([one, one])
    first, second = drawn(tables, [2, 2], [1, 2], num_samples=DRAWS)
    shares = [1 / 16] * 16
    pairs = {
        "positions": [h.tokens for h in first],
        "samples": [
            (a.tokens[0], b.tokens[0])
            for a, b in zip(first[::2], first[1::2], strict=True)
        ],
        "sentences": [
            (a.tokens[0], b.tokens[0]) for a, b in zip(first, second, strict=True)
        ],
    }
    for hypotheses in pairs.values():
        counts = Counter(hypotheses)
        assert len(counts) == 16
        assert chi_square(list(counts.values()), shares) < CRITICAL[15]


def test_a_draw_depends_on_seed_sentence_and_number_alone() -> None:
    limits, seeds = [6, 3, 8, 5], [11, 5, 11, 7]
    tables = random_tables(1, sentences=4, vocabulary=9)
    together = drawn(tables, limits, seeds, num_samples=3)
    for n in range(4):
        alone = drawn(tables[n : n + 1], [limits[n]], [seeds[n]], num_samples=5)
        assert alone[0][:3] == together[n]
    turned = drawn(tables.flip(0), limits[::-1], seeds[::-1], num_samples=3)
    assert turned[::-1] == together
    assert drawn(tables, limits, seeds, num_samples=3, seed=2) != together


def test_a_real_network_draws_the_same_in_every_batch() -> None:
    model = exact(attention={"kind": "general"})
    options = SearchOptions(sampling=SamplingOptions(top_p=0.95, temperature=1.3))

    def hypotheses(sources: list[list[int]]) -> list[list[tuple[int, ...]]]:
        batch = collate(sources, TARGETS[: len(sources)])
        with torch.no_grad():
            state, memory = model.init_decoder(
                model.encoder(batch.source, batch.source_lengths)
            )
            nbest = sample(
                model.step,
                state,
                memory,
                DecodingConstraints.from_length_ratio(batch.source_lengths, options),
                options,
                seeds=[sentence_seed(source) for source in sources],
                num_samples=4,
            )
        return [[h.tokens for h in some] for some in nbest]

    together = hypotheses(SOURCES)
    assert hypotheses(SOURCES[::-1])[::-1] == together
    assert [hypotheses([source])[0] for source in SOURCES] == together
    assert len({tokens for some in together for tokens in some}) > 8


def test_log_prob_is_the_models_and_rules_hold() -> None:
    tables = random_tables(2, sentences=2, vocabulary=9)
    hypotheses = drawn(
        tables,
        [6, 6],
        [1, 2],
        num_samples=40,
        constraints={"min_lengths": torch.tensor([2, 0]), "prefixes": [[], [UNK]]},
        options={"allow_unknown": False, "no_repeat_ngram_size": 1},
        temperature=2.0,
        top_k=4,
    )
    for n, some in enumerate(hypotheses):
        for h in some:
            total = log_prob_of(tables[n], h.tokens, finished=h.finished)
            assert h.log_prob == pytest.approx(total)
            assert len(set(h.tokens)) == len(h.tokens)
    assert all(len(h.tokens) >= 2 and UNK not in h.tokens for h in hypotheses[0])
    assert all(h.tokens[0] == UNK and UNK not in h.tokens[1:] for h in hypotheses[1])


def test_a_nucleus_wider_than_the_head_needs_sorting() -> None:
    torch.manual_seed(0)
    flat = (0.01 * torch.randn(2, 3 * HEAD)).log_softmax(dim=1)
    steep = (5 * torch.randn(2, 3 * HEAD)).log_softmax(dim=1)
    for log_probs in (flat, steep):
        left = warp_logits(log_probs, SamplingOptions(top_p=0.9)) > float("-inf")
        for row, kept in zip(log_probs.exp(), left, strict=True):
            assert row[kept].sum() >= 0.9 - 1e-5
            assert row[kept].sum() - row[kept].min() < 0.9 + 1e-5
            assert row[kept].min() >= row[~kept].max()
    assert (
        warp_logits(flat, SamplingOptions(top_p=0.9)) > float("-inf")
    ).sum() > 2 * HEAD


def test_noise_is_exponential_and_no_row_is_like_another() -> None:
    seeds = sample_seeds(list(range(40)), 5, 1)
    assert len(set(seeds.tolist())) == 200
    noise = torch.stack([exponential_noise(seeds, step, 1000) for step in range(3)])
    assert noise.min() > 0
    assert noise.mean() == pytest.approx(1, abs=0.01)
    assert noise.var() == pytest.approx(1, abs=0.02)
    assert (noise < 0.1).double().mean() == pytest.approx(1 - 2.71828**-0.1, abs=2e-3)
    rows = noise.reshape(600, 1000)
    alike = torch.corrcoef(rows) - torch.eye(600)
    assert alike.abs().max() < 0.2  # 6 standard deviations of 180,000 pairs.


def test_a_seed_depends_on_the_sentence_itself() -> None:
    assert sentence_seed([4, 5]) == sentence_seed((4, 5)) != sentence_seed([5, 4])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [1]}, "1 seeds came for 2 sentences"),
        ({"num_samples": 0}, "num_samples is 0"),
        (
            {"constraints": {"required_phrases": [[[4]], []]}},
            "samples keep no required phrases",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    arguments: dict[str, Any] = {"seeds": [1, 2], **changes}
    with pytest.raises(ValueError, match=message):
        drawn(random_tables(0, sentences=2, vocabulary=6), [3, 3], **arguments)


def test_no_sentences_need_no_draw() -> None:
    assert drawn(random_tables(0, sentences=0, vocabulary=6), [], []) == []


def test_the_epsilon_cutoff_is_of_probabilities_renormalised_after_the_rules() -> None:
    """Where half of the mass is ruled out, what is left has twice its probability."""
    probabilities = torch.tensor([[0.0, 0.3, 0.14, 0.06]])  # 0.6, 0.28 and 0.12.
    for cutoff, kept in ((0.11, 3), (0.13, 2), (0.27, 2), (0.29, 1)):
        options = SamplingOptions(epsilon_cutoff=cutoff)
        logits = warp_logits(probabilities.log(), options)
        assert int(logits.isfinite().sum()) == kept, cutoff
    # Temperature comes first: the roots, renormalised, are 0.47, 0.32 and 0.21.
    warm = SamplingOptions(epsilon_cutoff=0.22, temperature=2.0)
    assert int(warp_logits(probabilities.log(), warm).isfinite().sum()) == 2
