"""Corpus filtering by text: blank sides, copies of the source, duplicates.

The filters that need token counts (length and length ratio; Moses' clean-corpus-n) run
in preprocessing.py, after tokenization.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import compress, islice

import numpy as np
from numpy.typing import NDArray

from seq2seq.data.corpora import ParallelCorpus, SentencePair
from seq2seq.data.tokenizer import normalize
from seq2seq.recipe import DataOptions
from seq2seq.utils.text import is_blank

CHUNK_SIZE = 10_000  # Pairs filtered, encoded and written at a time.

Hashes = NDArray[np.uint64]


@dataclass
class FilterStats:
    """Number of pairs read, kept, and dropped for each reason.

    Attributes:
        total: Pairs read.
        kept: Pairs that passed every filter.
        blank: Pairs with a side that has no visible character.
        duplicate: Pairs that came before, but for white space.
        copied: Pairs whose target is the source, but for white space.
        too_long: Pairs with more than `max_length` tokens on a side.
        length_ratio: Pairs whose sides differ too much in length.
        multi_sentence: Pairs kept whose source holds more than one sentence.
        kept_per_corpus: Pairs kept of each corpus; empty where there is only one.
    """

    total: int = 0
    kept: int = 0
    blank: int = 0
    duplicate: int = 0
    copied: int = 0
    too_long: int = 0
    length_ratio: int = 0
    multi_sentence: int = 0
    kept_per_corpus: list[int] = field(default_factory=list)

    def summary(self, data: DataOptions) -> str:
        """Return the counts in one line, such as "kept 9 of 10 pairs: 1 blank"."""
        reasons = {
            "blank": self.blank,
            "duplicates": self.duplicate,
            "copies of the source": self.copied,
            f"too long (>{data.max_length} tokens)": self.too_long,
            f"of unlike lengths (>{data.max_length_ratio:g}x)": self.length_ratio,
        }
        dropped = [f"{count:,} {reason}" for reason, count in reasons.items() if count]
        line = f"kept {self.kept:,} of {self.total:,} pairs"
        return f"{line}: {', '.join(dropped)}" if dropped else line


def text_hashes(texts: Iterable[str]) -> Hashes:
    """Return a 64-bit BLAKE2b hash of each text.

    Any two of 5 million texts collide with a probability of 1 in 10^6.
    """
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


class Deduplicator:
    """A set of 64-bit hashes in 8 bytes each, as sorted runs (log-structured merge).

    A run is merged into the one before it when that is less than twice as long; so the
    number of runs, and of moves of a hash, is logarithmic.
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def is_new(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Return the mask of hashes that occur for the first time, and add them."""
        new = np.zeros(len(hashes), dtype=bool)
        new[np.unique(hashes, return_index=True)[1]] = True
        for run in self._runs:
            indices = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
            new &= run[indices] != hashes
        run = np.sort(hashes[new])
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            # A stable sort merges what is sorted already.
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        if len(run):
            self._runs.append(run)
        return new


def filter_pairs(
    corpus: ParallelCorpus,
    data: DataOptions,
    stats: FilterStats,
    deduplicator: Deduplicator,
) -> Iterator[list[SentencePair]]:
    """Yield the pairs that pass the text filters, in chunks, and count the others.

    Args:
        corpus: The pairs.
        data: The recipe's data section.
        stats: Is updated with what was read and dropped.
        deduplicator: Pairs of earlier corpora; is updated with this one's.
    """
    pairs = corpus.read()
    while chunk := list(islice(pairs, CHUNK_SIZE)):
        stats.total += len(chunk)
        filtered: list[SentencePair] = []
        keys: list[str] = []
        for pair in chunk:
            source, target = map(_one_spaced, pair)
            if is_blank(source) or is_blank(target):
                stats.blank += 1
            elif data.drop_copies and source == target:
                stats.copied += 1
            else:
                filtered.append(SentencePair(pair.source.strip(), pair.target.strip()))
                keys.append(f"{source}\0{target}")
        if data.drop_duplicates:
            hashes = text_hashes(keys)
            new = deduplicator.is_new(hashes)
            stats.duplicate += len(filtered) - int(new.sum())
            filtered = list(compress(filtered, new.tolist()))
        yield filtered


def _one_spaced(text: str) -> str:
    """Normalise white space as the tokenizer does: pairs of the same tokens are one."""
    return " ".join(normalize(text).split())
