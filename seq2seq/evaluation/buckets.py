"""Scores in buckets of sentences and words, and the choice of examples.

Source: Neubig et al. 2019 (compare-mt), section 3.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.evaluation.words import words
from seq2seq.metrics.sacrebleu_scores import MetricResult
from seq2seq.metrics.significance import Interval

LENGTH_EDGES = (5, 10, 15, 20, 30, 50)
FREQUENCY_EDGES = (0, 4, 19, 99, 999)
NUM_EXAMPLES = 5


@dataclass(frozen=True)
class Bucket:
    """Corpus BLEU of the segments in one bucket.

    Attributes:
        label: Range of the value that they are sorted by.
        segments: Number of segments.
        score: Their corpus BLEU.
        interval: 95% bootstrap interval of the score.
    """

    label: str
    segments: int
    score: float
    interval: Interval


@dataclass(frozen=True)
class WordBucket:
    """Accuracy of the target words of one frequency range.

    Attributes:
        label: Range of the frequency in the training text.
        words: Number of words in the reference.
        precision: Share of the hypothesis's words that the reference has, 0 to 1.
        recall: Share of the reference's words that the hypothesis has, 0 to 1.
        f1: Their harmonic mean.
    """

    label: str
    words: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Example:
    """A segment to show.

    Attributes:
        segment: Its number, from 1.
        reason: Why it was chosen.
    """

    segment: int
    reason: str


def range_labels(edges: Sequence[int]) -> list[str]:
    """Label the ranges that end at these numbers, and the one beyond.

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
    metric: MetricResult, values: Sequence[int], edges: Sequence[int]
) -> list[Bucket]:
    """Score the segments in ranges of a value; empty ranges are left out."""
    rows: list[list[int]] = [[] for _ in range(len(edges) + 1)]
    for row, value in enumerate(values):
        rows[bisect_left(edges, value)].append(row)
    return [
        Bucket(label, len(subset), *metric.subset(subset))
        for label, subset in zip(range_labels(edges), rows, strict=True)
        if subset
    ]


def word_counts(lines: Sequence[str]) -> list[int]:
    """Count the words of every line."""
    return [len(words(line)) for line in lines]


def min_word_frequency(lines: Sequence[str], counts: Counter[str]) -> list[int]:
    """Return the training frequency of the rarest word of every line."""
    return [min((counts[word] for word in words(line)), default=0) for line in lines]


def score_histogram(segment_scores: Sequence[float]) -> list[tuple[str, int]]:
    """Count segments by their own score, in tens from 0 to 100, and those with 100."""
    counts = Counter(min(int((score + 1e-6) // 10), 10) for score in segment_scores)
    labels = [*(f"{10 * i}-{10 * i + 10}" for i in range(10)), "100"]
    return [(label, counts[i]) for i, label in enumerate(labels)]


def word_f1(
    hypotheses: Sequence[str], references: Sequence[str], counts: Counter[str]
) -> list[WordBucket]:
    """Measure the F1 of target words by their training frequency.

    A word of a hypothesis is right as often as the reference has it.

    Source: Neubig et al. 2019 (compare-mt), section 3.2.
    """
    size = len(FREQUENCY_EDGES) + 1
    output, expected, right = [0] * size, [0] * size, [0] * size
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        generated, correct = Counter(words(hypothesis)), Counter(words(reference))
        for word in generated.keys() | correct.keys():
            bucket = bisect_left(FREQUENCY_EDGES, counts[word])
            output[bucket] += generated[word]
            expected[bucket] += correct[word]
            right[bucket] += min(generated[word], correct[word])
    return [
        WordBucket(
            label,
            expected[i],
            precision=right[i] / max(output[i], 1),
            recall=right[i] / max(expected[i], 1),
            f1=2 * right[i] / (output[i] + expected[i]),
        )
        for i, label in enumerate(range_labels(FREQUENCY_EDGES))
        if output[i] + expected[i]
    ]


def select_examples(
    segment_scores: Sequence[float],
    lengths: Sequence[int],
    frequencies: Sequence[int] | None,
    errors: Sequence[int],
    *,
    length_side: str,
) -> list[Example]:
    """Choose up to five segments that show a system's strengths and weaknesses.

    Args:
        segment_scores: chrF of each segment.
        lengths: Words of each source, or of the reference if there is none.
        frequencies: Training frequency of each segment's rarest word; None if unknown.
        errors: Numbers, from 1, of segments with a detected error.
        length_side: "source" or "reference": whose words the lengths are.
    """
    rows = range(len(segment_scores))
    ordered = sorted(rows, key=lambda row: (segment_scores[row], row))
    middle = ordered[len(ordered) // 2]
    good = ordered[3 * len(ordered) // 4 :]
    candidates = [
        ("a typical one, with the middle score", [middle]),
        ("the lowest score", ordered),
        (
            "a detected error",
            sorted((n - 1 for n in errors), key=lambda row: (segment_scores[row], row)),
        ),
        (
            f"the longest {length_side}",
            sorted(rows, key=lambda row: -lengths[row]),
        ),
        (
            "the longest of the best quarter",
            sorted(good, key=lambda row: (-lengths[row], row)),
        ),
        ("the middle of the lower half", ordered[len(ordered) // 4 :]),
    ]
    if frequencies is not None:
        rare = sorted(rows, key=lambda row: (frequencies[row], row))
        candidates.insert(3, ("the rarest word", rare))
    examples: dict[int, Example] = {}
    for reason, options in candidates:
        row = next((row for row in options if row not in examples), None)
        if row is not None and len(examples) < NUM_EXAMPLES:
            examples[row] = Example(row + 1, reason)
    return list(examples.values())
