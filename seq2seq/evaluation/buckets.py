"""Where a system is good and where not: by length, by rarity, by its own score.

Knows scores, lines and word counts; not files, figures or pages.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.evaluation.words import words
from seq2seq.metrics.sacrebleu_scores import MetricResult

LENGTH_EDGES = (5, 10, 15, 20, 30, 50)
RARITY_EDGES = (0, 4, 19, 99, 999)
SCORE_EDGES = (10, 20, 30, 40, 50, 60, 70, 80, 90)


@dataclass(frozen=True)
class Bucket:
    """Some of the sentences and what they score together.

    Attributes:
        label: What they have in common.
        segments: How many they are.
        score: Corpus BLEU of these sentences.
        low: Where 95% of resampled sets begin.
        high: Where they end.
    """

    label: str
    segments: int
    score: float
    low: float
    high: float


@dataclass(frozen=True)
class WordBucket:
    """Target words of about one frequency, and how well they come out.

    Attributes:
        label: How often the training text has them.
        words: How many the reference has.
        precision: Share of the words said that the reference has, 0 to 1.
        recall: Share of the reference's words that were said, 0 to 1.
        f1: Their harmonic mean.
    """

    label: str
    words: int
    precision: float
    recall: float
    f1: float


def range_labels(edges: Sequence[int]) -> list[str]:
    """Name the ranges that end at these numbers, and the one beyond.

    >>> range_labels((0, 4, 19))
    ['0', '1-4', '5-19', '20 and more']
    """
    begins = [0 if edges[0] == 0 else 1, *(edge + 1 for edge in edges)]
    names = [
        str(end) if begin == end else f"{begin}-{end}"
        for begin, end in zip(begins[:-1], edges, strict=True)
    ]
    return [*names, f"{begins[-1]} and more"]


def bucket_scores(
    measure: MetricResult, values: Sequence[int], edges: Sequence[int]
) -> list[Bucket]:
    """Score the sentences in ranges of some value; ranges without any are left out."""
    rows: list[list[int]] = [[] for _ in range(len(edges) + 1)]
    for row, value in enumerate(values):
        rows[bisect_left(edges, value)].append(row)
    found = []
    for label, chosen in zip(range_labels(edges), rows, strict=True):
        if chosen:
            score, (low, high) = measure.subset(chosen)
            found.append(Bucket(label, len(chosen), score, low, high))
    return found


def word_counts(lines: Sequence[str]) -> list[int]:
    """Count the words of every line."""
    return [len(words(line)) for line in lines]


def min_word_frequency(lines: Sequence[str], counts: Counter[str]) -> list[int]:
    """Find how often the training text has the rarest word of every line."""
    return [min((counts[word] for word in words(line)), default=0) for line in lines]


def score_histogram(segments: Sequence[float]) -> list[tuple[str, int]]:
    """Count sentences by their own score, in tens from 0 to 100."""
    found = [0] * (len(SCORE_EDGES) + 1)
    for value in segments:
        found[min(int(value // 10), len(SCORE_EDGES))] += 1
    return [(f"{10 * i}-{10 * i + 10}", count) for i, count in enumerate(found)]


def word_f1(
    hypotheses: Sequence[str], references: Sequence[str], counts: Counter[str]
) -> list[WordBucket]:
    """Measure how well words come out, by how often the training text has them.

    A word of a hypothesis is right as often as the reference has it.

    Source: Neubig et al. 2019 (compare-mt), section 3.2.
    """
    size = len(RARITY_EDGES) + 1
    said, wanted, right = [0] * size, [0] * size, [0] * size
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        mine, its = Counter(words(hypothesis)), Counter(words(reference))
        for word in mine.keys() | its.keys():
            bucket = bisect_left(RARITY_EDGES, counts[word])
            said[bucket] += mine[word]
            wanted[bucket] += its[word]
            right[bucket] += min(mine[word], its[word])
    found = []
    for i, label in enumerate(range_labels(RARITY_EDGES)):
        if said[i] + wanted[i]:
            precision = right[i] / max(said[i], 1)
            recall = right[i] / max(wanted[i], 1)
            f1 = 2 * right[i] / (said[i] + wanted[i])
            found.append(WordBucket(label, wanted[i], precision, recall, f1))
    return found


@dataclass(frozen=True)
class Example:
    """A sentence worth a look.

    Attributes:
        row: Which one, from 0.
        reason: Why.
    """

    row: int
    reason: str


def select_examples(
    segments: Sequence[float],
    source_lengths: Sequence[int],
    rarity: Sequence[int] | None,
    faulty: Sequence[int],
) -> list[Example]:
    """Choose up to five sentences that show what a system can and cannot.

    Args:
        segments: Each sentence's own chrF++.
        source_lengths: Words of each source, or of the reference where there is none.
        rarity: How often training had each sentence's rarest word; None if unknown.
        faulty: Sentences whose translation has a fault.
    """
    rows = range(len(segments))
    ordered = sorted(rows, key=lambda row: (segments[row], row))
    middle = ordered[len(ordered) // 2]
    good = ordered[3 * len(ordered) // 4 :]
    candidates = [
        ("a typical one: the middle score", [middle]),
        ("the lowest score", ordered),
        ("a fault", sorted(faulty, key=lambda row: (segments[row], row))),
        ("the longest source", sorted(rows, key=lambda row: -source_lengths[row])),
        (
            "the longest of the best quarter",
            sorted(good, key=lambda row: (-source_lengths[row], row)),
        ),
        ("the middle of the lower half", ordered[len(ordered) // 4 :]),
    ]
    if rarity is not None:
        rare = sorted(rows, key=lambda row: (rarity[row], row))
        candidates.insert(3, ("the rarest word", rare))
    found: dict[int, Example] = {}
    for reason, options in candidates:
        row = next((row for row in options if row not in found), None)
        if row is not None and len(found) < 5:
            found[row] = Example(row, reason)
    return list(found.values())
