"""IBM Model 1 (Brown et al. 1993): a lexical translation table trained by EM.

The table is t(f|e), the probability that a source token e translates into a target
token f. A link is a possible alignment of a target token to a source token, or to NULL,
of the same pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]

MAX_TARGETS = 100
"""Target tokens stored for each source token."""

MAX_LINKS = 10_000_000
"""Links that a table is trained on at most, which take 0.7 GB."""

ITERATIONS = 5

NO_TARGET = -1
"""Padding where a source token has fewer than MAX_TARGETS target tokens."""


class LexicalTable(NamedTuple):
    """The most probable target tokens of each source token.

    Attributes:
        top_targets: By falling t(f|e), NO_TARGET after the last,
            (source vocabulary size, MAX_TARGETS).
        frequent: All target tokens by falling frequency, (target vocabulary size,).
        num_pairs: Number of pairs that the table was trained on.
    """

    top_targets: Ids
    frequent: Ids
    num_pairs: int


def train_ibm_model1(
    pairs: Iterable[tuple[Sequence[int], Sequence[int]]],
    *,
    source_vocab_size: int,
    target_vocab_size: int,
    null: int,
    max_links: int = MAX_LINKS,
) -> LexicalTable:
    """Train a table on the first pairs, as many as max_links allows.

    Args:
        pairs: Source and target ids, without control tokens.
        source_vocab_size: Size of the source vocabulary.
        target_vocab_size: Size of the target vocabulary.
        null: Source id of NULL, which every source sentence contains besides its own
            tokens and which generates target tokens without a counterpart.
        max_links: Maximum number of links.

    Source: Brown et al. 1993, section 4.1 (Model 1); Jean et al. 2015, section 3.2
    (candidate lists).
    """
    frequency = np.zeros(target_vocab_size, dtype=np.int64)
    sources = [np.zeros(0, dtype=np.int32)]
    targets = [np.zeros(0, dtype=np.int32)]
    widths: list[int] = []  # Number of links of each target token.
    num_pairs = num_links = 0
    for source, target in pairs:
        num_links += (len(source) + 1) * len(target)
        if num_links > max_links:
            break
        num_pairs += 1
        with_null = np.array([*source, null], dtype=np.int32)
        target_ids = np.array(target, dtype=np.int32)
        sources.append(np.tile(with_null, len(target)))
        targets.append(np.repeat(target_ids, len(with_null)))
        widths += [len(with_null)] * len(target)
        np.add.at(frequency, target_ids, 1)
    link_sources = np.concatenate(sources).astype(np.int64)
    link_targets = np.concatenate(targets)
    link_tokens = np.repeat(np.arange(len(widths)), widths)
    # Entries of the sparse table: the (source, target) ids that are linked anywhere.
    keys, link_entries = np.unique(
        link_sources * target_vocab_size + link_targets, return_inverse=True
    )
    entry_sources, entry_targets = np.divmod(keys, target_vocab_size)
    table = _expectation_maximization(
        link_entries.reshape(-1), link_tokens, entry_sources
    )

    order = np.lexsort((entry_targets, -table, entry_sources))
    entry_sources, entry_targets = entry_sources[order], entry_targets[order]
    start = np.searchsorted(entry_sources, np.arange(source_vocab_size))
    rank = np.arange(len(order)) - start[entry_sources]
    top = rank < MAX_TARGETS
    top_targets = np.full((source_vocab_size, MAX_TARGETS), NO_TARGET, dtype=np.int32)
    top_targets[entry_sources[top], rank[top]] = entry_targets[top]
    frequent = np.argsort(-frequency, kind="stable").astype(np.int32)
    return LexicalTable(top_targets, frequent, num_pairs)


def _expectation_maximization(
    link_entries: NDArray[np.int64],
    link_tokens: NDArray[np.int64],
    entry_sources: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return t(f|e) of each table entry, (entries,).

    Args:
        link_entries: Table entry of each link, (links,).
        link_tokens: Index of each link's target token in the corpus, (links,).
        entry_sources: Source id e of each table entry, (entries,).
    """
    table = np.ones(len(entry_sources))
    for _ in range(ITERATIONS):
        # E step: the posterior of each link among those of its target token.
        posteriors = table[link_entries]
        posteriors /= np.bincount(link_tokens, posteriors)[link_tokens]
        # M step: normalise the expected counts over the targets of each source.
        counts = np.bincount(link_entries, posteriors, minlength=len(entry_sources))
        table = counts / np.bincount(entry_sources, counts)[entry_sources]
    return table
