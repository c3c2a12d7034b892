"""Constraints on the translations of a batch: lengths, prefixes, phrases, strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.banned_strings import BannedStringTable
from seq2seq.search.lexical_constraints import (
    BannedPhrases,
    PhraseConstraints,
    TokenIds,
    pad_right,
)
from seq2seq.types import BOS, EOS, PAD


@dataclass(frozen=True, kw_only=True)
class DecodingConstraints:
    """The constraints of N sentences, as every search applies them.

    Tensors lie on the step function's device. A field is None where no sentence has a
    constraint of its kind. A banned phrase or string may still come in a prefix or a
    required phrase.

    Attributes:
        max_lengths: Maximum number of tokens, EOS not counted, at least 1, (N,).
        min_lengths: Minimum number of tokens, (N,).
        source_lengths: Source tokens of each sentence, (N,), as attention sees them;
            needed for the coverage penalty alone.
        prefixes: The tokens that each translation begins with, (N, length), PAD where
            decoding is free.
        required_phrases: Token sequences that each translation must contain.
        banned_phrases: Token sequences that no translation may contain.
        banned_strings: Strings that no translation may spell, however tokenized.
    """

    max_lengths: Tensor
    min_lengths: Tensor | None = None
    source_lengths: Tensor | None = None
    prefixes: Tensor | None = None
    required_phrases: PhraseConstraints | None = None
    banned_phrases: BannedPhrases | None = None
    banned_strings: BannedStringTable | None = None

    @classmethod
    def from_length_ratio(
        cls, source_lengths: Tensor, options: SearchOptions
    ) -> DecodingConstraints:
        """Limit the lengths of translations by those of their sources.

        Args:
            source_lengths: Source tokens of each sentence, (N,), on the step
                function's device.
            options: The recipe's search section: max_length_ratio times the source
                length and 10 more tokens at most, min_length_ratio times at least.
        """
        min_lengths = None
        if options.min_length_ratio:
            min_lengths = (source_lengths * options.min_length_ratio).long()  # (N,)
        return cls(
            max_lengths=(source_lengths * options.max_length_ratio).long() + 10,
            min_lengths=min_lengths,
            source_lengths=source_lengths,
        )

    def with_tokens(
        self,
        *,
        prefixes: Sequence[TokenIds] = (),
        required_phrases: Sequence[Sequence[TokenIds]] = (),
        banned_phrases: Sequence[Sequence[TokenIds]] = (),
        banned_strings: BannedStringTable | None = None,
    ) -> DecodingConstraints:
        """Return the same lengths with these prefixes, phrases and strings.

        Args:
            prefixes: What each of N translations begins with; none at all if empty,
                like the next two.
            required_phrases: What each translation contains. Phrases may overlap, one
                may lie within another, and one that is given twice need come only once.
            banned_phrases: What no translation contains.
            banned_strings: What no translation spells.

        Raises:
            ValueError: If an argument is not of N sentences, a token is not one of
                text, or what is required does not fit into max_lengths.
        """
        limits = self.validate()
        phrases = {
            "prefixes": prefixes,
            "required_phrases": required_phrases,
            "banned_phrases": banned_phrases,
        }
        for name, values in phrases.items():
            if len(values) not in (0, len(limits)):
                raise ValueError(
                    f"{name} has {len(values)} places for {len(limits)} sentences; "
                    "give one to each, or none at all."
                )
        if not all(chain(*required_phrases, *banned_phrases)):
            raise ValueError("a required or banned phrase has no tokens.")
        check_tokens([*chain(*required_phrases, *banned_phrases), *prefixes])
        num_tokens = [0] * len(limits)
        for number, prefix in enumerate(prefixes):
            num_tokens[number] += len(prefix)
        for number, required in enumerate(required_phrases):
            num_tokens[number] += sum(map(len, set(map(tuple, required))))
        for number, (count, limit) in enumerate(zip(num_tokens, limits, strict=True)):
            if count > limit:
                raise ValueError(
                    f"prefix and required phrases of sentence {number} have {count} "
                    f"tokens, but its translation may have at most {limit}. Require "
                    "less or raise max_lengths."
                )
        device = self.max_lengths.device
        return replace(
            self,
            prefixes=pad_right(prefixes, device) if any(prefixes) else None,
            required_phrases=PhraseConstraints.of(required_phrases, device),
            banned_phrases=BannedPhrases.of(banned_phrases, device),
            banned_strings=banned_strings,
        )

    def select(self, sentences: Tensor) -> DecodingConstraints:
        """Keep these sentences, in this order; a sentence may come twice."""

        def selected(value: Any) -> Any:
            return (
                value[sentences]
                if isinstance(value, Tensor)
                else value.select(sentences)
            )

        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return DecodingConstraints(
            **{name: selected(v) for name, v in values.items() if v is not None}
        )

    def forced_tokens(self, length: int, num_rows: int) -> Tensor | None:
        """Return the prefix token at this position, (R,), PAD for rows that are free.

        Args:
            length: Tokens of each row so far.
            num_rows: R, a multiple of N.
        """
        if self.prefixes is None or length >= self.prefixes.shape[1]:
            return None
        return per_row(self.prefixes[:, length], num_rows)

    def constrained_tokens(self) -> list[list[int]]:
        """Return the tokens in each sentence's prefix and required phrases.

        Empty where no sentence has any.
        """
        parts = [] if self.prefixes is None else [self.prefixes]
        if self.required_phrases is not None:
            parts.append(self.required_phrases.tokens.flatten(1))
        if not parts:
            return []
        rows = torch.cat(parts, dim=1).tolist()
        return [[token for token in row if token != PAD] for row in rows]

    def validate(self) -> list[int]:
        """Return the maximum lengths as numbers.

        Raises:
            ValueError: If a length is out of range, or there is not one of each kind
                for each sentence.
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
                "at least 1 token."
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
        return limits


def check_tokens(sequences: Sequence[TokenIds]) -> None:
    """Check that all tokens are tokens of text.

    Raises:
        ValueError: If one is PAD, BOS, EOS or negative.
    """
    for token in chain(*sequences):
        if token in (PAD, BOS, EOS) or token < 0:
            raise ValueError(
                f"token {token} is required or banned, but only tokens of text can be: "
                "not padding, begin or end of sentence."
            )


def per_row(values: Tensor, num_rows: int) -> Tensor:
    """Repeat what each sentence has for each of its rows: (N, ...) to (R, ...)."""
    return values.repeat_interleave(num_rows // len(values), dim=0)
