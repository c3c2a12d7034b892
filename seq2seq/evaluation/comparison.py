"""Comparison of two systems: significance tests, wins and losses, salient n-grams.

Source: Neubig et al. 2019 (compare-mt).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np

from seq2seq.evaluation.words import words
from seq2seq.metrics.sacrebleu_scores import MetricResult
from seq2seq.metrics.significance import PairedTestResult, paired_test

MAX_ITEMS = 12
"""N-grams and segments listed for either side."""
TIE = 0.005  # Scores that print alike.


@dataclass(frozen=True)
class NgramDifference:
    """An n-gram that one system gets right more often than the other.

    Attributes:
        text: The words.
        baseline: Matches of the baseline with a reference.
        system: Matches of the system.
    """

    text: str
    baseline: int
    system: int


@dataclass(frozen=True)
class Comparison:
    """A system against a baseline.

    Attributes:
        baseline: Name of the baseline.
        system: Name of the system.
        identical: Whether all their translations are the same.
        differing: Segments whose translations differ.
        tests: Paired tests, by metric.
        wins: Segments for which the system's chrF is higher.
        ties: Segments for which both are equal.
        losses: Segments for which it is lower.
        lost: N-grams that the baseline gets right and the system misses.
        gained: N-grams that the system gets right and the baseline misses.
        better: Segments, from 1, with the greatest gains of the system, best first.
        worse: Segments with its greatest losses, worst first.
    """

    baseline: str
    system: str
    identical: bool
    differing: int
    tests: dict[str, PairedTestResult]
    wins: int
    ties: int
    losses: int
    lost: list[NgramDifference]
    gained: list[NgramDifference]
    better: list[int]
    worse: list[int]


@dataclass(frozen=True)
class SeedGroup:
    """Runs of one system with different seeds.

    Attributes:
        name: Name of the system.
        members: Names of its runs.
        means: Mean score, by metric.
        spreads: Sample standard deviation, by metric.
    """

    name: str
    members: list[str]
    means: dict[str, float]
    spreads: dict[str, float]


def compare_systems(
    names: tuple[str, str],
    metrics: tuple[Mapping[str, MetricResult], Mapping[str, MetricResult]],
    hypotheses: tuple[Sequence[str], Sequence[str]],
    references: Sequence[Sequence[str]],
    *,
    n_bootstrap: int,
    n_trials: int,
) -> Comparison:
    """Compare a system with a baseline.

    Args:
        names: Names of the baseline and of the system.
        metrics: Results of both, by metric.
        hypotheses: Lines of both.
        references: One or more lists of as many lines.
        n_bootstrap: Resampled corpora of the paired bootstrap.
        n_trials: Trials of approximate randomization.
    """
    baseline, system = metrics
    tests = {
        metric: paired_test(
            baseline[metric].statistics,
            system[metric].statistics,
            system[metric].score_from_stats,
            n_bootstrap=n_bootstrap,
            n_trials=n_trials,
        )
        for metric in baseline
        if metric in system
    }
    gains = system["chrf"].segments - baseline["chrf"].segments
    order = np.argsort(-gains, kind="stable").tolist()
    lost, gained = salient_ngrams(hypotheses, references)
    differing = sum(a != b for a, b in zip(*hypotheses, strict=True))
    return Comparison(
        *names,
        differing == 0,
        differing,
        tests,
        wins=int((gains > TIE).sum()),
        ties=int((np.abs(gains) <= TIE).sum()),
        losses=int((gains < -TIE).sum()),
        lost=lost,
        gained=gained,
        better=[row + 1 for row in order[:MAX_ITEMS] if gains[row] > TIE],
        worse=[row + 1 for row in order[::-1][:MAX_ITEMS] if gains[row] < -TIE],
    )


def salient_ngrams(
    hypotheses: tuple[Sequence[str], Sequence[str]],
    references: Sequence[Sequence[str]],
) -> tuple[list[NgramDifference], list[NgramDifference]]:
    """Find the n-grams, of one to four words, that only one side tends to get right.

    They are ranked by the difference of the matches over the root of their sum: by
    chance alone counts differ by about that root. Of n-grams of which one contains the
    other, only the higher-ranked one is returned.

    Returns:
        N-grams that the first side gets right more often, and those of the second.
    """
    first, second = (_matches(lines, references) for lines in hypotheses)
    saliences = {
        ngram: (first[ngram] - second[ngram]) / (first[ngram] + second[ngram]) ** 0.5
        for ngram in first.keys() | second.keys()
        if any(char.isalnum() for word in ngram for char in word)
    }
    differences = []
    for sign in (1, -1):
        ranked = sorted(
            (ngram for ngram, salience in saliences.items() if sign * salience > 0),
            key=lambda ngram: (-sign * saliences[ngram], -len(ngram), ngram),
        )
        chosen: list[tuple[str, ...]] = []
        for ngram in ranked:
            if not any(_contains(a, ngram) or _contains(ngram, a) for a in chosen):
                chosen.append(ngram)
            if len(chosen) == MAX_ITEMS:
                break
        differences.append(
            [NgramDifference(" ".join(n), first[n], second[n]) for n in chosen]
        )
    return differences[0], differences[1]


def _matches(
    lines: Sequence[str], references: Sequence[Sequence[str]]
) -> Counter[tuple[str, ...]]:
    """Count the n-grams that match a reference, clipped as in BLEU."""
    matches: Counter[tuple[str, ...]] = Counter()
    for row, line in enumerate(lines):
        clip: Counter[tuple[str, ...]] = Counter()
        for reference in references:
            clip |= _ngrams(reference[row])
        matches.update(_ngrams(line) & clip)
    return matches


def _ngrams(line: str) -> Counter[tuple[str, ...]]:
    tokens = words(line)
    return Counter(
        tuple(tokens[begin : begin + size])
        for size in range(1, 5)
        for begin in range(len(tokens) - size + 1)
    )


def _contains(longer: tuple[str, ...], ngram: tuple[str, ...]) -> bool:
    size = len(ngram)
    return any(
        longer[begin : begin + size] == ngram for begin in range(len(longer) - size + 1)
    )


def group_seeds(
    groups: Mapping[str, Sequence[str]],
    metrics: Mapping[str, Mapping[str, MetricResult]],
) -> list[SeedGroup]:
    """Average the scores of systems that differ in their seed only.

    Args:
        groups: Names of systems, by group; groups of one are left out.
        metrics: Results, by system and metric.
    """
    seed_groups = []
    for group, names in groups.items():
        if len(names) < 2:
            continue
        scores = {
            metric: [metrics[name][metric].score.score for name in names]
            for metric in metrics[names[0]]
        }
        means = {metric: mean(values) for metric, values in scores.items()}
        spreads = {metric: stdev(values) for metric, values in scores.items()}
        seed_groups.append(SeedGroup(group, list(names), means, spreads))
    return seed_groups
