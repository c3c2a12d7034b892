"""Overlap of held-out splits with the training data.

A model that has seen a test sentence in training scores higher on it than on text of
the world (Elangovan et al. 2021, Memorization vs. Generalization). Sentences are equal
if they differ in case, digits, punctuation and white space only. Of the training data,
hashes of 8 bytes are compared, which preprocessing writes beside the encoded pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from seq2seq.data.corpora import SentencePair
from seq2seq.data.filtering import Hashes, text_hashes
from seq2seq.utils.text import fold

HASH_COLUMNS = ("source_hash", "target_hash")
"""Columns of the preprocessed data: a hash of each folded sentence."""

NOTABLE_SHARE = 0.01  # Of a split's sources; fewer hardly change a score.
NUM_EXAMPLES = 3


@dataclass(frozen=True)
class SplitOverlap:
    """How much of a held-out split is in the training data.

    Attributes:
        split: Its name.
        num_pairs: Its pairs.
        num_sources: Pairs whose source is a training source.
        num_targets: Pairs whose target is a training target.
        num_both: Pairs with both, be it of one training pair or of two.
        examples: Sources of some of these pairs, those with both first.
    """

    split: str
    num_pairs: int
    num_sources: int
    num_targets: int
    num_both: int
    examples: list[str]

    @property
    def share(self) -> float:
        """Share of the sources that are in the training data, in [0, 1]."""
        return self.num_sources / max(1, self.num_pairs)

    @property
    def is_notable(self) -> bool:
        """Whether scores on the split flatter the model."""
        return self.share > NOTABLE_SHARE

    def summary(self) -> str:
        """Return the counts in one line."""
        line = (
            f"{self.num_sources:,} of {self.num_pairs:,} sources ({self.share:.1%}) "
            f"and {self.num_targets:,} targets are trained on"
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
    sides = [[pair.source for pair in pairs], [pair.target for pair in pairs]]
    # Without a letter, as numbers and "..." are, sentences have nothing in common.
    worded = [np.array([_has_letter(text) for text in side], bool) for side in sides]
    hashes = [fold_hashes(side) for side in sides]
    trained = [np.zeros(len(pairs), bool) for _ in sides]
    with pa.memory_map(str(preprocessed)) as memory, pa.ipc.open_file(memory) as file:
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            for side, name in enumerate(HASH_COLUMNS):
                values = batch.column(name).buffers()[1]
                chunk = np.frombuffer(values, np.uint64, len(batch))
                trained[side] |= np.isin(hashes[side], chunk)
    source, target = (t & w for t, w in zip(trained, worded, strict=True))
    rows = [*np.flatnonzero(source & target), *np.flatnonzero(source & ~target)]
    return SplitOverlap(
        split,
        num_pairs=len(pairs),
        num_sources=int(source.sum()),
        num_targets=int(target.sum()),
        num_both=int((source & target).sum()),
        examples=[pairs[row].source for row in rows[:NUM_EXAMPLES]],
    )


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)
