"""How good a text is if another were right: what minimum Bayes risk compares by.

Knows texts; not where they come from and not how one of them is chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seq2seq.metrics.sacrebleu_scores import bleu_metric

ORDER = 6  # Longest character n-gram of chrF.
RECALL = 4  # Beta squared: how much more recall weighs than precision.


def chrf_utility(
    hypotheses: Sequence[str], references: Sequence[str]
) -> list[list[float]]:
    """Compare all with all by chrF, from 0 to 100, as sacreBLEU's `sentence_score`.

    Each text is counted once and the comparison is done in arrays; a call of sacreBLEU
    for each pair would count both texts again.

    Args:
        hypotheses: Texts, one of which would be the translation.
        references: Texts that might be right.

    Returns:
        For each hypothesis one number for each reference.

    Source: Popović 2015; the average over orders is that of sacreBLEU 2.6.
    """
    precision = np.zeros((len(hypotheses), len(references)))
    recall, orders = precision.copy(), precision.copy()
    for order in range(1, ORDER + 1):
        columns: dict[str, int] = {}
        ours = _counts(hypotheses, order, columns)
        theirs = _counts(references, order, columns)
        ours = np.pad(ours, ((0, 0), (0, len(columns) - ours.shape[1])))
        matches = np.array([np.minimum(row, theirs).sum(axis=1) for row in ours])
        our_sum, their_sum = ours.sum(axis=1)[:, None], theirs.sum(axis=1)[None]
        # An order counts where both texts are long enough for it.
        both = (our_sum > 0) & (their_sum > 0)
        orders += both
        precision += np.where(both, matches / np.maximum(our_sum, 1), 0)
        recall += np.where(both, matches / np.maximum(their_sum, 1), 0)
    # The number of orders is left in both: it divides numerator and denominator.
    above = (1 + RECALL) * precision * recall
    below = (RECALL * precision + recall) * orders
    scores = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    found: list[list[float]] = (100 * scores).tolist()
    return found


def bleu_utility(
    hypotheses: Sequence[str], references: Sequence[str], *, language: str
) -> list[list[float]]:
    """Compare all with all by sacreBLEU's sentence BLEU, from 0 to 100.

    Args:
        hypotheses: Texts, one of which would be the translation.
        references: Texts that might be right.
        language: The target language, which decides on the tokenizer.

    Returns:
        For each hypothesis one number for each reference.

    Raises:
        InputError: If that tokenizer's package is not installed.

    Source: Papineni et al. 2002; Chen and Cherry 2014 (orders up to the text's length,
    smoothing of orders without a match).
    """
    metric = bleu_metric(language)
    metric.effective_order = True
    return [
        [float(metric.sentence_score(text, [other]).score) for other in references]
        for text in hypotheses
    ]


def _counts(
    texts: Sequence[str], order: int, columns: dict[str, int]
) -> NDArray[np.int64]:
    """Count the n-grams of each text, without white space, (texts, n-grams).

    Args:
        texts: What to count in.
        order: n.
        columns: The column of each n-gram; new ones are added.
    """
    found = []
    for text in texts:
        bare = "".join(text.split())
        found.append(Counter(bare[i : i + order] for i in range(len(bare) - order + 1)))
    for counter in found:
        for ngram in counter:
            columns.setdefault(ngram, len(columns))
    counts = np.zeros((len(texts), len(columns)), dtype=np.int64)
    for row, counter in enumerate(found):
        for ngram, times in counter.items():
            counts[row, columns[ngram]] = times
    return counts
