"""Scores of hypotheses, the stopping criterion, and diverse beam groups."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.errors import UserError
from seq2seq.recipe import SearchOptions
from seq2seq.recipe.loader import read_recipe
from seq2seq.search.beam_step import diverse_beam_step
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.types import BOS, EOS
from tests.helpers.markov_step import (
    NEVER,
    Case,
    assert_same,
    beam,
    brute_force,
    cases,
    log_prob_of,
    random_tables,
    slow_beam,
    some,
    table,
)


def gnmt(log_prob: float, length: int, penalty: float) -> float:
    return log_prob / ((5 + length) ** penalty / 6**penalty)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.4])
def test_a_wide_beam_with_gnmts_norm_equals_brute_force(penalty: float) -> None:
    tables = random_tables(0, sentences=2, vocabulary=6)
    hypotheses = beam(
        tables,
        [4, 3],
        beam_size=400,
        length_penalty=penalty,
        length_penalty_type="gnmt",
        num_hypotheses=400,
    )
    for one, limit, nbest in zip(tables, [4, 3], hypotheses, strict=True):
        expected = brute_force(one, limit, penalty, norm=gnmt)
        assert [h.tokens for h in nbest] == [tokens for tokens, _ in expected]
        assert [h.score for h in nbest] == pytest.approx([s for _, s in expected])


def random_attention(
    seed: int, *, sentences: int, vocabulary: int, longest: int
) -> Any:
    """Weights by last token, (N, V, S), and source lengths; none at padding."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(sentences, vocabulary, longest, generator=generator)
    lengths = torch.randint(1, longest + 1, (sentences,), generator=generator)
    padding = torch.arange(longest) >= lengths[:, None]
    logits = logits.double().masked_fill(padding[:, None], -math.inf)
    return logits.softmax(dim=2), lengths


@pytest.mark.parametrize("num_hypotheses", [1, 400])
@pytest.mark.parametrize("beta", [0.2, 1.0])
def test_a_wide_beam_with_coverage_equals_brute_force(
    beta: float, num_hypotheses: int
) -> None:
    """Also where only the best is asked for and the search stops early."""
    limits = [4, 3, 4]
    tables = random_tables(3, sentences=3, vocabulary=6)
    attention, lengths = random_attention(0, sentences=3, vocabulary=6, longest=4)
    hypotheses = beam(
        tables,
        limits,
        beam_size=400,
        coverage_penalty=beta,
        num_hypotheses=num_hypotheses,
        attention=attention,
        constraints={"source_lengths": lengths},
    )
    for n, limit in enumerate(limits):

        def coverage_penalty(tokens: tuple[int, ...], n: int = n) -> float:
            sums = attention[n, [BOS, *tokens]].sum(dim=0)[: int(lengths[n])]
            return beta * math.fsum(min(s, 1.0) and math.log(min(s, 1.0)) for s in sums)

        expected = brute_force(tables[n], limit, 1.0, extra=coverage_penalty)[
            :num_hypotheses
        ]
        assert [h.tokens for h in hypotheses[n]] == [tokens for tokens, _ in expected]
        assert [h.score for h in hypotheses[n]] == pytest.approx(
            [s for _, s in expected]
        )


@pytest.mark.parametrize("beam_size", [1, 3])
def test_weights_follow_their_hypothesis_through_the_beam(beam_size: int) -> None:
    limits = [5, 2, 7]
    tables = random_tables(5, sentences=3, vocabulary=8, impossible=0.3)
    attention, _ = random_attention(1, sentences=3, vocabulary=8, longest=5)
    hypotheses = beam(
        tables,
        limits,
        beam_size=beam_size,
        num_hypotheses=beam_size,
        attention=attention,
    )
    for n, nbest in enumerate(hypotheses):
        for h in nbest:
            read = [BOS, *h.tokens][: len(h.tokens) + h.finished]
            assert h.attention is not None
            assert torch.equal(h.attention, attention[n, read])


@pytest.mark.parametrize("beam_size", [1, 3])
def test_coverage_without_weights_is_refused(beam_size: int) -> None:
    tables = random_tables(5, sentences=1, vocabulary=8)
    attention, lengths = random_attention(1, sentences=1, vocabulary=8, longest=5)
    for weights, lengths_option in (
        (None, {"source_lengths": lengths}),
        (attention, {}),
    ):
        with pytest.raises(ValueError, match="coverage_penalty needs a model with"):
            beam(
                tables,
                [3],
                beam_size=beam_size,
                coverage_penalty=0.1,
                attention=weights,
                constraints=lengths_option,
            )


@some
@given(case=cases(), beam_size=st.integers(1, 5), data=st.data())
def test_stopping_at_the_bound_equals_never_stopping(
    case: Case, beam_size: int, data: st.DataObject
) -> None:
    """A slow beam runs each sentence to its limit: the bound loses nothing of it."""
    tables, limits, penalty = case
    num_hypotheses = data.draw(st.integers(1, beam_size))
    hypotheses = beam(
        tables,
        limits,
        beam_size=beam_size,
        length_penalty=penalty,
        early_stopping="never",
        num_hypotheses=num_hypotheses,
    )
    for one, limit, nbest in zip(tables, limits, hypotheses, strict=True):
        expected = slow_beam(
            one,
            beam_size=beam_size,
            max_length=limit,
            penalty=penalty,
            num_hypotheses=num_hypotheses,
            early_stopping="never",
        )
        assert_same(nbest, expected)


def test_counting_may_miss_what_the_bound_waits_for() -> None:
    a = 4
    rows = {(BOS, BOS): {EOS: 0.5, a: 0.4}, (BOS, a): {a: 0.6, EOS: 0.4}}
    tables = table(5, {**rows, (a, a): {a: 0.95, EOS: 0.05}})
    early = beam(tables, [30], beam_size=2)[0][0]
    late = beam(tables, [30], beam_size=2, early_stopping="never")[0][0]
    assert (early.tokens, late.tokens) == ((), (a,) * 30)
    assert late.score > early.score


@given(
    log_prob=st.floats(-50, 0),
    loss=st.floats(0, 20),
    limit=st.integers(1, 60),
    data=st.data(),
    penalty=st.floats(0, 3),
    kind=st.sampled_from(["power", "gnmt"]),
)
def test_no_continuation_exceeds_the_bound(
    log_prob: float,
    loss: float,
    limit: int,
    data: st.DataObject,
    penalty: float,
    kind: Any,
) -> None:
    scorer = HypothesisScorer(
        SearchOptions(length_penalty=penalty, length_penalty_type=kind)
    )
    length = data.draw(st.integers(1, limit + 1))
    score = scorer.score(log_prob - loss, length, data.draw(st.floats(-9, 0)))
    assert score <= scorer.upper_bound(log_prob, limit) + 1e-12


@some
@given(
    case=cases(),
    groups=st.integers(1, 3),
    group_size=st.integers(1, 3),
    diversity=st.sampled_from([0.0, 0.3, 2.0]),
    stop=st.sampled_from([True, "never"]),
)
def test_a_beam_in_groups_equals_a_slow_one_in_plain_lists(
    case: Case, groups: int, group_size: int, diversity: float, stop: Any
) -> None:
    tables, limits, penalty = case
    sizes = {
        "beam_size": groups * group_size,
        "num_beam_groups": groups,
        "diversity_penalty": diversity,
    }
    hypotheses = beam(
        tables,
        limits,
        length_penalty=penalty,
        num_hypotheses=groups * group_size,
        early_stopping=stop,
        **sizes,
    )
    for one, limit, nbest in zip(tables, limits, hypotheses, strict=True):
        expected = slow_beam(
            one,
            max_length=limit,
            penalty=penalty,
            num_hypotheses=groups * group_size,
            early_stopping=stop,
            **sizes,  # type: ignore[arg-type]
        )
        assert_same(nbest, expected)
        assert len({h.tokens for h in nbest}) == len(nbest)


@pytest.mark.parametrize("groups", [1, 3])
def test_groups_without_diversity_are_one_smaller_beam(groups: int) -> None:
    tables = random_tables(2, sentences=3, vocabulary=9)
    sizes = {"num_beam_groups": groups, "diversity_penalty": 0.0}
    divided = beam(tables, [6, 4, 7], beam_size=6, num_hypotheses=6, **sizes)
    plain = beam(tables, [6, 4, 7], beam_size=6 // groups, num_hypotheses=6 // groups)
    assert divided == plain


def test_diversity_brings_other_beginnings() -> None:
    tables = random_tables(4, sentences=1, vocabulary=12)
    sizes = {"beam_size": 4, "num_beam_groups": 4, "num_hypotheses": 4}
    hypotheses = beam(tables, [6], diversity_penalty=50.0, **sizes)[0]
    assert len({h.tokens[:1] for h in hypotheses}) == 4


def test_a_batch_in_groups_equals_each_sentence_alone() -> None:
    limits = [3, 12, 1, 7, 12, 5]
    tables = random_tables(5, sentences=6, vocabulary=8, impossible=0.4)
    sizes = {"beam_size": 4, "num_beam_groups": 2, "num_hypotheses": 4}
    together = beam(tables, limits, **sizes)
    for i, limit in enumerate(limits):
        assert beam(tables[i : i + 1], [limit], **sizes) == [together[i]]


@pytest.mark.parametrize("kind", ["none", "fixed"])
def test_a_coverage_penalty_needs_attention(kind: str) -> None:
    coverage = "search.coverage_penalty=0.2"
    assert read_recipe("quickstart", [coverage]).search.coverage_penalty == 0.2
    with pytest.raises(UserError, match=f"look at the source, but its kind is {kind}"):
        read_recipe("quickstart", [coverage, f"model.attention.kind={kind}"])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"beam_size": 5, "num_beam_groups": 2},
            "num_beam_groups: 2 does not divide beam_size: 5",
        ),
        ({"min_length_ratio": 3.0}, "min_length_ratio: 3.0 is more than"),
        ({"beam_size": 0}, "greater than or equal to 1"),
        ({"length_penalty": -0.5}, "greater than or equal to 0"),
        ({"length_penalty": math.nan}, "finite"),
    ],
)
def test_options_out_of_range_are_refused(
    section: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SearchOptions.model_validate(section)


def test_a_least_length_may_equal_the_greatest_but_not_exceed_it() -> None:
    equal = SearchOptions(min_length_ratio=1.5, max_length_ratio=1.5)
    constraints = DecodingConstraints.from_length_ratio(torch.tensor([4, 7]), equal)
    assert constraints.min_lengths is not None
    assert constraints.min_lengths.tolist() == [6, 10]
    assert constraints.validate() == [16, 20]
    with pytest.raises(ValueError, match=r"min_length_ratio: 1\.6 is more"):
        SearchOptions(min_length_ratio=1.6, max_length_ratio=1.5)
    exact = DecodingConstraints(
        max_lengths=torch.tensor([4]), min_lengths=torch.tensor([4])
    )
    assert exact.validate() == [4]
    with pytest.raises(ValueError, match="least length is more than its greatest"):
        dataclasses.replace(exact, min_lengths=torch.tensor([5])).validate()


@pytest.mark.parametrize("beam_size", [1, 4])
def test_half_precision_is_summed_in_single_and_left_unchanged(beam_size: int) -> None:
    tables = random_tables(2, sentences=2, vocabulary=7).to(torch.bfloat16)
    before = tables.clone()
    with torch.inference_mode():
        hypotheses = beam(tables, [6, 6], beam_size=beam_size)
    assert torch.equal(tables, before)
    for one, (best,) in zip(tables, hypotheses, strict=True):
        total = log_prob_of(one, best.tokens, finished=best.finished)
        assert best.log_prob == pytest.approx(total, abs=1e-5)


def test_a_beam_that_cannot_go_on_penalises_nothing_in_later_groups() -> None:
    """Its copy of the best continuation is no second hypothesis with that token."""
    a, b = 4, 5
    probabilities = torch.zeros(4, 6)  # Two groups of two beams.
    probabilities[0, a] = 1.0  # The only continuation of the first group.
    probabilities[2, a], probabilities[2, b] = 0.65, 0.35  # A difference of 0.62 nats.
    chosen = diverse_beam_step(
        probabilities.log(),
        torch.tensor([[0.0, NEVER], [0.0, NEVER]]),
        2,
        num_groups=2,
        diversity_penalty=0.5,
    )
    assert chosen.log_probs[0].tolist() == [0.0, NEVER]
    assert chosen.tokens[1].tolist() == [a, b]
