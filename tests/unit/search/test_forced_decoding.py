"""Given translations scored, and candidates ranked by their expected utility."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from seq2seq.data.collate import collate
from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.forced_decoding import ScoredTarget, forced_decoding
from seq2seq.translate.mbr import mbr_decode
from seq2seq.types import BOS, EOS, PAD
from tests.helpers.markov_step import random_tables, start, step, table
from tests.helpers.tiny_models import SOURCES, TARGETS, exact, whole_sequence


def forced(tables: Any, targets: list[list[int]], **options: Any) -> list[ScoredTarget]:
    state, memory, _ = start(tables)
    return forced_decoding(
        step,
        state,
        memory,
        targets,
        SearchOptions(**options),
        source_lengths=torch.ones(len(tables), dtype=torch.long),
    )


@pytest.mark.parametrize("kind", ["none", "general"])
def test_a_beams_hypotheses_have_the_same_score_when_forced(kind: str) -> None:
    model = exact(attention={"kind": kind})
    with torch.no_grad():
        model.decoder.output_layer.bias[EOS] += 2  # Untrained, it might never end.
    batch = collate(SOURCES, TARGETS)
    options = SearchOptions(
        beam_size=4,
        length_penalty=0.7,
        length_penalty_type="gnmt",
        coverage_penalty=0.4 if kind == "general" else 0.0,
        no_repeat_ngram_size=2,
    )
    with torch.no_grad():
        encoded = model.encoder(batch.source, batch.source_lengths)
        state, memory = model.init_decoder(encoded)
        constraints = DecodingConstraints.from_length_ratio(
            batch.source_lengths, options
        )
        hypotheses = beam_search(
            model.step, state, memory, constraints, options, num_hypotheses=4
        )
        for rank in range(4):
            nbest = [some[rank] for some in hypotheses]
            assert any(h.finished for h in nbest)
            scored = forced_decoding(
                model.step,
                state,
                memory,
                [h.tokens for h in nbest],
                options,
                source_lengths=batch.source_lengths,
            )
            for h, given in zip(nbest, scored, strict=True):
                if not h.finished:
                    continue  # Given translations end.
                assert given.hypothesis.tokens == h.tokens
                assert given.hypothesis.log_prob == pytest.approx(h.log_prob, abs=1e-4)
                assert given.hypothesis.score == pytest.approx(h.score, abs=1e-4)
                if h.attention is not None:
                    assert given.hypothesis.attention is not None
                    torch.testing.assert_close(given.hypothesis.attention, h.attention)


def test_log_probabilities_equal_those_of_teacher_forcing() -> None:
    model = exact(attention={"kind": "additive"})
    batch = collate(SOURCES, TARGETS)
    with torch.no_grad():
        encoded = model.encoder(batch.source, batch.source_lengths)
        state, memory = model.init_decoder(encoded)
        scored = forced_decoding(
            model.step,
            state,
            memory,
            TARGETS,
            SearchOptions(),
            source_lengths=batch.source_lengths,
        )
        weights = model.forward_decoder(batch).attention
    assert weights is not None
    whole = whole_sequence(model, batch).gather(2, batch.targets[:, :, None])[..., 0]
    for n, (target, given) in enumerate(zip(TARGETS, scored, strict=True)):
        length = len(target) + 1
        assert given.log_probs == pytest.approx(whole[n, :length].tolist(), abs=1e-5)
        assert given.hypothesis.log_prob == pytest.approx(sum(given.log_probs))
        assert given.hypothesis.attention is not None
        torch.testing.assert_close(given.hypothesis.attention, weights[n, :length])


def test_empty_and_impossible_targets_are_scored_too() -> None:
    a = 4
    tables = table(5, {(BOS, BOS): {EOS: 0.2, a: 0.8}, (BOS, a): {EOS: 1.0}})
    empty, impossible = forced(torch.cat([tables, tables]), [[], [a, a]])
    assert empty.log_probs == pytest.approx([math.log(0.2)])
    assert empty.hypothesis.tokens == ()
    assert impossible.log_probs == pytest.approx([math.log(0.8), -math.inf])
    assert impossible.hypothesis.tokens == (a, a)
    assert impossible.hypothesis.score == -math.inf


def test_targets_that_no_search_finds_are_refused() -> None:
    tables = random_tables(0, sentences=2, vocabulary=6)
    with pytest.raises(ValueError, match="1 translations came for 2 sentences"):
        forced(tables, [[4]])
    with pytest.raises(ValueError, match=f"token {PAD} is required"):
        forced(tables, [[4], [PAD]])


def overlap(hypotheses: Any, references: Any) -> list[list[float]]:
    return [
        [len(set(h) & set(r)) / len(set(h + r)) for r in references] for h in hypotheses
    ]


def test_the_choice_is_what_the_samples_have_in_common() -> None:
    samples = ["abc", "abd", "abe", "xyz", "xyz"]
    # xyz is the mode; abc, abd and abe share half of their letters with each other.
    ranked = mbr_decode(samples, overlap)
    assert [candidate.position for candidate in ranked] == [0, 1, 2, 3]
    assert ranked[0].utility == pytest.approx((1 + 0.5 + 0.5) / 5)
    assert ranked[3].utility == pytest.approx(2 / 5)


def test_repeated_samples_weigh_as_often_as_they_come() -> None:
    ranked = mbr_decode(["abc", *["xyz"] * 3], overlap)
    assert [tuple(choice) for choice in ranked] == [(1, 0.75), (0, 0.25)]
    with pytest.raises(ValueError, match="at least one candidate"):
        mbr_decode([], overlap)
