"""Which pairs can be trained on as far as text alone tells, and what became of all.

Knows pairs and why they are dropped; not pieces or files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress, islice

from seq2seq.data.corpora import ParallelCorpus, SentencePair
from seq2seq.data.duplicates import Deduplicator, text_hashes
from seq2seq.recipe import DataOptions

CHUNK = 10_000  # Pairs cleaned, encoded and written at a time.


@dataclass
class FilterStats:
    """What became of a corpus's pairs; parts: how many each of several kept."""

    read: int = 0
    kept: int = 0
    blank: int = 0
    duplicate: int = 0
    copied: int = 0
    too_long: int = 0
    ratio: int = 0
    parts: list[int] = field(default_factory=list)

    def sentence(self, options: DataOptions) -> str:
        """Say it in one line."""
        reasons = {
            "blank": self.blank,
            "duplicates": self.duplicate,
            "copies of the source": self.copied,
            f"too long (>{options.max_length} pieces)": self.too_long,
            f"of unlike lengths (>{options.max_length_ratio:g}x)": self.ratio,
        }
        dropped = [f"{count:,} {reason}" for reason, count in reasons.items() if count]
        line = f"kept {self.kept:,} of {self.read:,} pairs"
        return f"{line}: {', '.join(dropped)}" if dropped else line


def filter_pairs(
    corpus: ParallelCorpus, data: DataOptions, counts: FilterStats, seen: Deduplicator
) -> Iterator[list[SentencePair]]:
    """Yield what can be trained on as far as text alone tells, and count the rest."""
    pairs = corpus.read()
    while chunk := list(islice(pairs, CHUNK)):
        counts.read += len(chunk)
        kept: list[SentencePair] = []
        for pair in chunk:
            source, target = pair.source.strip(), pair.target.strip()
            if not source or not target:
                counts.blank += 1
            elif data.drop_copies and source == target:
                counts.copied += 1
            else:
                kept.append(SentencePair(source, target))
        if data.drop_duplicates:
            fresh = seen.is_new(text_hashes(f"{pair[0]}\0{pair[1]}" for pair in kept))
            counts.duplicate += len(kept) - int(fresh.sum())
            kept = list(compress(kept, fresh.tolist()))
        yield kept
