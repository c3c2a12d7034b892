"""Which pieces a hypothesis may go on with: what is ruled out before a search chooses.

Knows ids and what a hypothesis said so far; not how pieces are chosen or ranked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.banned_strings import BannedStringTable
from seq2seq.search.constraints import DecodingConstraints, TokenIds, pad_right
from seq2seq.search.step import mask_special_tokens
from seq2seq.types import EOS, PAD, UNK

ANYTHING = -1
"""Where a pattern does not ask for a piece."""

NOTHING = -2
"""Where a hypothesis has no piece yet; no pattern asks for it."""


class LogitsProcessors(NamedTuple):
    """The rules of a batch, for as many rows of each sentence as come.

    What is ruled out gets -inf and the rest stays as it is, so a hypothesis has the
    log-probability that the model gives it.

    Attributes:
        no_repeat_ngram_size: No n-gram of so many pieces comes twice; 0 for no such
            rule.
        allow_unknown: Whether UNK may come.
        min_lengths: Pieces before EOS may come, (N,).
        prefixes: How translations begin, (N, longest), PAD where they are free.
        banned_prefixes: Forbidden phrases without their last piece, (N, F, length),
            ANYTHING to their left.
        banned_last_tokens: The last pieces of forbidden phrases, (N, F), PAD where
            there is none.
        banned_strings: Text that must not be spelt.
    """

    no_repeat_ngram_size: int
    allow_unknown: bool
    min_lengths: Tensor | None
    prefixes: Tensor | None
    banned_prefixes: Tensor | None
    banned_last_tokens: Tensor | None
    banned_strings: BannedStringTable | None = None

    @classmethod
    def of(
        cls, demands: DecodingConstraints, options: SearchOptions
    ) -> LogitsProcessors:
        """Make the rules that sentences and options ask for."""
        device = demands.max_lengths.device
        prefixes = heads = tails = None
        if any(demands.prefixes):
            prefixes = pad_right(demands.prefixes, device)
        if any(demands.banned_phrases):
            heads = pad_left(
                [[phrase[:-1] for phrase in some] for some in demands.banned_phrases],
                device,
            )
            tails = pad_right(
                [[phrase[-1] for phrase in some] for some in demands.banned_phrases],
                device,
            )
        return cls(
            options.no_repeat_ngram_size,
            options.allow_unknown,
            demands.min_lengths,
            prefixes,
            heads,
            tails,
            demands.banned_strings,
        )

    @property
    def needs_tokens(self) -> bool:
        """Whether `apply` needs to know what was said."""
        return (
            self.no_repeat_ngram_size > 0
            or self.banned_prefixes is not None
            or self.banned_strings is not None
        )

    def select(self, sentences: Tensor) -> LogitsProcessors:
        """Keep these sentences, in this order."""

        def kept(part: Tensor | None) -> Tensor | None:
            return None if part is None else part[sentences]

        return self._replace(
            min_lengths=kept(self.min_lengths),
            prefixes=kept(self.prefixes),
            banned_prefixes=kept(self.banned_prefixes),
            banned_last_tokens=kept(self.banned_last_tokens),
            banned_strings=self.banned_strings
            and self.banned_strings.select(sentences),
        )

    def apply(self, log_probs: Tensor, history: Tensor | None, length: int) -> Tensor:
        """Rule out what must not come.

        Args:
            log_probs: What the model says, (R, V); may be written to.
            history: What each row has said, (R, length); may be None where
                `needs_tokens` is False.
            length: How many pieces that is.

        Returns:
            The same in single precision or better with -inf where a rule says no,
            (R, V).
        """
        masked = mask_special_tokens(log_probs)
        forced = self.forced(length, len(masked))
        if forced is not None:
            told = masked.gather(1, forced[:, None])
        if not self.allow_unknown:
            masked[:, UNK] = -math.inf
        if self.min_lengths is not None:
            early = self._rows(self.min_lengths, len(masked)) > length
            masked[:, EOS].masked_fill_(early, -math.inf)
        if self.no_repeat_ngram_size and length >= self.no_repeat_ngram_size:
            assert history is not None
            masked.scatter_(
                1, banned_ngram_tokens(history, self.no_repeat_ngram_size), -math.inf
            )
        if self.banned_prefixes is not None and self.banned_last_tokens is not None:
            assert history is not None
            # PAD, which is ruled out in any case, where a phrase is not about to end.
            heads = self._rows(self.banned_prefixes, len(masked))
            tails = self._rows(self.banned_last_tokens, len(masked))
            ends = suffix_matches(heads, last_tokens(history, heads.shape[-1]))
            masked.scatter_(1, tails.where(ends, PAD), -math.inf)
        if self.banned_strings is not None:
            assert history is not None
            masked.scatter_(1, self.banned_strings.completed_by(history), -math.inf)
        if forced is not None:
            bound = (forced != PAD)[:, None]
            masked.masked_fill_(bound, -math.inf)
            # At PAD, where no piece is told, -inf replaces -inf.
            masked.scatter_(1, forced[:, None], told)
        return masked

    def forced(self, length: int, rows: int) -> Tensor | None:
        """Return the next piece of each row's prefix, (R,), PAD where it is free."""
        if self.prefixes is None or length >= self.prefixes.shape[1]:
            return None
        return self._rows(self.prefixes[:, length], rows)

    def _rows(self, part: Tensor, rows: int) -> Tensor:
        """Give every row what its sentence has: (N, ...) to (R, ...)."""
        return part.repeat_interleave(rows // len(part), dim=0)


def last_tokens(history: Tensor, count: int) -> Tensor:
    """Return the last so many pieces, (R, count), NOTHING on the left of shorter ones.

    Args:
        history: What each row has said, (R, length).
        count: How many pieces to return.
    """
    length = history.shape[1]
    if length >= count:
        return history[:, length - count :]
    return torch.nn.functional.pad(history, (count - length, 0), value=NOTHING)


def pad_left(phrases: Sequence[Sequence[TokenIds]], device: torch.device) -> Tensor:
    """Lay the phrases of N sentences on the right, (N, most, longest).

    ANYTHING stands to the left of shorter ones and in the place of those missing.
    """
    most = max(map(len, phrases), default=0)
    longest = max((len(phrase) for some in phrases for phrase in some), default=0)
    filled = torch.full((len(phrases), most, longest), ANYTHING, device=device)
    for number, some in enumerate(phrases):
        for place, phrase in enumerate(some):
            if phrase:
                filled[number, place, -len(phrase) :] = torch.tensor(phrase)
    return filled


def suffix_matches(some: Tensor, said: Tensor) -> Tensor:
    """Tell which patterns the newest pieces end with, (R, P).

    Args:
        some: Patterns of each row, (R, P, length).
        said: The newest pieces of each row, (R, length).
    """
    return ((some == said[:, None]) | (some == ANYTHING)).all(dim=2)


def banned_ngram_tokens(history: Tensor, size: int) -> Tensor:
    """Return pieces that would complete an n-gram again, PAD in the other places.

    Args:
        history: What each row has said, (R, length), length at least size.
        size: n.
    """
    ngrams = history.unfold(1, size, 1)  # (R, length - n + 1, n)
    beginning = history[:, history.shape[1] - size + 1 :]
    again = (ngrams[..., :-1] == beginning[:, None]).all(dim=2)
    return ngrams[..., -1].where(again, PAD)
