"""Wrong labels of a split: confused classes, and the most confident errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seq2seq.evaluation.evaluate_task import TaskEvaluation
from seq2seq.metrics.classification import class_scores, confusion_matrix
from seq2seq.tasks.classification import Classification
from seq2seq.tasks.tagging import Tagging

MAX_MATRIX = 12
"""Classes of a confusion matrix that can still be read."""
NUM_CLASSES = 30
NUM_PAIRS = 15
NUM_ANSWERS = 12
MAX_COMPARED = 1000  # Examples with errors whose probabilities are computed.
BATCH_SIZE = 64
_CONTEXT = 5  # Words that are shown on either side of a wrong tag.


@dataclass(frozen=True)
class ClassResult:
    """A class: examples that are it and that were labelled so, scores from 0 to 100."""

    label: str
    references: int
    hypotheses: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ConfusedPair:
    """How often one label came in the place of another."""

    reference: str
    hypothesis: str
    count: int


@dataclass(frozen=True)
class WrongAnswer:
    """A wrong label, tag or number.

    Attributes:
        example: Number of the example, from 1.
        before: Words before the tagged one; "" of a classification.
        source: The text, the tagged word, or a description of frames.
        after: Words after the tagged one.
        reference: The true answer.
        hypothesis: The network's answer.
        probabilities: Of the most probable labels and of the reference, most probable
            first; empty of numbers.
    """

    example: int
    before: str
    source: str
    after: str
    reference: str
    hypothesis: str
    probabilities: dict[str, float]


@dataclass(frozen=True)
class LabelErrors:
    """The errors of a classification or a tagging.

    Attributes:
        labels: Classes of the matrix, in alphabetical order.
        matrix: Counts by reference (row) and hypothesis (column); empty of numbers, and
            of more classes than can be read.
        classes: The most frequent classes first; empty of numbers.
        pairs: The most frequent confusions first; empty of numbers.
        num_labels: Labels in the split, or numbers.
        num_wrong: Those that are wrong.
        answers: The most confident errors first, or the largest.
    """

    labels: list[str]
    matrix: list[list[int]]
    classes: list[ClassResult]
    pairs: list[ConfusedPair]
    num_labels: int
    num_wrong: int
    answers: list[WrongAnswer]


@torch.inference_mode()
def find_label_errors(evaluation: TaskEvaluation) -> LabelErrors:
    """Count confusions and choose wrong answers of a classification or a tagging."""
    task = evaluation.task
    predictions, references = evaluation.predictions, evaluation.references
    if isinstance(task, Classification) and task.is_number:
        return _number_errors(evaluation)
    tagging = isinstance(task, Tagging)
    hypothesis_rows = [line.split() if tagging else [line] for line in predictions]
    reference_rows = [line.split() if tagging else [line] for line in references]
    hypotheses = [label for row in hypothesis_rows for label in row]
    true = [label for row in reference_rows for label in row]
    labels = sorted({*hypotheses, *true})
    counts = confusion_matrix(hypotheses, true, labels)
    scores = class_scores(counts)
    classes = [
        ClassResult(label, int(row), int(column), *map(float, values))
        for label, row, column, *values in zip(
            labels, counts.sum(1), counts.sum(0), *scores, strict=True
        )
    ]
    pairs = [
        ConfusedPair(labels[row], labels[column], int(counts[row, column]))
        for row, column in np.argwhere(counts).tolist()
        if row != column
    ]
    readable = len(labels) <= MAX_MATRIX
    return LabelErrors(
        labels if readable else [],
        counts.tolist() if readable else [],
        sorted(classes, key=lambda result: -result.references)[:NUM_CLASSES],
        sorted(pairs, key=lambda pair: -pair.count)[:NUM_PAIRS],
        len(true),
        len(true) - int(np.trace(counts)),
        _confident_errors(evaluation, hypothesis_rows, reference_rows),
    )


def _confident_errors(
    evaluation: TaskEvaluation,
    hypotheses: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
) -> list[WrongAnswer]:
    task: Any = evaluation.task
    names = task.labels.names
    wrong = [i for i, row in enumerate(hypotheses) if row != references[i]]
    count = min(len(wrong), MAX_COMPARED)
    wrong = [wrong[index * len(wrong) // count] for index in range(count)]
    device = next(evaluation.network.parameters()).device
    answers: list[tuple[float, WrongAnswer]] = []
    for start in range(0, count, BATCH_SIZE):
        rows = wrong[start : start + BATCH_SIZE]
        batch = evaluation.examples.batch(np.array(rows)).to(device)
        probabilities = task.probabilities(evaluation.network, batch).cpu()
        for index, row in enumerate(rows):
            positions = probabilities[index].reshape(-1, len(names)).tolist()
            for position, reference in enumerate(references[row]):
                hypothesis = hypotheses[row][position]
                if hypothesis == reference:
                    continue
                values = dict(zip(names, positions[position], strict=True))
                best = sorted(values, key=lambda name: -values[name])
                shown = [n for i, n in enumerate(best) if i < 3 or n == reference]
                answer = WrongAnswer(
                    row + 1,
                    *_source(evaluation.examples, row, position),
                    reference,
                    hypothesis,
                    {name: values[name] for name in shown},
                )
                answers.append((values[hypothesis], answer))
    answers.sort(key=lambda scored: -scored[0])
    return [answer for _, answer in answers[:NUM_ANSWERS]]


def _source(examples: Any, row: int, position: int) -> tuple[str, str, str]:
    """Return an example's text, or a word of it between those before and after."""
    if not hasattr(examples, "words"):
        return "", examples.source_text(row), ""
    if not examples.words:
        return "", f"frame {position + 1} of {len(examples.sources[row])}", ""
    words = examples.words[row]
    before = " ".join(words[max(0, position - _CONTEXT) : position])
    after = " ".join(words[position + 1 : position + 1 + _CONTEXT])
    return before, words[position], after


def _number_errors(evaluation: TaskEvaluation) -> LabelErrors:
    pairs = list(zip(evaluation.predictions, evaluation.references, strict=True))
    errors = [abs(float(a) - float(b)) for a, b in pairs]
    largest = sorted(range(len(pairs)), key=lambda row: -errors[row])[:NUM_ANSWERS]
    answers = [
        WrongAnswer(
            row + 1,
            *_source(evaluation.examples, row, 0),
            f"{float(pairs[row][1]):.6g}",
            pairs[row][0],
            {},
        )
        for row in largest
    ]
    return LabelErrors([], [], [], [], len(pairs), sum(e > 0 for e in errors), answers)
