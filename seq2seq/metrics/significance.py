"""Bootstrap confidence intervals and paired significance tests of corpus scores.

BLEU, chrF and TER are functions of sums of sentence statistics, so a bootstrap resample
is a weighted sum of rows, and a thousand resamples are one matrix product. Seed and
order of the random numbers are sacreBLEU's, so intervals and p-values agree with it,
but for ties of randomization.

Source: Koehn 2004 (paired bootstrap resampling); Riezler and Maxwell 2005, Phipson and
Smyth 2010 (approximate randomization).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ScoreFunction = Callable[[Floats], Floats]
"""Maps sums of sentence statistics, (B, columns), to corpus scores, (B,)."""

SEED = 12345
N_BOOTSTRAP = 1000
N_TRIALS = 10_000
_BLOCK = 256  # Resamples; a multiple of 32, so that blocks do not change the draws.


class Interval(NamedTuple):
    """A 95% confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedTestResult:
    """Difference of two systems and its significance.

    Attributes:
        difference: The system's score minus the baseline's.
        interval: 95% confidence interval of the difference, by bootstrap.
        bootstrap_p: Two-sided p-value of paired bootstrap resampling (Koehn 2004).
        randomization_p: Two-sided p-value of approximate randomization (Riezler and
            Maxwell 2005).
    """

    difference: float
    interval: Interval
    bootstrap_p: float
    randomization_p: float


@dataclass(frozen=True)
class Estimate:
    """A corpus score, its confidence interval, and what a paired test is made from.

    Attributes:
        score: The score of the whole corpus.
        interval: 95% confidence interval, by bootstrap over the rows.
        statistics: What is summed, a row for each unit that is resampled (example,
            sentence, block), (rows, columns).
        score_from_stats: Maps sums of rows to scores.
    """

    score: float
    interval: Interval
    statistics: Floats
    score_from_stats: ScoreFunction


def estimate(
    statistics: Floats,
    score_from_stats: ScoreFunction,
    *,
    n_bootstrap: int = N_BOOTSTRAP,
) -> Estimate:
    """Score a corpus with its confidence interval.

    Args:
        statistics: At least one row for each unit that is resampled, (rows, columns).
        score_from_stats: Maps sums of rows to scores.
        n_bootstrap: Number of resamples.
    """
    score = float(score_from_stats(statistics.sum(axis=0, keepdims=True))[0])
    interval = bootstrap_interval(statistics, score_from_stats, n_bootstrap=n_bootstrap)
    return Estimate(score, interval, statistics, score_from_stats)


def compare_estimates(baseline: Estimate, system: Estimate) -> PairedTestResult:
    """Test whether two systems differ that were scored on the same rows."""
    return paired_test(baseline.statistics, system.statistics, system.score_from_stats)


def bleu_from_stats(sums: Floats) -> Floats:
    """Return BLEU with exponential smoothing, (B, 10) to (B,).

    Columns: length, reference length, four counts of matches, four of n-grams.

    Source: Papineni et al. 2002; Chen and Cherry 2014 (smoothing 3), as in sacreBLEU.
    """
    length, reference_length = sums[:, 0], sums[:, 1]
    matches, totals = sums[:, 2:6], sums[:, 6:10]
    # An order without n-grams ends the product, yet the root stays the fourth.
    valid = np.cumprod(totals > 0, axis=1, dtype=bool)
    unmatched = valid & (matches == 0)
    smoothed = np.where(unmatched, 0.5 ** np.cumsum(unmatched, axis=1), matches)
    precision = np.where(valid, 100.0 * smoothed / np.maximum(totals, 1), 0.0)
    # sacreBLEU's logarithm of 0 is -9999999999, which makes such a score 0.
    logs = np.log(np.where(precision > 0, precision, 1.0))
    geometric_mean = np.exp(logs.sum(axis=1) / 4) * (precision > 0).all(axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        brevity = np.where(
            length < reference_length, np.exp(1 - reference_length / length), 1.0
        )
    has_matches = (length > 0) & (matches.sum(axis=1) > 0)
    score = np.where(has_matches, brevity * geometric_mean, 0.0)
    return np.asarray(score, dtype=np.float64)


def chrf_from_stats(sums: Floats) -> Floats:
    """Return chrF with beta 2, (B, 3 * orders) to (B,).

    Columns: n-grams of the hypothesis, of the reference, matches; order by order.

    Source: Popović 2015 and 2017, averaged over orders as in sacreBLEU.
    """
    counts = sums.reshape(len(sums), -1, 3)
    hypothesis, reference, matches = (counts[:, :, i] for i in range(3))
    effective = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(effective.sum(axis=1), 1)
    precision = np.where(effective, matches / np.maximum(hypothesis, 1), 0).sum(1)
    precision /= orders
    recall = np.where(effective, matches / np.maximum(reference, 1), 0).sum(1) / orders
    denominator = 4 * precision + recall
    score = 100 * 5 * precision * recall / np.where(denominator > 0, denominator, 1.0)
    return np.asarray(score, dtype=np.float64)


def ter_from_stats(sums: Floats) -> Floats:
    """Return TER of edits and reference length, (B, 2) to (B,).

    Source: Snover et al. 2006.
    """
    edits, length = sums[:, 0], sums[:, 1]
    rate = np.where(length > 0, edits / np.where(length > 0, length, 1), edits > 0)
    return np.asarray(100 * rate, dtype=np.float64)


def mean_from_stats(sums: Floats) -> Floats:
    """Return the mean of segments' or tokens' scores: sum and count, (B, 2) to (B,)."""
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1), dtype=np.float64)


def bootstrap_interval(
    statistics: Floats,
    score_from_stats: ScoreFunction,
    *,
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = SEED,
) -> Interval:
    """Estimate a 95% confidence interval of a corpus score by bootstrap resampling.

    Args:
        statistics: Sentence statistics, (sentences, columns).
        score_from_stats: Maps their sums to scores.
        n_bootstrap: Number of resamples, each as large as the corpus.
        seed: Seed of the random numbers.

    Source: Koehn 2004, section 3; percentiles as in sacreBLEU.
    """
    return _percentile_interval(
        _bootstrap_scores(statistics, score_from_stats, n_bootstrap, seed)
    )


def paired_test(
    baseline: Floats,
    system: Floats,
    score_from_stats: ScoreFunction,
    *,
    n_bootstrap: int = N_BOOTSTRAP,
    n_trials: int = N_TRIALS,
    seed: int = SEED,
) -> PairedTestResult:
    """Test whether two systems differ on the same sentences.

    Args:
        baseline: Sentence statistics, (sentences, columns).
        system: Sentence statistics of the same sentences, (sentences, columns).
        score_from_stats: Maps their sums to scores.
        n_bootstrap: Resamples of the paired bootstrap.
        n_trials: Trials of approximate randomization.
        seed: Seed of the random numbers.
    """
    scores = score_from_stats(np.stack([system.sum(axis=0), baseline.sum(axis=0)]))
    difference = float(scores[0] - scores[1])
    resampled = _bootstrap_scores(system, score_from_stats, n_bootstrap, seed)
    resampled = resampled - _bootstrap_scores(
        baseline, score_from_stats, n_bootstrap, seed
    )
    absolute = np.abs(resampled)
    swapped = np.concatenate(
        [
            score_from_stats(mask @ baseline + (1 - mask) @ system)
            - score_from_stats(mask @ system + (1 - mask) @ baseline)
            for mask in _swap_masks(len(system), n_trials, seed)
        ]
    )
    return PairedTestResult(
        difference,
        _percentile_interval(resampled),
        # Sums of the same rows in another order differ in the last digits.
        _p_value(absolute - absolute.mean() > abs(difference) + 1e-9, difference),
        _p_value(np.abs(swapped) >= abs(difference) - 1e-9, difference),
    )


def _p_value(extreme: NDArray[np.bool_], difference: float) -> float:
    """Return the share of samples of the null hypothesis that are as extreme as this.

    Both counts are incremented, so that no p-value is 0. The p-value of a difference of
    0 is 1. Ties are extreme in randomization, which two systems that differ in few
    segments often give; sacreBLEU leaves them out, which makes these p-values smallest.

    Args:
        extreme: Whether each sample is, (samples,).
        difference: The difference of the systems.

    Source: Riezler and Maxwell 2005, figure 1; Phipson and Smyth 2010.
    """
    if difference == 0:
        return 1.0
    return (int(extreme.sum()) + 1) / (len(extreme) + 1)


def _percentile_interval(scores: Floats) -> Interval:
    ordered = np.sort(scores)
    tail = len(ordered) // 40
    return Interval(float(ordered[tail]), float(ordered[len(ordered) - tail - 1]))


def _bootstrap_scores(
    statistics: Floats, score_from_stats: ScoreFunction, n_bootstrap: int, seed: int
) -> Floats:
    """Score bootstrap resamples of the corpus, (n_bootstrap,)."""
    blocks = _bootstrap_counts(len(statistics), n_bootstrap, seed)
    return np.concatenate([score_from_stats(counts @ statistics) for counts in blocks])


def _bootstrap_counts(sentences: int, n_bootstrap: int, seed: int) -> Iterator[Floats]:
    """Yield how often each resample contains each sentence, (block, sentences)."""
    generator = np.random.default_rng(seed)
    for start in range(0, n_bootstrap, _BLOCK):
        size = (min(_BLOCK, n_bootstrap - start), sentences)
        rows = generator.choice(sentences, size=size, replace=True)
        rows += np.arange(size[0])[:, None] * sentences
        counts = np.bincount(rows.ravel(), minlength=size[0] * sentences)
        yield counts.reshape(size).astype(np.float64)


def _swap_masks(sentences: int, n_trials: int, seed: int) -> Iterator[Floats]:
    """Yield which sentences two systems swap in each trial, 0 or 1, (block, sentences).

    Source: Riezler and Maxwell 2005.
    """
    generator = np.random.default_rng(seed)
    for start in range(0, n_trials, _BLOCK):
        size = (min(_BLOCK, n_trials - start), sentences)
        yield generator.integers(2, size=size, dtype=bool).astype(np.float64)
