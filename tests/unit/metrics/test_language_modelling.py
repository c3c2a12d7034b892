"""Perplexity and bits are what their definitions give, with intervals over blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seq2seq.metrics.language_modelling import language_model_scores
from seq2seq.metrics.significance import compare_estimates


def test_a_uniform_model_has_the_vocabularys_perplexity() -> None:
    # Lines of 3 and 5 tokens of 4 characters each, every token with probability 1/8.
    scores = language_model_scores([3 * math.log(8), 5 * math.log(8)], [3, 5], [12, 20])
    assert scores.perplexity.score == pytest.approx(8)
    assert scores.bits_per_token.score == pytest.approx(3)
    assert scores.nats_per_token.score == pytest.approx(math.log(8))
    assert scores.bits_per_character.score == pytest.approx(3 / 4)
    assert scores.nats_per_character.score == pytest.approx(math.log(8) / 4)
    assert (scores.tokens, scores.characters) == (8, 32)
    assert scores.perplexity.interval == pytest.approx((8, 8))


def test_long_lines_weigh_more() -> None:
    scores = language_model_scores([1.0, 9.0], [1, 3], [1, 3])
    assert scores.nats_per_token.score == pytest.approx(10 / 4)


def test_intervals_of_dependent_tokens_need_blocks() -> None:
    # Runs of a hundred equal values: a block holds one, so 40 values are independent.
    values = np.random.default_rng(1).normal(2, 1, 40).repeat(100)
    ones = np.ones(len(values))
    single, blocks = (
        language_model_scores(values, ones, ones, block=block).nats_per_token
        for block in (1, 100)
    )
    assert single.score == pytest.approx(blocks.score)
    widths = [x.interval.high - x.interval.low for x in (single, blocks)]
    assert widths[1] / widths[0] == pytest.approx(10, rel=0.15)


def test_two_models_of_the_same_text_are_compared_by_perplexity() -> None:
    random = np.random.default_rng(2)
    nats, ones = random.normal(2, 0.1, 200), np.ones(200)
    baseline, system = (
        language_model_scores(x, ones, ones).perplexity for x in (nats, nats - 0.1)
    )
    result = compare_estimates(baseline, system)
    assert result.difference == pytest.approx(system.score - baseline.score)
    assert result.randomization_p < 0.001
    assert result.interval.high < 0
