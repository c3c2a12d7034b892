"""Pairwise sentence-level metrics (chrF, BLEU).

They are the utility of minimum Bayes risk decoding (Eikema and Aziz 2020) and the
reward of minimum risk training (Shen et al. 2016).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seq2seq.metrics.sacrebleu_scores import bleu_metric

CHAR_ORDER = 6  # Maximum n of chrF's character n-grams.
BETA_SQUARED = 4  # Weight of recall relative to precision: beta is 2.


def chrf_utility(
    hypotheses: Sequence[str], references: Sequence[str]
) -> list[list[float]]:
    """Score every hypothesis against every reference by sentence-level chrF.

    Equal to sacreBLEU's `sentence_score`, but n-grams are counted once per text and
    compared as arrays; sacreBLEU would count both texts again for each pair.

    Args:
        hypotheses: Candidate translations.
        references: Texts to score them against (in MBR, pseudo-references).

    Returns:
        One row per hypothesis, one score from 0 to 100 per reference.

    Source: Popović 2015; averaged over orders as in sacreBLEU 2.6.
    """
    precision = np.zeros((len(hypotheses), len(references)))
    recall, orders = precision.copy(), precision.copy()
    for order in range(1, CHAR_ORDER + 1):
        columns: dict[str, int] = {}
        hypothesis_counts = _ngram_counts(hypotheses, order, columns)
        reference_counts = _ngram_counts(references, order, columns)
        padding = len(columns) - hypothesis_counts.shape[1]
        hypothesis_counts = np.pad(hypothesis_counts, ((0, 0), (0, padding)))
        matches = np.array(
            [np.minimum(row, reference_counts).sum(axis=1) for row in hypothesis_counts]
        )
        hypothesis_total = hypothesis_counts.sum(axis=1)[:, None]
        reference_total = reference_counts.sum(axis=1)[None]
        # The effective order: orders for which either text is too short are left out.
        effective = (hypothesis_total > 0) & (reference_total > 0)
        orders += effective
        precision += np.where(effective, matches / np.maximum(hypothesis_total, 1), 0)
        recall += np.where(effective, matches / np.maximum(reference_total, 1), 0)
    # Both are sums over orders; the effective order divides numerator and denominator.
    numerator = (1 + BETA_SQUARED) * precision * recall
    denominator = (BETA_SQUARED * precision + recall) * orders
    f_score = np.divide(
        numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0
    )
    scores: list[list[float]] = (100 * f_score).tolist()
    return scores


def bleu_utility(
    hypotheses: Sequence[str], references: Sequence[str], *, language: str
) -> list[list[float]]:
    """Score every hypothesis against every reference by sacreBLEU's sentence BLEU.

    Args:
        hypotheses: Candidate translations.
        references: Texts to score them against (in MBR, pseudo-references).
        language: Code of the target language; selects BLEU's tokenizer.

    Returns:
        One row per hypothesis, one score from 0 to 100 per reference.

    Raises:
        UserError: If that tokenizer's package is not installed.

    Source: Papineni et al. 2002; Chen and Cherry 2014 (effective order, exponential
    smoothing of orders without a match).
    """
    metric = bleu_metric(language)
    metric.effective_order = True
    return [
        [
            float(metric.sentence_score(hypothesis, [reference]).score)
            for reference in references
        ]
        for hypothesis in hypotheses
    ]


def _ngram_counts(
    texts: Sequence[str], order: int, columns: dict[str, int]
) -> NDArray[np.int64]:
    """Count the character n-grams of each text, whitespace removed, (texts, n-grams).

    Args:
        texts: Texts to count in.
        order: n.
        columns: The column of each n-gram; new n-grams are added to it.
    """
    counters = []
    for text in texts:
        chars = "".join(text.split())
        counters.append(
            Counter(chars[i : i + order] for i in range(len(chars) - order + 1))
        )
    for counter in counters:
        for ngram in counter:
            columns.setdefault(ngram, len(columns))
    counts = np.zeros((len(texts), len(columns)), dtype=np.int64)
    for row, counter in enumerate(counters):
        for ngram, count in counter.items():
            counts[row, columns[ngram]] = count
    return counts
