"""Text that must not be spelt, however it is cut into pieces.

Knows bits for every piece; not text. A text is followed by the Shift-And automaton
(Baeza-Yates and Gonnet 1992): bit k says that what was said ends with the text's first
k letters, bit 0 is always set. A piece is a run of letters, so all that it does to the
bits is known beforehand, and following a hypothesis is a shift for each piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.types import PAD


class BannedString(NamedTuple):
    """One text, as bits.

    Attributes:
        start: What is set before the first piece.
        carried: Which bits survive each piece, after a shift by its letters, (V,).
        begun: Which bits each piece sets by itself, (V,).
        tokens: Pieces that can complete the text, (P,).
        completing: What must be set for that, any of these bits, (P,).
    """

    start: int
    carried: Tensor
    begun: Tensor
    tokens: Tensor
    completing: Tensor


class BannedStringTable(NamedTuple):
    """The texts that sentences must not spell, A different ones.

    Attributes:
        which: Those of each sentence, (N, F), A where there is none.
        letters: How many letters each piece has, (V,).
        start: (A + 1,).
        carried: (A + 1, V).
        begun: (A + 1, V).
        pieces: (A + 1, P), PAD where there is none.
        completing: (A + 1, P), 0 where there is none.
    """

    which: Tensor
    letters: Tensor
    start: Tensor
    carried: Tensor
    begun: Tensor
    tokens: Tensor
    completing: Tensor

    @classmethod
    def of(
        cls, forbidden: Sequence[Sequence[BannedString]], letters: Tensor
    ) -> BannedStringTable | None:
        """Lay the texts of N sentences side by side; None if there are none.

        Args:
            forbidden: Those of each sentence.
            letters: How many letters each piece has, (V,), on the device on which the
                step works.
        """
        # The same text is often forbidden in every line, as the same object.
        found = {id(each): each for some in forbidden for each in some}
        if not found:
            return None
        row = {name: number for number, name in enumerate(found)}
        device, none = letters.device, len(found)
        most = max(map(len, forbidden))
        which = [
            [*(row[id(each)] for each in some), *[none] * (most - len(some))]
            for some in forbidden
        ]
        nothing = torch.zeros_like(letters)
        widest = max(len(each.tokens) for each in found.values())

        def stacked(parts: list[Tensor]) -> Tensor:
            wide = [
                torch.nn.functional.pad(part, (0, widest - len(part)), value=PAD)
                for part in parts
            ]
            return torch.stack([*wide, torch.full((widest,), PAD)]).to(device)

        each = found.values()
        return cls(
            torch.tensor(which, device=device),
            letters,
            torch.tensor([*(one.start for one in each), 0], device=device),
            torch.stack([*(one.carried.to(device) for one in each), nothing]),
            torch.stack([*(one.begun.to(device) for one in each), nothing]),
            stacked([one.tokens for one in each]),
            stacked([one.completing for one in each]),
        )

    def select(self, sentences: Tensor) -> BannedStringTable:
        """Keep these sentences, in this order."""
        return self._replace(which=self.which[sentences])

    def completed_by(self, history: Tensor) -> Tensor:
        """Return pieces that would complete a text, PAD elsewhere, (R, F * P).

        Args:
            history: What each row has said, (R, length).
        """
        each = len(history) // len(self.which)
        which = self.which.repeat_interleave(each, dim=0)
        bits = self.start[which]
        for said in history.unbind(dim=1):
            shifted = bits << self.letters[said][:, None]
            piece = said[:, None]
            bits = (shifted & self.carried[which, piece]) | self.begun[which, piece]
        ends = (bits[..., None] & self.completing[which]) != 0
        return self.tokens[which].where(ends, PAD).flatten(1)
