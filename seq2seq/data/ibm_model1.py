"""Which target pieces a source piece is likely to become, learned from pairs of ids.

Knows ids and counts; not text, files or networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]

KEPT = 100
"""Target pieces that are kept of each source piece."""

LINKS = 10_000_000
"""Pairs of a source and a target piece, at most, that are learned from: 0.7 GB."""

ROUNDS = 5

NONE = -1
"""Where a source piece has fewer likely pieces."""


class LexicalTable(NamedTuple):
    """What is likely.

    Attributes:
        top_targets: Of each source piece the likeliest target pieces, best first,
            (source pieces, at most KEPT), NONE after the last.
        frequent: All target pieces, the most frequent first, (target pieces,).
        pairs: From how many pairs it was learned.
    """

    top_targets: Ids
    frequent: Ids
    pairs: int


def train_ibm_model1(
    pairs: Iterable[tuple[Sequence[int], Sequence[int]]],
    *,
    source_vocab_size: int,
    target_vocab_size: int,
    null: int,
    links: int = LINKS,
) -> LexicalTable:
    """Learn a table from the first pairs, as many as `links` allows.

    Args:
        pairs: Source and target ids, without control pieces.
        source_vocab_size: Size of the source vocabulary.
        target_vocab_size: Size of the target vocabulary.
        null: The source id that stands for what no source piece explains; every
            sentence gets one.
        links: The most pairs of a source and a target piece.

    Source: Brown et al. 1993, section 4.1 (Model 1); Jean et al. 2015, section 3.2
    (lists of likely words).
    """
    sources, targets, counts, left = [], [], [], links
    frequency = np.zeros(target_vocab_size, dtype=np.int64)
    for source, target in pairs:
        left -= (len(source) + 1) * len(target)
        if left < 0:
            break
        # Each target piece with each source piece of its sentence.
        words = np.array([*source, null], dtype=np.int32)
        sources.append(np.tile(words, len(target)))
        targets.append(np.repeat(np.array(target, dtype=np.int32), len(words)))
        counts.append((len(target), len(words)))
        np.add.at(frequency, targets[-1][:: len(words)], 1)
    empty = [np.zeros(0, dtype=np.int32)]
    source_ids = np.concatenate(sources or empty).astype(np.int64)
    target_ids = np.concatenate(targets or empty)
    lengths = [width for count, width in counts for _ in range(count)]
    token = np.repeat(np.arange(len(lengths)), lengths)
    keys, link = np.unique(
        source_ids * target_vocab_size + target_ids, return_inverse=True
    )
    of_source, of_target = keys // target_vocab_size, keys % target_vocab_size
    chance = _learn(link.reshape(-1), token, of_source)

    order = np.lexsort((of_target, -chance, of_source))
    of_source, of_target = of_source[order], of_target[order]
    first = np.searchsorted(of_source, np.arange(source_vocab_size))
    rank = np.arange(len(order)) - first[of_source]
    kept = rank < KEPT
    likeliest = np.full((source_vocab_size, KEPT), NONE, dtype=np.int32)
    likeliest[of_source[kept], rank[kept]] = of_target[kept]
    frequent = np.argsort(-frequency, kind="stable").astype(np.int32)
    return LexicalTable(likeliest, frequent, len(counts))


def _learn(
    link: NDArray[np.int64], token: NDArray[np.int64], of_source: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return P(target piece | source piece) of each pair that occurs.

    Args:
        link: The pair of each link.
        token: The target token of each link.
        of_source: The source piece of each pair.
    """
    chance = np.ones(len(of_source))
    for _ in range(ROUNDS):
        shares = chance[link]
        shares /= np.bincount(token, shares)[token]
        counts = np.bincount(link, shares, minlength=len(of_source))
        chance = counts / np.bincount(of_source, counts)[of_source]
    return chance
