"""Train, validation and test split of a corpus, across which no near duplicate goes.

Pairs whose sources or targets are near duplicates are one group, transitively, and so
are those of one document; a group is in one split (Lee et al. 2022, Deduplicating
Training Data Makes Language Models Better, on what duplicates across splits do).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seq2seq.data.near_duplicates import near_groups, unite_labels
from seq2seq.errors import UserError
from seq2seq.prepare.corpus_writer import TextPair
from seq2seq.utils.text import is_blank, with_noun

_LARGEST_SHARE = 0.05
"""Of a held-out split that a group of near duplicates may be; documents may be all."""

_LEAST_TRAIN = 0.5  # Of the pairs.


@dataclass(frozen=True)
class CorpusSplit:
    """Rows of each split, in the order of the corpus.

    Attributes:
        train: Rows to train on.
        valid: Rows to validate on.
        test: Rows to evaluate on.
        num_groups: Groups of near duplicates and documents, single pairs included.
        num_grouped: Pairs that are in a group with another.
        largest: Pairs of the largest group.
        by_document: Whether the corpus says which document a pair is from.
    """

    train: list[int]
    valid: list[int]
    test: list[int]
    num_groups: int
    num_grouped: int
    largest: int
    by_document: bool

    def summary(self) -> str:
        """Return the counts in two sentences."""
        kinds = "near duplicates" + " or one document" * self.by_document
        return (
            f"{len(self.train):,} pairs to train on, {len(self.valid):,} to validate, "
            f"{len(self.test):,} to test; {self.num_grouped:,} pairs are in groups of "
            f"{kinds}, the largest of {self.largest:,}, and no group crosses a split"
        )


def split_corpus(
    pairs: Sequence[TextPair], *, valid: int = 500, test: int = 500, seed: int = 1
) -> CorpusSplit:
    """Draw held-out splits from a corpus, by groups.

    The order of groups is that of a hash of the seed and their text, so it depends
    neither on a random generator's version nor on the order of rows.

    Args:
        pairs: The corpus.
        valid: Pairs of the validation split.
        test: Pairs of the test split.
        seed: Another one draws other groups.

    Raises:
        UserError: If the corpus is too small; the message says what would do.
    """
    count = len(pairs)
    if valid < 1 or test < 1:
        raise UserError(f"--valid {valid} --test {test}: both must be 1 or more.")
    if count - valid - test < _LEAST_TRAIN * count:
        raise _too_small(count, valid, test, count, "")
    groups = near_groups([[pair[0] for pair in pairs], [pair[1] for pair in pairs]])
    documents = [pair[2] for pair in pairs]
    by_document = any(documents)
    if by_document:
        groups = unite_labels(groups, documents)
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    members: dict[int, list[int]] = {}
    for row, group in enumerate(inverse.tolist()):
        members.setdefault(group, []).append(row)
    order = sorted(members, key=lambda group: _draw(pairs, members[group], seed))
    taken: set[int] = set()
    held_out = []
    for size in (test, valid):
        rows: list[int] = []
        largest = size if by_document else max(1, int(_LARGEST_SHARE * size))
        for group in order:
            if len(rows) == size:
                break
            group_rows = members[group]
            fits = len(group_rows) <= min(largest, size - len(rows))
            if fits and group not in taken and _is_sound(pairs, group_rows):
                taken.add(group)
                rows += group_rows
        held_out.append(sorted(rows))
    drawn = [len(rows) for rows in held_out]
    # Whole documents rarely add up to the number that was named.
    least = 0.8 if by_document else 1
    rest = count - sum(drawn)
    if any(d < least * n for d, n in zip(drawn, (test, valid), strict=True)):
        groupless = "documents" if by_document else "pairs without near duplicates"
        raise _too_small(count, valid, test, 2 * sum(drawn), f", too few {groupless}")
    apart = {*held_out[0], *held_out[1]}
    train = [row for row in range(count) if row not in apart]
    assert len(train) == rest
    return CorpusSplit(
        train,
        valid=held_out[1],
        test=held_out[0],
        num_groups=len(sizes),
        num_grouped=int(sizes[sizes > 1].sum()),
        largest=int(sizes.max()),
        by_document=by_document,
    )


def _draw(pairs: Sequence[TextPair], rows: Sequence[int], seed: int) -> bytes:
    key = "\0".join([str(seed), *sorted("\t".join(pairs[row]) for row in rows)])
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


def _is_sound(pairs: Sequence[TextPair], rows: Sequence[int]) -> bool:
    return not any(is_blank(pairs[r][0]) or is_blank(pairs[r][1]) for r in rows)


def _too_small(
    count: int, valid: int, test: int, usable: int, reason: str
) -> UserError:
    possible = min(500, int(usable * (1 - _LEAST_TRAIN)) // 4)
    possible = possible // 10 * 10 if possible >= 20 else possible
    message = (
        f"{with_noun(count, 'pair')} cannot give {valid:,} to validate and {test:,} to "
        f"test{reason}, with half of them left to train on"
    )
    if possible < 1:
        return UserError(f"{message}. Add pairs: some hundred are the least.")
    return UserError(f"{message}. This would do: --valid {possible} --test {possible}")
