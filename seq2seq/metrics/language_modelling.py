"""Perplexity, nats and bits per token and per character of a language model.

All are functions of three sums (nats, tokens, characters), so that intervals and paired
tests are those of `significance`. Characters make models with different vocabularies
comparable. Neighbouring tokens depend on each other: lines or blocks are resampled.

Source: Jelinek et al. 1977 (perplexity); Carlstein 1986 (blocks that do not overlap).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seq2seq.metrics.significance import Estimate, Floats, estimate


@dataclass(frozen=True)
class LanguageModelScores:
    """Scores of a language model on one text; lower is better.

    Attributes:
        perplexity: exp(nats per token).
        nats_per_token: Negative log-likelihood in natural units.
        bits_per_token: The same in bits.
        nats_per_character: Negative log-likelihood of the text over its characters.
        bits_per_character: The same in bits.
        tokens: Number of tokens that were predicted.
        characters: Number of characters that they stand for.
    """

    perplexity: Estimate
    nats_per_token: Estimate
    bits_per_token: Estimate
    nats_per_character: Estimate
    bits_per_character: Estimate
    tokens: int
    characters: int


def language_model_scores(
    nats: ArrayLike, tokens: ArrayLike, characters: ArrayLike, *, block: int = 1
) -> LanguageModelScores:
    """Score a text from what its units cost.

    Args:
        nats: -log p summed over each unit (line or token), (units,).
        tokens: Tokens of each unit, EOS included, (units,).
        characters: Characters of each unit, a line's end included, (units,).
        block: Neighbouring units that are resampled together: 1 for lines, some
            hundreds for the tokens of a stream.
    """
    units = np.stack([np.asarray(x, np.float64) for x in (nats, tokens, characters)], 1)
    rows = np.add.reduceat(units, np.arange(0, len(units), block), axis=0)
    return LanguageModelScores(
        estimate(rows, perplexity_from_stats),
        estimate(rows, nats_per_token_from_stats),
        estimate(rows, bits_per_token_from_stats),
        estimate(rows, nats_per_character_from_stats),
        estimate(rows, bits_per_character_from_stats),
        int(rows[:, 1].sum()),
        int(rows[:, 2].sum()),
    )


def nats_per_token_from_stats(sums: Floats) -> Floats:
    """Return nats per token: nats, tokens, characters, (B, 3) to (B,)."""
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1), dtype=np.float64)


def bits_per_token_from_stats(sums: Floats) -> Floats:
    """Return bits per token: nats, tokens, characters, (B, 3) to (B,)."""
    return nats_per_token_from_stats(sums) / math.log(2)


def perplexity_from_stats(sums: Floats) -> Floats:
    """Return exp(nats per token), inf where it overflows, (B, 3) to (B,)."""
    with np.errstate(over="ignore"):
        return np.exp(nats_per_token_from_stats(sums))


def nats_per_character_from_stats(sums: Floats) -> Floats:
    """Return nats per character: nats, tokens, characters, (B, 3) to (B,)."""
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 2], 1), dtype=np.float64)


def bits_per_character_from_stats(sums: Floats) -> Floats:
    """Return bits per character: nats, tokens, characters, (B, 3) to (B,)."""
    return nats_per_character_from_stats(sums) / math.log(2)
