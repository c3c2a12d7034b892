"""What each sentence of a batch asks of its translation: lengths, beginnings, phrases.

Knows ids and their number; not the model, and not how a demand is met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.banned_strings import BannedStringTable
from seq2seq.types import BOS, EOS, PAD

TokenIds = Sequence[int]
"""Pieces in a row."""


@dataclass(frozen=True, kw_only=True)
class DecodingConstraints:
    """What each of N sentences asks of its translation.

    Tensors lie on the device on which the step works. Where a sequence is empty,
    no sentence asks for anything of the kind; otherwise it has N places.

    Attributes:
        max_lengths: The most pieces, EOS not counted, at least 1, (N,).
        min_lengths: The fewest, (N,).
        source_lengths: Source pieces of each sentence, (N,), as attention sees them;
            needed for the coverage penalty alone.
        prefixes: How each translation begins.
        required_phrases: Phrases that each translation contains. One may lie within
            another or overlap it, and one that is named twice need come only once.
        banned_phrases: Phrases that no translation contains, unless its prefix or a
            required phrase does.
        banned_strings: Text that no translation spells, with the same exceptions.
    """

    max_lengths: Tensor
    min_lengths: Tensor | None = None
    source_lengths: Tensor | None = None
    prefixes: Sequence[TokenIds] = ()
    required_phrases: Sequence[Sequence[TokenIds]] = ()
    banned_phrases: Sequence[Sequence[TokenIds]] = ()
    banned_strings: BannedStringTable | None = None

    @classmethod
    def from_length_ratio(
        cls, source_lengths: Tensor, options: SearchOptions
    ) -> DecodingConstraints:
        """Let a translation be as long as the options say of its source.

        Args:
            source_lengths: Source pieces of each sentence, (N,), on the device on
                which the step works.
            options: The recipe's search section.
        """
        shortest = None
        if options.min_length_ratio:
            shortest = (source_lengths * options.min_length_ratio).long()
        return cls(
            max_lengths=(source_lengths * options.max_length_ratio).long() + 10,
            min_lengths=shortest,
            source_lengths=source_lengths,
        )

    def constrained_tokens(self) -> list[list[int]]:
        """Return the pieces that each sentence's prefix and phrases hold.

        Nothing where no sentence asks for any.
        """
        if not any(self.prefixes) and not any(self.required_phrases):
            return []
        asked: list[list[int]] = [[] for _ in self.max_lengths]
        for pieces, prefix in zip(asked, self.prefixes, strict=False):
            pieces.extend(prefix)
        for pieces, phrases in zip(asked, self.required_phrases, strict=False):
            pieces.extend(chain(*phrases))
        return asked

    def validate(self) -> list[int]:
        """Return the greatest lengths as numbers.

        Raises:
            ValueError: If a number is out of range, there is not one place for each
                sentence, or what is asked for does not fit into the greatest length.
        """
        if self.max_lengths.dim() != 1:
            raise ValueError(
                f"max_lengths has the shape {tuple(self.max_lengths.shape)}, but must "
                "be (N,): one limit for each sentence."
            )
        limits: list[int] = self.max_lengths.tolist()
        if limits and min(limits) < 1:
            raise ValueError(
                f"max_lengths holds {min(limits)}, but every sentence needs a limit of "
                "at least 1 piece."
            )
        for name in ("min_lengths", "source_lengths"):
            lengths: Tensor | None = getattr(self, name)
            if lengths is not None and lengths.shape != self.max_lengths.shape:
                raise ValueError(
                    f"{name} has the shape {tuple(lengths.shape)}, but max_lengths "
                    f"{tuple(self.max_lengths.shape)}; they must be the same."
                )
        if self.min_lengths is not None and bool(
            (self.min_lengths > self.max_lengths).any()
        ):
            raise ValueError("a sentence's least length is more than its greatest.")
        self._check_phrases(limits)
        return limits

    def _check_phrases(self, limits: list[int]) -> None:
        """Refuse phrases that no translation could contain."""
        for name in ("prefixes", "required_phrases", "banned_phrases"):
            count = len(getattr(self, name))
            if count not in (0, len(limits)):
                raise ValueError(
                    f"{name} has {count} places for {len(limits)} sentences; give one "
                    "to each, or none at all."
                )
        phrases = list(chain(*self.required_phrases, *self.banned_phrases))
        if not all(phrases):
            raise ValueError("a required or forbidden phrase has no pieces.")
        for piece in chain(*phrases, *self.prefixes):
            if piece in (PAD, BOS, EOS) or piece < 0:
                raise ValueError(
                    f"piece {piece} is asked for or forbidden, but only pieces of text "
                    "can be: not padding, begin or end of sentence."
                )
        needed = [0] * len(limits)
        for number, prefix in enumerate(self.prefixes):
            needed[number] += len(prefix)
        for number, wanted in enumerate(self.required_phrases):
            needed[number] += sum(len(phrase) for phrase in set(map(tuple, wanted)))
        for number, (pieces, limit) in enumerate(zip(needed, limits, strict=True)):
            if pieces > limit:
                raise ValueError(
                    f"prefix and required phrases of sentence {number} have {pieces} "
                    f"pieces, but its translation may have at most {limit}. Ask for "
                    "less or raise max_lengths."
                )


def pad_right(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Lay rows of ids side by side, with PAD on the right, (N, longest)."""
    longest = max(map(len, rows), default=0)
    filled = [[*row, *[PAD] * (longest - len(row))] for row in rows]
    return torch.tensor(filled, dtype=torch.long, device=device).view(
        len(rows), longest
    )
