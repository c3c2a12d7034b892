"""Confidence intervals and paired tests are sacreBLEU's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from seq2seq.metrics.sacrebleu_scores import score_segments
from seq2seq.metrics.significance import (
    bleu_from_stats,
    bootstrap_interval,
    chrf_from_stats,
    mean_from_stats,
    paired_test,
    ter_from_stats,
)
from tests.helpers.noisy_translations import WORDS, noisy, sentence

METRICS: list[tuple[Any, Any]] = [
    (BLEU(), bleu_from_stats),
    (CHRF(word_order=2), chrf_from_stats),
    (CHRF(), chrf_from_stats),
    (TER(), ter_from_stats),
]


@pytest.mark.parametrize(("metric", "score_from_stats"), METRICS)
@given(data=st.data())
@settings(max_examples=60)
def test_a_score_from_sums_is_the_metrics_own(
    metric: Any, score_from_stats: Any, data: st.DataObject
) -> None:
    line = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
    references = data.draw(st.lists(line.filter(bool), min_size=1, max_size=4))
    size = len(references)
    hypotheses = data.draw(st.lists(line, min_size=size, max_size=size))
    rows = metric._extract_corpus_statistics(hypotheses, [references])
    sums = np.array(rows, dtype=np.float64).sum(axis=0, keepdims=True)
    expected = metric.corpus_score(hypotheses, [references]).score
    assert score_from_stats(sums)[0] == pytest.approx(expected, abs=1e-9)


def two_systems() -> tuple[list[str], list[str], list[list[str]]]:
    random = np.random.default_rng(5)
    first = [sentence(random, "de") for _ in range(90)]
    one, other = ([noisy(random, line, "de") for line in first] for _ in range(2))
    return one, [line if i % 7 else "" for i, line in enumerate(other)], [first]


@pytest.mark.parametrize(("test", "samples"), [("bs", 1000), ("ar", 1500)])
def test_p_values_are_sacrebleus_without_ties(test: str, samples: int) -> None:
    one, other, references = two_systems()
    metrics = {"bleu": BLEU(), "chrf": CHRF(), "ter": TER()}
    named = [("one", one), ("other", other)]
    _, expected = PairedTest(named, metrics, references, test, n_samples=samples)()
    results = [
        score_segments(lines, references, language="de") for lines in (one, other)
    ]
    for name, key in (("bleu", "BLEU"), ("chrf", "chrF2"), ("ter", "TER")):
        baseline, system = (getattr(scores, name) for scores in results)
        result = paired_test(
            baseline.statistics,
            system.statistics,
            system.score_from_stats,
            n_bootstrap=samples,
            n_trials=samples,
        )
        reference: Any = expected[key][1]
        p_values = {"bs": result.bootstrap_p, "ar": result.randomization_p}
        if (test, name) == ("ar", "ter"):  # Of few edits, so that swaps often tie.
            assert p_values[test] > reference.p_value
        else:
            assert p_values[test] == pytest.approx(reference.p_value, abs=3 / samples)
        low, high = result.interval
        assert low < result.difference < high


def test_halves_of_one_system_do_not_differ() -> None:
    random = np.random.default_rng(1)
    lines = [sentence(random, "de") for _ in range(300)]
    hypotheses = [noisy(random, line, "de") for line in lines]
    rows = score_segments(hypotheses, [lines], language="de").bleu.statistics
    insignificant = 0
    for _ in range(100):
        order = random.permutation(len(rows))
        halves = rows[order[:150]], rows[order[150:]]
        test = paired_test(*halves, bleu_from_stats, n_bootstrap=200, n_trials=400)
        insignificant += max(test.randomization_p, test.bootstrap_p) >= 0.05
    assert insignificant >= 90


def test_a_clear_difference_is_found_and_none_is_not() -> None:
    one, _, references = two_systems()
    other = [line if number % 3 else "" for number, line in enumerate(one)]
    better = score_segments(one, references, language="de").chrf
    worse = score_segments(other, references, language="de").chrf
    test = paired_test(better.statistics, worse.statistics, chrf_from_stats)
    assert test.difference < 0
    assert max(test.bootstrap_p, test.randomization_p) < 0.05
    same = paired_test(better.statistics, better.statistics, chrf_from_stats)
    assert same.difference == 0
    assert same.interval == (0, 0)
    # sacreBLEU counts greater differences only, and calls equal systems significant.
    assert same.bootstrap_p == same.randomization_p == 1


def test_the_least_p_value_is_one_of_all_samples_and_one_more() -> None:
    always_0, always_1 = (
        np.stack([np.full(40, score), np.ones(40)], axis=1) for score in (0.0, 1.0)
    )
    test = paired_test(
        always_0, always_1, mean_from_stats, n_bootstrap=99, n_trials=199
    )
    assert (test.bootstrap_p, test.randomization_p) == (1 / 100, 1 / 200)


@pytest.mark.parametrize(("differing", "least"), [(1, 1.0), (3, 0.25), (5, 0.0625)])
def test_few_differing_segments_have_the_p_of_all_their_swaps(
    differing: int, least: float
) -> None:
    worse = np.ones((300, 2))
    better = worse.copy()
    better[:differing, 0] = 2
    test = paired_test(worse, better, mean_from_stats)
    # Of 2 ** differing ways to swap, all or none of them make this difference.
    assert test.randomization_p == pytest.approx(least, abs=0.02)


def test_means_of_outside_scores_have_intervals() -> None:
    values = np.linspace(0, 1, 101)
    rows = np.stack([values, np.ones_like(values)], axis=1)
    low, high = bootstrap_interval(rows, mean_from_stats)
    assert low < 0.5 < high
    assert high - low == pytest.approx(4 * values.std() / 101**0.5, rel=0.1)
