"""Two systems on the same sentences: is one better, where, and by which words.

Knows scores and lines; not files, models or pages.
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

SHOWN = 12
"""How many n-grams and sentences of either side are worth showing."""
TIE = 0.005  # Scores that print alike.


@dataclass(frozen=True)
class NgramDifference:
    """Words in a row that one system gets right more often.

    Attributes:
        text: The words.
        baseline: How often the baseline has them where a reference does.
        system: How often the system does.
    """

    text: str
    baseline: int
    system: int


@dataclass(frozen=True)
class Comparison:
    """A system against a baseline.

    Attributes:
        baseline: The first one's name.
        system: The other one's.
        tests: By metric: the difference, its interval and two p-values.
        wins: Sentences for which the system's own chrF++ is higher.
        ties: For which it is the same.
        losses: For which it is lower.
        lost: What the baseline gets and the system misses.
        gained: The other way round.
        better: Rows at which the system gains most, the greatest gain first.
        worse: Rows at which it loses most.
    """

    baseline: str
    system: str
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
    """Seeds of one system.

    Attributes:
        name: The system's.
        members: The names of its runs.
        means: By metric.
        spreads: By metric, the standard deviation of a sample.
    """

    name: str
    members: list[str]
    means: dict[str, float]
    spreads: dict[str, float]


def compare_systems(
    names: tuple[str, str],
    measures: tuple[Mapping[str, MetricResult], Mapping[str, MetricResult]],
    hypotheses: tuple[Sequence[str], Sequence[str]],
    references: Sequence[Sequence[str]],
    *,
    samples: int,
    trials: int,
) -> Comparison:
    """Compare a system with a baseline.

    Args:
        names: The baseline's and the system's.
        measures: By metric, of both.
        hypotheses: Lines of both.
        references: One or more lists of as many lines.
        samples: Resampled corpora for the paired bootstrap.
        trials: Swaps for approximate randomization.
    """
    baseline, system = measures
    tests = {
        metric: paired_test(
            baseline[metric].statistics,
            system[metric].statistics,
            system[metric].score_from_stats,
            n_bootstrap=samples,
            n_trials=trials,
        )
        for metric in baseline
        if metric in system
    }
    gains = system["chrf"].segments - baseline["chrf"].segments
    order = np.argsort(-gains, kind="stable").tolist()
    lost, gained = salient_ngrams(hypotheses, references)
    return Comparison(
        *names,
        tests,
        wins=int((gains > TIE).sum()),
        ties=int((np.abs(gains) <= TIE).sum()),
        losses=int((gains < -TIE).sum()),
        lost=lost,
        gained=gained,
        better=[row for row in order[:SHOWN] if gains[row] > TIE],
        worse=[row for row in order[::-1][:SHOWN] if gains[row] < -TIE],
    )


def salient_ngrams(
    hypotheses: tuple[Sequence[str], Sequence[str]],
    references: Sequence[Sequence[str]],
) -> tuple[list[NgramDifference], list[NgramDifference]]:
    """Find the one to four words that one side gets right and the other does not.

    They are ranked by their difference over the root of their sum.

    Of n-grams of which one is inside the other, the one that differs more is told.

    Returns:
        What the first gets more often, and what the second does.
    """
    right = [_matches(lines, references) for lines in hypotheses]
    found = []
    for sign in (1, -1):
        # By chance alone counts differ by about the root of their sum.
        gaps = {
            gram: sign
            * (right[0][gram] - right[1][gram])
            / (right[0][gram] + right[1][gram]) ** 0.5
            for gram in right[0].keys() | right[1].keys()
        }
        ranked = sorted(
            (gram for gram, gap in gaps.items() if gap > 0),
            key=lambda gram: (-gaps[gram], -len(gram), gram),
        )
        chosen: list[tuple[str, ...]] = []
        for gram in ranked:
            if not any(char.isalnum() for word in gram for char in word):
                continue
            if not any(_within(gram, one) or _within(one, gram) for one in chosen):
                chosen.append(gram)
            if len(chosen) == SHOWN:
                break
        found.append(
            [
                NgramDifference(" ".join(gram), right[0][gram], right[1][gram])
                for gram in chosen
            ]
        )
    return found[0], found[1]


def _matches(
    lines: Sequence[str], references: Sequence[Sequence[str]]
) -> Counter[tuple[str, ...]]:
    """Count the n-grams that a reference has too, as BLEU clips them."""
    found: Counter[tuple[str, ...]] = Counter()
    for row, line in enumerate(lines):
        wanted: Counter[tuple[str, ...]] = Counter()
        for reference in references:
            wanted |= _grams(reference[row])
        found.update(_grams(line) & wanted)
    return found


def _grams(line: str) -> Counter[tuple[str, ...]]:
    said = words(line)
    return Counter(
        tuple(said[begin : begin + size])
        for size in range(1, 5)
        for begin in range(len(said) - size + 1)
    )


def _within(gram: tuple[str, ...], longer: tuple[str, ...]) -> bool:
    size = len(gram)
    return any(
        longer[begin : begin + size] == gram for begin in range(len(longer) - size + 1)
    )


def group_seeds(
    members: Mapping[str, Sequence[str]],
    measures: Mapping[str, Mapping[str, MetricResult]],
) -> list[SeedGroup]:
    """Average systems that are seeds of one.

    Args:
        members: By group, the systems' names; those of one member are left out.
        measures: By system and metric.
    """
    found = []
    for group, names in members.items():
        if len(names) < 2:
            continue
        scores = {
            metric: [measures[name][metric].score.score for name in names]
            for metric in measures[names[0]]
        }
        means = {metric: mean(values) for metric, values in scores.items()}
        spreads = {metric: stdev(values) for metric, values in scores.items()}
        found.append(SeedGroup(group, list(names), means, spreads))
    return found
