"""Banned strings, matched however they are tokenized (Baeza-Yates and Gonnet 1992).

A string is matched by a Shift-And automaton: bit k is set if the text so far ends with
the string's first k characters; bit 0 is always set. A token is a run of characters,
so its effect on the bits is precomputed, and a hypothesis costs one shift per token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.types import PAD


class BannedString(NamedTuple):
    """The Shift-And automaton of one string, over tokens.

    Attributes:
        start_mask: The bits before the first token.
        survive_mask: The bits that survive each token, after a shift by its characters,
            (V,).
        set_mask: The bits that each token sets by itself, (V,).
        tokens: Tokens that can complete the string, (M,).
        match_mask: The bits of which one must be set for that, (M,).
    """

    start_mask: int
    survive_mask: Tensor
    set_mask: Tensor
    tokens: Tensor
    match_mask: Tensor


class BannedStringTable(NamedTuple):
    """The banned strings of N sentences, A distinct ones.

    Attributes:
        indices: The strings of each sentence, (N, F), A where there is none.
        num_chars: Characters of each token, (V,).
        start_mask: (A + 1,).
        survive_mask: (A + 1, V).
        set_mask: (A + 1, V).
        tokens: (A + 1, M), PAD where there is none.
        match_mask: (A + 1, M), 0 where there is none.
    """

    indices: Tensor
    num_chars: Tensor
    start_mask: Tensor
    survive_mask: Tensor
    set_mask: Tensor
    tokens: Tensor
    match_mask: Tensor

    @classmethod
    def of(
        cls, banned: Sequence[Sequence[BannedString]], num_chars: Tensor
    ) -> BannedStringTable | None:
        """Stack the strings of N sentences; None if there are none.

        Args:
            banned: Those of each sentence.
            num_chars: Characters of each token, (V,), on the step function's device.
        """
        # The same string is often banned in every line, as the same object.
        unique = {id(string): string for strings in banned for string in strings}
        if not unique:
            return None
        index = {name: number for number, name in enumerate(unique)}
        device, none = num_chars.device, len(unique)
        max_count = max(map(len, banned))
        indices = [
            [*(index[id(s)] for s in strings), *[none] * (max_count - len(strings))]
            for strings in banned
        ]
        no_bits = torch.zeros_like(num_chars)
        max_tokens = max(len(string.tokens) for string in unique.values())

        def stacked(parts: list[Tensor]) -> Tensor:
            padded = [
                torch.nn.functional.pad(part, (0, max_tokens - len(part)), value=PAD)
                for part in parts
            ]
            return torch.stack([*padded, torch.full((max_tokens,), PAD)]).to(device)

        strings = unique.values()
        return cls(
            indices=torch.tensor(indices, device=device),
            num_chars=num_chars,
            start_mask=torch.tensor(
                [*(s.start_mask for s in strings), 0], device=device
            ),
            survive_mask=torch.stack(
                [*(s.survive_mask.to(device) for s in strings), no_bits]
            ),
            set_mask=torch.stack([*(s.set_mask.to(device) for s in strings), no_bits]),
            tokens=stacked([s.tokens for s in strings]),
            match_mask=stacked([s.match_mask for s in strings]),
        )

    def select(self, sentences: Tensor) -> BannedStringTable:
        """Keep these sentences, in this order."""
        return self._replace(indices=self.indices[sentences])

    def completed_by(self, tokens: Tensor) -> Tensor:
        """Return the tokens that would complete a string, PAD elsewhere, (R, F * M).

        Args:
            tokens: The tokens of each row so far, (R, length).
        """
        rows_per_sentence = len(tokens) // len(self.indices)
        indices = self.indices.repeat_interleave(rows_per_sentence, dim=0)  # (R, F)
        bits = self.start_mask[indices]  # (R, F)
        for last in tokens.unbind(dim=1):  # (R,)
            shifted = bits << self.num_chars[last][:, None]
            column = last[:, None]
            survived = shifted & self.survive_mask[indices, column]  # (R, F)
            bits = survived | self.set_mask[indices, column]
        matches = (bits[..., None] & self.match_mask[indices]) != 0  # (R, F, M)
        return self.tokens[indices].where(matches, PAD).flatten(1)
