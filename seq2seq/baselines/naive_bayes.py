"""Multinomial naive Bayes over n-grams of characters or words.

Order, smoothing, and whether an n-gram's count or its presence in a text is taken are
chosen on validation, since the difference is several percent.

Source: McCallum and Nigam 1998; Wang and Manning 2012 (pairs, presence).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Text = Sequence[str]
"""A string, whose units are characters, or a list of words."""

ALPHAS = (0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True)
class NaiveBayes:
    """Probabilities of classes from the n-grams of a text.

    Attributes:
        labels: The C classes, sorted.
        order: Longest n-grams; 2 for single units and pairs.
        binary: Whether an n-gram counts once in a text, however often it occurs.
        alpha: Count that is added to each n-gram in each class, above 0.
        features: The column in `counts` of each n-gram of the training data.
        counts: How often an n-gram occurs in each class, (C, n-grams).
        log_priors: log p(class), (C,).
    """

    labels: tuple[str, ...]
    order: int
    binary: bool
    alpha: float
    features: Mapping[Hashable, int]
    counts: Floats
    log_priors: Floats

    def log_probs(self, texts: Sequence[Text]) -> Floats:
        """Return log p(class | text), (N, C); unseen n-grams are left out."""
        return self._log_probs(*self._encode(texts), len(texts))

    def predict(self, texts: Sequence[Text]) -> list[str]:
        """Return the most probable class of each text."""
        return [self.labels[i] for i in self.log_probs(texts).argmax(axis=1)]

    def _encode(self, texts: Sequence[Text]) -> tuple[Ids, Ids]:
        """Return text numbers and columns of all known n-grams, both (n-grams,)."""
        columns = [
            [self.features[x] for x in ngrams if x in self.features]
            for ngrams in (_ngrams(text, self.order, self.binary) for text in texts)
        ]
        rows = np.repeat(np.arange(len(texts)), [len(ids) for ids in columns])
        return rows, np.array(list(chain(*columns)), dtype=np.int64)

    def _log_probs(self, rows: Ids, columns: Ids, size: int) -> Floats:
        smoothed = self.counts + self.alpha
        weights = np.log(smoothed / smoothed.sum(axis=1, keepdims=True))
        sums = [np.bincount(rows, weight[columns], size) for weight in weights]
        joint = np.stack(sums, axis=1) + self.log_priors
        log_probs = joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)
        return np.asarray(log_probs, dtype=np.float64)


def fit_naive_bayes(
    texts: Sequence[Text],
    labels: Sequence[str],
    *,
    order: int = 2,
    binary: bool = True,
    alpha: float = 1.0,
) -> NaiveBayes:
    """Count the n-grams of each class.

    Args:
        texts: Training texts.
        labels: The class of each.
        order: Longest n-grams; 2 for single units and pairs.
        binary: Whether an n-gram counts once in a text, however often it occurs.
        alpha: Count that is added to each n-gram in each class, above 0.
    """
    classes = sorted(set(labels))
    counters: dict[str, Counter[Hashable]] = {label: Counter() for label in classes}
    for text, label in zip(texts, labels, strict=True):
        counters[label].update(_ngrams(text, order, binary))
    ngrams = dict.fromkeys(chain(*counters.values()))
    features = {ngram: column for column, ngram in enumerate(ngrams)}
    counts = np.zeros((len(classes), len(features)))
    for row, counter in enumerate(counters.values()):
        counts[row, [features[x] for x in counter]] = list(counter.values())
    sizes = Counter(labels)
    log_priors = np.log([sizes[label] / len(labels) for label in classes])
    return NaiveBayes(
        tuple(classes), order, binary, alpha, features, counts, log_priors
    )


def fit_best_naive_bayes(
    train: tuple[Sequence[Text], Sequence[str]],
    valid: tuple[Sequence[Text], Sequence[str]],
    *,
    max_order: int = 3,
) -> NaiveBayes:
    """Return the order, presence or counts, and alpha with the best accuracy on valid.

    Args:
        train: Texts and their labels.
        valid: Texts and labels to choose on.
        max_order: Longest n-grams tried.
    """
    best: tuple[float, NaiveBayes] | None = None
    labels = np.array(valid[1])
    for order in range(1, max_order + 1):
        for binary in (True, False):
            counted = fit_naive_bayes(*train, order=order, binary=binary)
            encoded = counted._encode(valid[0])
            for alpha in ALPHAS:
                model = replace(counted, alpha=alpha)
                ids = model._log_probs(*encoded, len(labels)).argmax(axis=1)
                accuracy = float(np.mean(np.array(model.labels)[ids] == labels))
                if best is None or accuracy > best[0]:
                    best = accuracy, model
    assert best is not None
    return best[1]


def _ngrams(text: Text, order: int, binary: bool) -> Iterable[Hashable]:
    """Return the n-grams of all orders, each once if binary."""
    units = text if isinstance(text, str) else tuple(text)
    ngrams = [
        units[i : i + n] for n in range(1, order + 1) for i in range(len(units) - n + 1)
    ]
    return list(dict.fromkeys(ngrams)) if binary else ngrams
