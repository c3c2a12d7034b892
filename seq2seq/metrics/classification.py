"""Accuracy, F1 and confusion of labels, one for an example or one for every token.

Scores go from 0 to 100 and are functions of sums over examples, so that intervals and
paired tests are those of `significance`. Labels of one sentence depend on each other:
sentences are resampled, never tokens.

Source: Sokolova and Lapalme 2009 (scores of classes); Sproat and Emerson 2003 (words of
a segmentation).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.errors import UserError, misaligned_error
from seq2seq.metrics.significance import Estimate, Floats, estimate, mean_from_stats

Labels = Sequence[str]


class ClassScores(NamedTuple):
    """Scores of each class from 0 to 100, all (C,); 0 where nothing can be counted.

    Attributes:
        precision: Share of the examples with this hypothesis that are right.
        recall: Share of the examples with this reference that are right.
        f1: Their harmonic mean.
    """

    precision: Floats
    recall: Floats
    f1: Floats


def accuracy(hypotheses: Labels, references: Labels) -> Estimate:
    """Return the percentage of hypotheses equal to their references.

    Of whole texts (captions, all labels of a sentence) this is the exact match.

    Raises:
        UserError: If their numbers differ.
    """
    _check_aligned(hypotheses, references, "examples")
    correct = [100.0 * (a == b) for a, b in zip(hypotheses, references, strict=True)]
    statistics = np.array([correct, np.ones(len(correct))]).T
    return estimate(statistics, mean_from_stats)


def confusion_matrix(
    hypotheses: Labels, references: Labels, labels: Labels
) -> NDArray[np.int64]:
    """Count examples by reference (row) and hypothesis (column), (C, C).

    Args:
        hypotheses: Labels of a system.
        references: Right labels.
        labels: All classes, in the order of rows and columns.

    Raises:
        UserError: If the numbers of hypotheses and references differ, or a label is
            no class.
    """
    rows, columns = _label_ids(hypotheses, references, labels)
    matrix = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(matrix, (rows, columns), 1)
    return matrix


def class_scores(confusion: NDArray[np.int64]) -> ClassScores:
    """Return precision, recall and F1 of each class of a confusion matrix, (C, C)."""
    matches = np.diagonal(confusion).astype(np.float64)
    predicted, actual = confusion.sum(axis=0), confusion.sum(axis=1)
    return ClassScores(
        100 * matches / np.maximum(predicted, 1),
        100 * matches / np.maximum(actual, 1),
        200 * matches / np.maximum(predicted + actual, 1),
    )


def macro_f1(hypotheses: Labels, references: Labels, labels: Labels) -> Estimate:
    """Return the mean of the classes' F1, each with the same weight.

    A class that is neither hypothesis nor reference of any example does not count.

    Args:
        hypotheses: Labels of a system.
        references: Right labels.
        labels: All classes.

    Raises:
        UserError: If the numbers of hypotheses and references differ, or a label is
            no class.
    """
    rows, columns = _label_ids(hypotheses, references, labels)
    classes = np.arange(len(labels))
    actual, predicted = rows[:, None] == classes, columns[:, None] == classes
    counts = np.stack([actual & predicted, predicted, actual], axis=2)
    return estimate(counts.reshape(len(rows), -1).astype(np.float64), _macro_f1)


def token_accuracy(
    hypotheses: Sequence[Labels],
    references: Sequence[Labels],
    *,
    mask: Sequence[Sequence[bool]] | None = None,
) -> Estimate:
    """Return the percentage of tokens whose label is right, resampling sentences.

    Args:
        hypotheses: Labels of each sentence's tokens.
        references: Right labels.
        mask: True at tokens that count, such as words that are not in the training
            data; all by default.

    Raises:
        UserError: If the numbers of sentences or of a sentence's labels differ.
    """
    _check_aligned(hypotheses, references, "sentences")
    statistics = np.zeros((len(references), 2))
    for i, (labels, right) in enumerate(zip(hypotheses, references, strict=True)):
        _check_aligned(labels, right, f"labels in sentence {i + 1}")
        counted = [True] * len(right) if mask is None else mask[i]
        matches = [a == b for a, b in zip(labels, right, strict=True)]
        statistics[i, 0] = 100 * sum(
            a and b for a, b in zip(matches, counted, strict=True)
        )
        statistics[i, 1] = sum(counted)
    return estimate(statistics, mean_from_stats)


def word_spans(labels: Labels) -> set[tuple[int, int]]:
    """Return start and end of the words of a sentence labelled B, M, E, S.

    A word ends after E and S, before B and S, and with the sentence, so that every
    sequence of labels is a segmentation.

    Source: Xue 2003; Ng and Low 2004.
    """
    ends = [
        i
        for i in range(1, len(labels) + 1)
        if i == len(labels) or labels[i - 1] in ("E", "S") or labels[i] in ("B", "S")
    ]
    return set(zip([0, *ends], ends, strict=False))


def word_f1(hypotheses: Sequence[Labels], references: Sequence[Labels]) -> Estimate:
    """Return F1 of words from labels B, M, E, S of their characters.

    A word is right if both its ends are and no other lies between.

    Raises:
        UserError: If the numbers of sentences or of a sentence's labels differ.

    Source: Sproat and Emerson 2003.
    """
    _check_aligned(hypotheses, references, "sentences")
    statistics = np.zeros((len(references), 3))
    for i, (labels, right) in enumerate(zip(hypotheses, references, strict=True)):
        _check_aligned(labels, right, f"labels in sentence {i + 1}")
        spans, expected = word_spans(labels), word_spans(right)
        statistics[i] = len(spans & expected), len(spans), len(expected)
    return estimate(statistics, _macro_f1)


def _macro_f1(sums: Floats) -> Floats:
    """Return macro F1, (B, 3 * C) to (B,); C is 1 for a single F1.

    Columns: matches, hypotheses, references; class by class.
    """
    counts = sums.reshape(len(sums), -1, 3)
    total = counts[:, :, 1] + counts[:, :, 2]
    f1 = 200 * counts[:, :, 0] / np.where(total > 0, total, 1)
    means = f1.sum(axis=1) / np.maximum((total > 0).sum(axis=1), 1)
    return np.asarray(means, dtype=np.float64)


def _label_ids(
    hypotheses: Labels, references: Labels, labels: Labels
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels' positions among all classes: of references, of hypotheses."""
    _check_aligned(hypotheses, references, "examples")
    index = {label: i for i, label in enumerate(labels)}
    for label in (*references, *hypotheses):
        if label not in index:
            raise UserError(
                f"the label {label!r} is none of the {len(labels)} classes: "
                f"{', '.join(labels[:20])}. Correct it, or add it to the classes."
            )
    rows, columns = ([index[x] for x in side] for side in (references, hypotheses))
    return np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64)


def _check_aligned(
    hypotheses: Sequence[object], references: Sequence[object], units: str
) -> None:
    if len(hypotheses) != len(references):
        counts = f"hypotheses have {len(hypotheses):,} {units}, "
        raise misaligned_error(f"{counts}references {len(references):,}")
