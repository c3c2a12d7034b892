"""Intervals and paired tests by resampling sentences. Knows counts; not text.

BLEU, chrF and TER of a corpus are functions of sums over its sentences, so a resampled
corpus is a sum over drawn rows, and a thousand of them are one matrix product. Seed and
order of draws are sacreBLEU's, and so are intervals and p-values (a test compares).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Formula = Callable[[Floats], Floats]
"""From sums of statistics, (B, columns), to scores, (B,)."""

SEED = 12345
SAMPLES = 1000
TRIALS = 10_000
_BLOCK = 256  # Draws at a time; a multiple of 32, so that blocks do not change them.


class Interval(NamedTuple):
    """Where 95% of the resampled scores lie."""

    low: float
    high: float


class PairedTestResult(NamedTuple):
    """How one system differs from another.

    Attributes:
        difference: The system's score less the baseline's.
        interval: 95% of the differences of resampled corpora.
        bootstrap_p: Chance of such a difference by paired bootstrap resampling
            (Koehn 2004), two-sided.
        randomization_p: The same by approximate randomization (Riezler and Maxwell
            2005), two-sided.
    """

    difference: float
    interval: Interval
    bootstrap_p: float
    randomization_p: float


def bleu_from_stats(sums: Floats) -> Floats:
    """Return BLEU with exponential smoothing of sums, (B, 10) to (B,).

    Columns: length, reference length, four counts of matches, four of n-grams.

    Source: Papineni et al. 2002; Chen and Cherry 2014 (smoothing 3), as in sacreBLEU.
    """
    length, wanted = sums[:, 0], sums[:, 1]
    matches, totals = sums[:, 2:6], sums[:, 6:10]
    # An order without n-grams ends the product, yet the root stays the fourth.
    there = np.cumprod(totals > 0, axis=1, dtype=bool)
    missed = there & (matches == 0)
    smooth = np.where(missed, 0.5 ** np.cumsum(missed, axis=1), matches)
    precision = np.where(there, 100.0 * smooth / np.maximum(totals, 1), 0.0)
    # sacreBLEU's logarithm of 0 is -9999999999, which makes such a score 0.
    logs = np.log(np.where(precision > 0, precision, 1.0))
    whole = np.exp(logs.sum(axis=1) / 4) * (precision > 0).all(axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        brevity = np.where(length < wanted, np.exp(1 - wanted / length), 1.0)
    score = np.where((length > 0) & (matches.sum(axis=1) > 0), brevity * whole, 0.0)
    return np.asarray(score, dtype=np.float64)


def chrf_from_stats(sums: Floats) -> Floats:
    """Return chrF of sums, (B, 3 * orders) to (B,), beta 2.

    Columns: n-grams of the hypothesis, of the reference, matches; order by order.

    Source: Popović 2015 and 2017, averaged over orders as in sacreBLEU.
    """
    counts = sums.reshape(len(sums), -1, 3)
    hypothesis, reference, match = (counts[:, :, i] for i in range(3))
    there = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(there.sum(axis=1), 1)
    precision = np.where(there, match / np.maximum(hypothesis, 1), 0).sum(1) / orders
    recall = np.where(there, match / np.maximum(reference, 1), 0).sum(1) / orders
    below = 4 * precision + recall
    score = 100 * 5 * precision * recall / np.where(below > 0, below, 1.0)
    return np.asarray(score, dtype=np.float64)


def ter_from_stats(sums: Floats) -> Floats:
    """Return TER of sums of edits and reference lengths, (B, 2) to (B,).

    Source: Snover et al. 2006.
    """
    edits, length = sums[:, 0], sums[:, 1]
    rate = np.where(length > 0, edits / np.where(length > 0, length, 1), edits > 0)
    return np.asarray(100 * rate, dtype=np.float64)


def mean_from_stats(sums: Floats) -> Floats:
    """Return the mean of a score that came from elsewhere: sum and count, (B, 2)."""
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1), dtype=np.float64)


def bootstrap_interval(
    statistics: Floats, formula: Formula, *, samples: int = SAMPLES, seed: int = SEED
) -> Interval:
    """Bootstrap a 95% interval of a corpus score.

    Args:
        statistics: A row for each sentence, (sentences, columns).
        formula: What makes a score of their sum.
        samples: Corpora to draw, each as large as this one.
        seed: Decides the draws.

    Source: Koehn 2004, section 3; percentiles as in sacreBLEU.
    """
    return _middle(_bootstrap(statistics, formula, samples, seed))


def paired_test(
    baseline: Floats,
    system: Floats,
    formula: Formula,
    *,
    samples: int = SAMPLES,
    trials: int = TRIALS,
    seed: int = SEED,
) -> PairedTestResult:
    """Test whether two systems differ on the same sentences.

    Args:
        baseline: A row for each sentence, (sentences, columns).
        system: Likewise, sentence by sentence.
        formula: What makes a score of their sum.
        samples: Corpora to draw for the paired bootstrap.
        trials: Swaps to try for approximate randomization.
        seed: Decides the draws.
    """
    totals = np.stack([system.sum(axis=0), baseline.sum(axis=0)])
    scores = formula(totals)
    difference = float(scores[0] - scores[1])
    drawn = _bootstrap(system, formula, samples, seed)
    drawn = drawn - _bootstrap(baseline, formula, samples, seed)
    absolute = np.abs(drawn)
    bootstrap_p = _p_value(absolute - absolute.mean(), abs(difference))
    swapped = np.concatenate(
        [
            formula(swap @ baseline + (1 - swap) @ system)
            - formula(swap @ system + (1 - swap) @ baseline)
            for swap in _swaps(len(system), trials, seed)
        ]
    )
    return PairedTestResult(
        difference,
        _middle(drawn),
        bootstrap_p,
        _p_value(np.abs(swapped), abs(difference)),
    )


def _p_value(drawn: Floats, difference: float) -> float:
    """Count what chance does; one is added so that nothing is ever impossible.

    A difference of 0 is chance's for sure, though sacreBLEU, which counts greater ones
    only, gives it the smallest p-value there is.
    """
    if difference == 0:
        return 1.0
    # Sums of the same rows in another order differ in the last digits.
    beyond = int((drawn > difference + 1e-9).sum())
    return (beyond + 1) / (len(drawn) + 1)


def _middle(scores: Floats) -> Interval:
    ordered = np.sort(scores)
    cut = len(ordered) // 40
    return Interval(float(ordered[cut]), float(ordered[len(ordered) - cut - 1]))


def _bootstrap(statistics: Floats, formula: Formula, samples: int, seed: int) -> Floats:
    """Score resampled corpora, (samples,)."""
    drawn = _draws(len(statistics), samples, seed)
    return np.concatenate([formula(times @ statistics) for times in drawn])


def _draws(sentences: int, samples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each sentence is drawn, (block, sentences)."""
    generator = np.random.default_rng(seed)
    for begin in range(0, samples, _BLOCK):
        size = (min(_BLOCK, samples - begin), sentences)
        rows = generator.choice(sentences, size=size, replace=True)
        rows += np.arange(size[0])[:, None] * sentences
        counts = np.bincount(rows.ravel(), minlength=size[0] * sentences)
        yield counts.reshape(size).astype(np.float64)


def _swaps(sentences: int, trials: int, seed: int) -> Iterator[Floats]:
    """Yield which sentences change sides, as 0 and 1, (block, sentences)."""
    generator = np.random.default_rng(seed)
    for begin in range(0, trials, _BLOCK):
        size = (min(_BLOCK, trials - begin), sentences)
        yield generator.integers(2, size=size, dtype=bool).astype(np.float64)
