"""Lexical constraints of one line: prefix, required and forbidden phrases.

`TranslationRequest` holds them as text, `TokenizedConstraints` as token ids and regular
expressions, and `add_constraints` adds them to a batch's `DecodingConstraints`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from seq2seq.data.sentences import split_sentences
from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError, require_list
from seq2seq.recipe import SearchOptions
from seq2seq.search.banned_strings import BannedString, BannedStringTable
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.translate.options import TranslationOptions
from seq2seq.translate.token_strings import (
    compile_banned_string,
    token_lengths,
)
from seq2seq.types import UNK
from seq2seq.utils.word_characters import MARKS, is_word_character

UNKNOWN_LOCATION = "this line"

AT_ONCE = (
    "--sentences keep or a greater --max-input-length; in Python sentences='keep' or "
    "max_input_length"
)

_NOT_IN_VOCABULARY = "\ue000"  # No tokenizer has a token with it, so none spans it.


@dataclass(frozen=True)
class TranslationRequest:
    """A line with lexical constraints on its translation.

    Matching is case-sensitive. A required phrase begins where a word begins, and the
    word may continue: `Haus` matches in `das Hauses`, not in `Rathaus`. A forbidden
    phrase matches anywhere, also within a word. A blank at the end of a phrase means
    that the word ends there (`Haus `), and one before a forbidden phrase that a word
    begins there (` ein `). In languages without blanks between words, required phrases
    match anywhere.

    Attributes:
        text: The source line.
        prefix: Beginning of the translation; its last word may continue unless a blank
            follows.
        required: Phrases that the translation must contain; needs beam search.
        forbidden: Phrases that it must not contain. The search bans every token that
            completes one, so ` ein ` costs `einmal` where that is tokenized after
            `ein`.
        location: The line's name in error messages.

    Raises:
        UserError: If a phrase is blank.
    """

    text: str
    prefix: str = ""
    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    location: str = UNKNOWN_LOCATION

    def __post_init__(self) -> None:
        for name in ("required", "forbidden"):
            phrases = getattr(self, name)
            require_list(phrases, f"{self.location}: {name}")
            if not all(phrase.strip() for phrase in phrases):
                raise UserError(
                    f"{self.location}: a {name} phrase is blank; remove it."
                )

    @property
    def has_constraints(self) -> bool:
        """Whether there is any constraint."""
        return bool(self.prefix.strip() or self.required or self.forbidden)


class ConstraintPattern(NamedTuple):
    """A constraint as text.

    Attributes:
        text: The phrase, normalised as the tokenizer decodes it.
        regex: Matches it in a detokenized translation.
    """

    text: str
    regex: re.Pattern[str]


_NONE = ConstraintPattern("", re.compile(""))


@dataclass(frozen=True)
class TokenizedConstraints:
    """The constraints of a request for one target tokenizer.

    Attributes:
        location: The line's name in error messages.
        prefix: Token ids of the prefix.
        required: Token ids of each required phrase.
        banned_strings: Strings that no translation may spell.
        prefix_pattern: Matches the prefix.
        required_patterns: Match the required phrases.
        banned_patterns: Match the forbidden phrases.
    """

    location: str
    prefix: tuple[int, ...]
    required: tuple[tuple[int, ...], ...]
    banned_strings: tuple[BannedString, ...]
    prefix_pattern: ConstraintPattern
    required_patterns: tuple[ConstraintPattern, ...]
    banned_patterns: tuple[ConstraintPattern, ...]

    def violation(self, text: str) -> str:
        """Return the constraint that a translation violates; empty if none.

        It is a predicate of valid translations, such as "contains 'Haus'".
        """
        if not self.prefix_pattern.regex.match(text):
            return f"begins with {self.prefix_pattern.text!r}"
        missing = [p.text for p in self.required_patterns if not p.regex.search(text)]
        if missing:
            return "contains " + ", ".join(map(repr, missing))
        banned = [p.text for p in self.banned_patterns if p.regex.search(text)]
        return "avoids " + ", ".join(map(repr, banned)) if banned else ""

    def of_segment(self, index: int) -> TokenizedConstraints:
        """Return what of them holds for a line's segment: the first has the prefix."""
        return self if index == 0 else replace(self, prefix=(), prefix_pattern=_NONE)

    def banned_span(self, text: str) -> tuple[int, int] | None:
        """Return where the text has a forbidden phrase; None if it has none."""
        matches = (pattern.regex.search(text) for pattern in self.banned_patterns)
        return next((match.span() for match in matches if match), None)

    def unsatisfied_error(self, violation: str) -> UserError:
        """Return the error for a search without any valid hypothesis."""
        return UserError(
            f"{self.location}: no translation was found that {violation} and satisfies "
            "all other constraints. Remove some, widen the beam, or raise "
            "search.max_length_ratio."
        )

    def check_fits(self, max_length: int, *, force_required: bool) -> None:
        """Check that the constraints fit into the longest translation.

        Args:
            max_length: Maximal number of target tokens.
            force_required: Whether required phrases count.

        Raises:
            UserError: If they have more tokens.
        """
        num_tokens = len(self.prefix)
        if force_required:
            num_tokens += sum(map(len, set(self.required)))
        if num_tokens > max_length:
            raise UserError(
                f"{self.location}: prefix and required phrases have {num_tokens} "
                f"tokens, but the translation of this line may have at most "
                f"{max_length}. Shorten them or raise search.max_length_ratio."
            )


def tokenize_constraints(
    request: TranslationRequest, target: Tokenizer, *, spaced: bool
) -> TokenizedConstraints:
    """Tokenize the constraints of a request and compile their patterns.

    Args:
        request: A request with constraints.
        target: The target side's tokenizer.
        spaced: Whether the target language has blanks between words.

    Raises:
        UserError: If a phrase has unknown tokens, or a forbidden phrase is part of a
            required one or of the prefix.
    """
    # The prefix comes first, then the required phrases.
    phrases = [request.prefix, *request.required]
    tokenized = [
        _tokenize(phrase, target, request.location, within_text=rank > 0 and not spaced)
        for rank, phrase in enumerate(phrases)
    ]
    patterns = tuple(
        ConstraintPattern(
            text,
            _compile(
                text, word_start=spaced and rank > 0, word_end=phrase[-1:].isspace()
            ),
        )
        for rank, ((text, _), phrase) in enumerate(zip(tokenized, phrases, strict=True))
    )
    banned_strings = []
    banned_patterns = []
    for phrase in request.forbidden:
        text = " ".join(phrase.split())
        word_start, word_end = phrase[:1].isspace(), phrase[-1:].isspace()
        regex = _compile(text, word_start=word_start, word_end=word_end)
        for pattern in patterns:
            if regex.search(pattern.text):
                raise UserError(
                    f"{request.location}: {text!r} is forbidden, but part of "
                    f"{pattern.text!r}, which is required. Remove one of them."
                )
        banned_patterns.append(ConstraintPattern(text, regex))
        banned_strings.append(
            compile_banned_string(
                target, text, word_start=word_start, word_end=word_end
            )
        )
    # A word that must end is one that must not continue.
    for (text, _), phrase in zip(tokenized, phrases, strict=True):
        if phrase[-1:].isspace() and is_word_character(text[-1:]):
            banned_strings.append(
                compile_banned_string(target, text, word_continues=True)
            )
    return TokenizedConstraints(
        location=request.location,
        prefix=tokenized[0][1],
        required=tuple(ids for _, ids in tokenized[1:]),
        banned_strings=tuple(banned_strings),
        prefix_pattern=patterns[0],
        required_patterns=patterns[1:],
        banned_patterns=tuple(banned_patterns),
    )


def check_options(
    request: TranslationRequest, search: SearchOptions, options: TranslationOptions
) -> None:
    """Check that a call's options support a request's constraints.

    Raises:
        UserError: If they do not, whatever the line.
    """
    problem = ""
    if request.required and search.method == "sample":
        problem = "sampling supports no required phrases; use beam search"
    elif request.required and search.num_beam_groups > 1:
        problem = (
            "required phrases and search.num_beam_groups both partition the beam; use "
            "one of them"
        )
    elif options.replace_unk:
        problem = (
            "words that are copied for unknown tokens are not chosen by the search, so "
            "they cannot be constrained; leave out --replace-unk (in Python "
            "replace_unk)"
        )
    if problem:
        raise UserError(f"{request.location}: {problem}.")


def check_segments(
    request: TranslationRequest, num_segments: int, language: str
) -> None:
    """Check that a line's segments support its constraints.

    Args:
        request: A request with constraints.
        num_segments: Segments that the line is split into; 0 for a blank line.
        language: The target language.

    Raises:
        UserError: If they do not.
    """
    problem = ""
    if num_segments > 1 and request.required:
        problem = (
            f"it is translated in {num_segments} segments, and which of them is to "
            "contain the required phrases is not known; make a line of each sentence, "
            f"or translate this one at once ({AT_ONCE})"
        )
    elif num_segments > 1 and len(split_sentences(request.prefix, language)) > 1:
        problem = (
            f"it is translated in {num_segments} segments, and its prefix has more "
            "than one sentence; make a line of each sentence, or translate this one at "
            f"once ({AT_ONCE})"
        )
    elif not num_segments and (request.prefix.strip() or request.required):
        problem = "a blank line has a blank translation; remove its constraints"
    if problem:
        raise UserError(f"{request.location}: {problem}.")


def add_constraints(
    batch: DecodingConstraints,
    constraints: Sequence[TokenizedConstraints | None],
    force_required: Sequence[bool],
    target: Tokenizer,
) -> DecodingConstraints:
    """Add lexical constraints to the length limits of a batch.

    Args:
        batch: Length limits of N sentences.
        constraints: The constraints of each sentence, N.
        force_required: Whether its required phrases are inserted by the search, N.
        target: The target side's tokenizer.
    """
    lengths = token_lengths(target).to(batch.max_lengths.device)  # (V,)
    return batch.with_tokens(
        prefixes=[sentence.prefix if sentence else () for sentence in constraints],
        required_phrases=[
            sentence.required if sentence and force else ()
            for sentence, force in zip(constraints, force_required, strict=True)
        ],
        banned_strings=BannedStringTable.of(
            [sentence.banned_strings if sentence else () for sentence in constraints],
            lengths,
        ),
    )


def _tokenize(
    phrase: str, target: Tokenizer, location: str, *, within_text: bool
) -> tuple[str, tuple[int, ...]]:
    """Return a phrase's normalised text and token ids.

    Args:
        phrase: The phrase.
        target: The target side's tokenizer.
        location: The line's name in error messages.
        within_text: Whether the phrase may continue a word; else it begins one.
    """
    ids = target.encode([_NOT_IN_VOCABULARY + phrase if within_text else phrase])[0]
    if within_text:
        ids = ids[ids.index(UNK) + 1 :] if UNK in ids else []
    if UNK in ids or (phrase.strip() and not ids):
        raise UserError(
            f"{location}: {phrase!r} is required, but the target vocabulary has no "
            "tokens for some of its characters. Use text that the training data could "
            "contain."
        )
    return target.decode([ids])[0].strip(), tuple(ids)


def _compile(text: str, *, word_start: bool, word_end: bool) -> re.Pattern[str]:
    """Compile a phrase, with word boundaries where words begin or end with it."""
    before = rf"(?<![\w{MARKS}])" if word_start and is_word_character(text[:1]) else ""
    after = rf"(?![\w{MARKS}])" if word_end and is_word_character(text[-1:]) else ""
    return re.compile(before + re.escape(text) + after)
