"""Buckets and examples, on lines made for them."""

from __future__ import annotations

from collections import Counter

import pytest

from seq2seq.evaluation.buckets import (
    LENGTH_EDGES,
    bucket_scores,
    min_word_frequency,
    range_labels,
    score_histogram,
    select_examples,
    word_counts,
    word_f1,
)
from seq2seq.metrics.sacrebleu_scores import MetricResult, bleu_metric, score_segments


def test_ranges_are_named_by_what_they_hold() -> None:
    assert range_labels((5, 10)) == ["1-5", "6-10", "11 and more"]
    assert range_labels((0, 4, 19)) == ["0", "1-4", "5-19", "20 and more"]


def measured() -> tuple[list[str], list[str], MetricResult]:
    references = ["a b c d e f", "a b c d", "g h i j k l m n", "o p q r s t u"]
    hypotheses = ["a b c d x f", "a b c d", "g h i j", "o p q r s t u"]
    return (
        hypotheses,
        references,
        score_segments(hypotheses, [references], language="de").bleu,
    )


def test_a_range_scores_what_its_sentences_score_alone() -> None:
    hypotheses, references, bleu = measured()
    buckets = bucket_scores(bleu, word_counts(references), LENGTH_EDGES)
    assert [(bucket.label, bucket.segments) for bucket in buckets] == [
        ("1-5", 1),
        ("6-10", 3),
    ]
    rows = [0, 2, 3]
    alone = bleu_metric("de").corpus_score(
        [hypotheses[row] for row in rows], [[references[row] for row in rows]]
    )
    assert buckets[1].score == pytest.approx(alone.score)
    assert buckets[1].interval.low <= buckets[1].score <= buckets[1].interval.high


def test_rarity_is_the_rarest_words() -> None:
    counts = Counter({"the": 100, "dog": 7, ".": 90})
    assert min_word_frequency(["the dog.", "the cat.", ""], counts) == [7, 0, 0]


def test_word_f1_counts_by_frequency_in_training() -> None:
    counts = Counter({"der": 5000, "Hund": 7})
    buckets = word_f1(["der der Hund Rex"], ["der Hund Max"], counts)
    by_label = {bucket.label: bucket for bucket in buckets}
    assert set(by_label) == {"0", "5-19", "1000 and more"}
    assert by_label["0"].f1 == 0
    assert by_label["5-19"].f1 == 1
    often = by_label["1000 and more"]
    assert (often.precision, often.recall, often.words) == (0.5, 1.0, 1)
    assert often.f1 == pytest.approx(2 / 3)


def test_every_sentence_is_in_the_histogram() -> None:
    histogram = score_histogram([0, 9.99, 10, 55, 100, 100.00000001])
    assert [count for _, count in histogram] == [2, 1, 0, 0, 0, 1, 0, 0, 0, 0, 2]


def test_five_different_examples_with_their_reasons() -> None:
    scores = [float(number) for number in range(50)]
    sizes = [number % 13 for number in range(50)]
    examples = select_examples(
        scores, sizes, None, errors=[31, 21], length_side="source"
    )
    assert len({example.segment for example in examples}) == 5
    by_reason = {example.reason: example.segment for example in examples}
    assert by_reason["a typical one, with the middle score"] == 26
    assert by_reason["the lowest score"] == 1
    assert by_reason["a detected error"] == 21
    assert by_reason["the longest source"] == 13
    (only,) = select_examples([1.0], [1], [0], [], length_side="source")
    assert only.segment == 1
    without_source = select_examples(scores, sizes, None, [], length_side="reference")
    assert "the longest reference" in {example.reason for example in without_source}
    assert "the longest source" not in {example.reason for example in without_source}
