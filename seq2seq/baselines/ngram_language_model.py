"""N-gram language models, smoothed by Witten-Bell or modified Kneser-Ney, interpolated.

N-grams are a trie of sorted arrays: the key of an n-gram is the id of its first n - 1
tokens times the vocabulary size, plus its last token. So any order fits into 64 bits,
and a text is counted and scored in a few array operations an order.

Source: Witten and Bell 1991; Kneser and Ney 1995; Chen and Goodman 1998, sections 2.5,
2.7 and 3; Heafield et al. 2013, section 3 (unigrams interpolated with a uniform
distribution).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]
Smoothing = Literal["witten_bell", "kneser_ney"]

MAX_ORDER = 8
_UNSEEN = -1


class _Level(NamedTuple):
    """All n-grams of one order; p(w|h) = (mass + backoff * p(w|shorter h)) / total.

    Attributes:
        keys: Sorted: id of the context times (V + 1), plus the token, (n-grams,).
        mass: Counts, discounted with Kneser-Ney, (n-grams,).
        backoff: Weight of the shorter context, (contexts,).
        total: Normaliser; 0 where no token follows a context, (contexts,).
    """

    keys: Ids
    mass: Floats
    backoff: Floats
    total: Floats


@dataclass(frozen=True)
class NGramLanguageModel:
    """Probabilities of a token after the last order - 1 tokens of its sequence.

    Attributes:
        order: Number of tokens of the longest n-grams.
        vocab_size: Every id below it has a probability, in training or not.
        levels: Smoothed counts by order, unigrams first.
    """

    order: int
    vocab_size: int
    levels: tuple[_Level, ...]

    def log_probs(self, tokens: ArrayLike) -> Floats:
        """Return log p of each token of a sequence after those before it, (T,).

        Args:
            tokens: Ids, (T,); the first follows the start of a sequence.
        """
        ids = np.asarray(tokens, dtype=np.int64)
        return self._log_probs(self._context_ids(ids)[:, :-1], ids)

    def next_log_probs(self, context: ArrayLike) -> Floats:
        """Return log p of every token after a sequence so far, (T,) to (V,)."""
        ids = np.asarray(context, dtype=np.int64)
        ids = ids[max(0, len(ids) - self.order + 1) :]
        contexts = self._context_ids(ids)[:, -1:]
        return self._log_probs(contexts, np.arange(self.vocab_size))

    def _context_ids(self, tokens: Ids) -> Ids:
        """Return ids of the contexts before each token and after the last.

        Returns:
            In row k the id of the last k tokens, _UNSEEN where training lacks them,
            (order, T + 1).
        """
        text = _concatenate([tokens], self.order, self.vocab_size)
        ids = np.zeros((self.order, len(text) + 1), dtype=np.int64)
        for k, level in enumerate(self.levels[:-1]):
            ids[k + 1, 1:] = _find(level.keys, ids[k, :-1], text, self.vocab_size)
        return ids[:, self.order - 1 :]

    def _log_probs(self, contexts: Ids, tokens: Ids) -> Floats:
        """Return log p of tokens, (T,), after contexts, (order, T) or (order, 1)."""
        probs = np.full(len(tokens), 1 / self.vocab_size)
        for level, context in zip(self.levels, contexts, strict=True):
            rows = _find(level.keys, context, tokens, self.vocab_size)
            mass = np.where(rows == _UNSEEN, 0.0, level.mass[rows])
            mixed = mass + level.backoff[context] * probs
            total = level.total[context]
            followed = (context != _UNSEEN) & (total > 0)
            probs = np.where(followed, mixed / np.where(followed, total, 1.0), probs)
        return np.asarray(np.log(probs), dtype=np.float64)


def fit_ngram_model(
    sequences: Iterable[ArrayLike],
    *,
    vocab_size: int,
    order: int,
    smoothing: Smoothing = "kneser_ney",
) -> NGramLanguageModel:
    """Count and smooth the n-grams of a text.

    Args:
        sequences: Ids below vocab_size, (T,) each. No n-gram crosses from one into the
            next; a stream is one sequence.
        vocab_size: Number of tokens that have a probability.
        order: Number of tokens of the longest n-grams, at least 1.
        smoothing: `witten_bell` backs off by how many types follow a context.
            `kneser_ney` discounts counts, and counts a token in shorter contexts as
            often as there are types before it.
    """
    text = _concatenate(sequences, order, vocab_size)
    keys: list[Ids] = []
    counts: list[Ids] = []
    ids = np.zeros(len(text) + 1, dtype=np.int64)  # Of the last k tokens, from k on.
    for k in range(order):
        unique, first, inverse, count = np.unique(
            ids[k:-1] * (vocab_size + 1) + text[k:],
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        if smoothing == "kneser_ney" and k > 0:
            suffixes = ids[first + k + 1]
            counts[-1] = np.bincount(suffixes, minlength=len(keys[-1]))
        keys.append(unique)
        counts.append(count)
        ids[k + 1 :] = inverse
    contexts = [1, *map(len, keys)]
    levels = [
        _smooth(*level, vocab_size, smoothing)
        for level in zip(keys, counts, contexts[:-1], strict=True)
    ]
    return NGramLanguageModel(order, vocab_size, tuple(levels))


def fit_best_order(
    train: Iterable[ArrayLike],
    valid: Iterable[ArrayLike],
    *,
    vocab_size: int,
    smoothing: Smoothing = "kneser_ney",
    max_order: int = MAX_ORDER,
) -> NGramLanguageModel:
    """Return the model of the order with the lowest nats on validation.

    Args:
        train: Sequences of ids to count, (T,) each.
        valid: Sequences of ids to choose the order on, (T,) each.
        vocab_size: Number of tokens that have a probability.
        smoothing: As in `fit_ngram_model`.
        max_order: Highest order tried, at least 1.
    """
    train, valid = list(train), list(valid)

    def fit(order: int) -> tuple[float, NGramLanguageModel]:
        model = fit_ngram_model(
            train, vocab_size=vocab_size, order=order, smoothing=smoothing
        )
        nats = -sum(float(model.log_probs(tokens).sum()) for tokens in valid)
        return nats, model

    best = min(map(fit, range(1, max_order + 1)), key=lambda scored: scored[0])
    return best[1]


def kneser_ney_discounts(counts: Ids) -> Floats:
    """Return what modified Kneser-Ney subtracts of counts 0, 1, 2, and 3 or more, (4,).

    Where the formula fails, since no n-gram has one of the counts 1 to 4 or the result
    is no discount, it is 0.5, 1 and 1.5, as in KenLM with `--discount_fallback`.

    Source: Chen and Goodman 1998, section 3, equation 26; Heafield et al. 2013.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    c = np.arange(1, 4)
    if (n[1:5] > 0).all():
        discounts = c - (c + 1) * n[1] / (n[1] + 2 * n[2]) * n[2:5] / n[1:4]
        if (discounts >= 0).all():
            return np.concatenate([[0.0], discounts])
    return np.array([0.0, 0.5, 1.0, 1.5])


def _smooth(
    keys: Ids, counts: Ids, contexts: int, vocab_size: int, smoothing: Smoothing
) -> _Level:
    context, token = np.divmod(keys, vocab_size + 1)
    predicted = token < vocab_size  # The start of a sequence is no event.
    events = counts * predicted
    if smoothing == "kneser_ney":
        discounts = kneser_ney_discounts(events)[np.minimum(counts, 3)] * predicted
    else:
        discounts = predicted.astype(np.float64)
    backoff = np.asarray(np.bincount(context, discounts, contexts), np.float64)
    total = np.asarray(np.bincount(context, events, contexts), np.float64)
    if smoothing == "kneser_ney":
        return _Level(keys, events - discounts, backoff, total)
    return _Level(keys, events.astype(np.float64), backoff, total + backoff)


def _concatenate(sequences: Iterable[ArrayLike], order: int, vocab_size: int) -> Ids:
    """Join sequences, each after order - 1 start symbols, whose id is vocab_size."""
    start = np.full(order - 1, vocab_size, dtype=np.int64)
    parts = [part for ids in sequences for part in (start, np.asarray(ids, np.int64))]
    return np.concatenate([start[:0], *parts])


def _find(keys: Ids, contexts: Ids, tokens: Ids, vocab_size: int) -> Ids:
    """Return the n-grams' ids, _UNSEEN where training lacks them, (T,)."""
    wanted = contexts * (vocab_size + 1) + tokens  # Negative after _UNSEEN: no key.
    rows = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[rows] == wanted, rows, _UNSEEN)
