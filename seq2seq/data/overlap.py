"""Overlap of held-out splits with the training data and with each other.

A model that has seen a test sentence in training scores higher on it than on text of
the world (Elangovan et al. 2021, Memorization vs. Generalization). Sentences are equal
if they differ in case, digits, punctuation and white space only. Of the training data,
hashes of 8 bytes are compared, which preprocessing writes beside the encoded pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from seq2seq.data.corpora import SentencePair
from seq2seq.data.filtering import Hashes, text_hashes
from seq2seq.utils.text import fold

HASH_COLUMNS = ("source_hash", "target_hash")
"""Columns of the preprocessed data: a hash of each folded sentence."""

NOTABLE_SHARE = 0.01  # Of a split's sources; fewer hardly change a score.
# Of its targets: short sentences are the translation of many, in Tatoeba of 12%.
NOTABLE_TARGET_SHARE = 0.5
NUM_EXAMPLES = 3


@dataclass(frozen=True)
class SplitOverlap:
    """How much of a held-out split is in the training data, or in another split.

    Attributes:
        split: Its name.
        num_pairs: Its pairs.
        num_sources: Pairs whose source is a source of the other text.
        num_targets: Pairs whose target is a target of the other text.
        num_both: Pairs with both, be it of one pair there or of two.
        examples: Sources of some of these pairs, those with both first; targets where
            there is no such source.
        other: The name of the other split; empty for the training data.
    """

    split: str
    num_pairs: int
    num_sources: int
    num_targets: int
    num_both: int
    examples: list[str]
    other: str = ""

    @property
    def share(self) -> float:
        """Share of the sources that are in the other text, in [0, 1]."""
        return self.num_sources / max(1, self.num_pairs)

    @property
    def is_notable(self) -> bool:
        """Whether scores on the split flatter the model."""
        target_share = self.num_targets / max(1, self.num_pairs)
        return self.share > NOTABLE_SHARE or target_share > NOTABLE_TARGET_SHARE

    def summary(self) -> str:
        """Return the counts in one line."""
        where = f"in {self.other}" if self.other else "trained on"
        line = (
            f"{self.num_sources:,} of {self.num_pairs:,} sources ({self.share:.1%}) "
            f"and {self.num_targets:,} targets are {where}"
        )
        if self.examples:
            line += (
                ", but for case, digits, punctuation and white space, such as "
                f"{self.examples[0]!r:.60}"
            )
        return line


def fold_hashes(texts: Iterable[str]) -> Hashes:
    """Return a 64-bit hash of each text, equal where the texts are when folded."""
    return text_hashes(map(fold, texts))


def find_overlap(
    split: str, pairs: Sequence[SentencePair], preprocessed: Path
) -> SplitOverlap:
    """Compare a held-out split with the preprocessed training data.

    Args:
        split: Its name.
        pairs: Its pairs.
        preprocessed: The Arrow file of training pairs, with HASH_COLUMNS; it is read
            chunk by chunk.
    """
    with pa.memory_map(str(preprocessed)) as memory, pa.ipc.open_file(memory) as file:
        batches = map(file.get_batch, range(file.num_record_batches))
        return _overlap(split, pairs, map(_hashes_of_batch, batches))


def compare_splits(
    split: str,
    pairs: Sequence[SentencePair],
    other: str,
    others: Sequence[SentencePair],
) -> SplitOverlap:
    """Compare a held-out split with another: test with valid.

    Args:
        split: Its name.
        pairs: Its pairs.
        other: The name of the other.
        others: The other's pairs.
    """
    sides = fold_hashes(p.source for p in others), fold_hashes(p.target for p in others)
    return replace(_overlap(split, pairs, [sides]), other=other)


def _hashes_of_batch(batch: pa.RecordBatch) -> tuple[Hashes, ...]:
    buffers = (batch.column(name).buffers()[1] for name in HASH_COLUMNS)
    return tuple(np.frombuffer(buffer, np.uint64, len(batch)) for buffer in buffers)


def _overlap(
    split: str, pairs: Sequence[SentencePair], chunks: Iterable[tuple[Hashes, ...]]
) -> SplitOverlap:
    """Compare pairs with the hashes of another text's sources and targets."""
    sides = [[pair.source for pair in pairs], [pair.target for pair in pairs]]
    # Without a letter, as numbers and "..." are, sentences have nothing in common.
    worded = [np.array([_has_letter(text) for text in side], bool) for side in sides]
    hashes = [fold_hashes(side) for side in sides]
    there = [np.zeros(len(pairs), bool) for _ in sides]
    for chunk in chunks:
        for side, side_hashes in enumerate(chunk):
            there[side] |= np.isin(hashes[side], side_hashes)
    source, target = (t & w for t, w in zip(there, worded, strict=True))
    rows = [*np.flatnonzero(source & target), *np.flatnonzero(source & ~target)]
    examples = [pairs[int(row)].source for row in rows]
    examples = examples or [pairs[int(row)].target for row in np.flatnonzero(target)]
    return SplitOverlap(
        split,
        num_pairs=len(pairs),
        num_sources=int(source.sum()),
        num_targets=int(target.sum()),
        num_both=int((source & target).sum()),
        examples=examples[:NUM_EXAMPLES],
    )


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)
