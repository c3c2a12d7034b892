"""Scores of labels equal what is counted by hand, and sentences are resampled whole."""

from __future__ import annotations

import numpy as np
import pytest

from seq2seq.errors import UserError
from seq2seq.metrics.classification import (
    accuracy,
    class_scores,
    confusion_matrix,
    macro_f1,
    token_accuracy,
    word_f1,
    word_spans,
)
from seq2seq.metrics.significance import compare_estimates

# cat: 2 right, 1 called dog; dog: 1 right, 1 called cat; eel: 1, called dog.
REFERENCES = ["cat", "cat", "cat", "dog", "dog", "eel"]
HYPOTHESES = ["cat", "cat", "dog", "dog", "cat", "dog"]
CLASSES = ["cat", "dog", "eel"]


def test_accuracy_is_the_percentage_of_equal_labels() -> None:
    result = accuracy(HYPOTHESES, REFERENCES)
    assert result.score == pytest.approx(50)
    assert 0 <= result.interval.low < 50 < result.interval.high <= 100


def test_the_interval_is_wilsons_where_examples_are_many() -> None:
    # 150 of 200: Wilson's interval is 68.6 to 80.5, by p + z^2/2n and its root.
    interval = accuracy(["a"] * 150 + ["b"] * 50, ["a"] * 200).interval
    assert interval.low == pytest.approx(68.6, abs=1)
    assert interval.high == pytest.approx(80.5, abs=1)


def test_rows_of_the_confusion_matrix_are_references() -> None:
    matrix = confusion_matrix(HYPOTHESES, REFERENCES, CLASSES)
    assert matrix.tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_precision_recall_and_f1_are_those_counted_by_hand() -> None:
    scores = class_scores(confusion_matrix(HYPOTHESES, REFERENCES, CLASSES))
    assert scores.precision == pytest.approx([200 / 3, 100 / 3, 0])
    assert scores.recall == pytest.approx([200 / 3, 50, 0])
    assert scores.f1 == pytest.approx([200 / 3, 40, 0])


def test_macro_f1_weights_classes_alike_and_skips_those_that_never_occur() -> None:
    result = macro_f1(HYPOTHESES, REFERENCES, [*CLASSES, "fox"])
    assert result.score == pytest.approx((200 / 3 + 40 + 0) / 3)


def test_a_paired_test_is_made_from_two_accuracies() -> None:
    references = ["a"] * 40
    baseline = accuracy(["a"] * 20 + ["b"] * 20, references)
    system = accuracy(["a"] * 28 + ["b"] * 12, references)
    result = compare_estimates(baseline, system)
    assert result.difference == pytest.approx(20)
    # 8 examples differ, all in one direction: McNemar's exact p is 2 * 0.5^8.
    assert result.randomization_p == pytest.approx(2 * 0.5**8, abs=0.002)


def test_tokens_outside_the_mask_do_not_count() -> None:
    references = [["at", "nn", "vb"], ["nn"]]
    hypotheses = [["at", "jj", "vb"], ["nn"]]
    assert token_accuracy(hypotheses, references).score == pytest.approx(75)
    mask = [[False, True, False], [True]]
    assert token_accuracy(hypotheses, references, mask=mask).score == pytest.approx(50)


def test_tokens_of_a_sentence_are_resampled_together() -> None:
    # Ten sentences, wholly right or wholly wrong: more tokens in each make the score no
    # more certain.
    hypotheses, references = ["a", "b"] * 5, ["a"] * 10
    short = token_accuracy([[x] for x in hypotheses], [[x] for x in references])
    long = token_accuracy(
        [[x] * 99 for x in hypotheses], [[x] * 99 for x in references]
    )
    assert long.interval == short.interval


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ("BMESBE", {(0, 3), (3, 4), (4, 6)}),
        ("MMBS", {(0, 2), (2, 3), (3, 4)}),  # No tagger need be consistent.
        ("SMB", {(0, 1), (1, 2), (2, 3)}),
        ("", set()),
    ],
)
def test_every_sequence_of_labels_is_a_segmentation(
    labels: str, spans: set[tuple[int, int]]
) -> None:
    assert word_spans(labels) == spans


def test_a_word_is_right_if_both_its_ends_are() -> None:
    # Words 0-2, 2-3, 3-5 against 0-2, 2-5: one of three and of two is right.
    result = word_f1(["BESBE"], ["BEBME"])
    assert result.score == pytest.approx(100 * 2 * 1 / (3 + 2))


def test_hypotheses_and_references_must_be_as_many() -> None:
    with pytest.raises(UserError, match="hypotheses have 1 examples, references 2"):
        accuracy(["a"], ["a", "b"])
    with pytest.raises(UserError, match="have 1 labels in sentence 2, references 2"):
        token_accuracy([["a"], ["a"]], [["a"], ["a", "b"]])


def test_a_label_that_is_no_class_is_named() -> None:
    with pytest.raises(UserError, match="'pig' is none of the 2 classes: cat, dog"):
        confusion_matrix(["cat"], ["pig"], ["cat", "dog"])


def test_scores_of_columns_and_rows_add_up_to_all_examples() -> None:
    random = np.random.default_rng(0)
    sides = [[CLASSES[i] for i in random.integers(3, size=50)] for _ in range(2)]
    matrix = confusion_matrix(sides[0], sides[1], CLASSES)
    assert matrix.sum() == 50
    assert 2 * np.trace(matrix) == pytest.approx(accuracy(sides[0], sides[1]).score)
