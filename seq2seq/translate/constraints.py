"""What a line asks of its own translation, as text, and what that means in pieces.

Knows text and a tokenizer; not searches, files or networks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError
from seq2seq.recipe import SearchOptions
from seq2seq.search.banned_strings import BannedString, BannedStringTable
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.translate.options import TranslationOptions
from seq2seq.translate.token_strings import (
    compile_banned_string,
    is_word_char,
    token_lengths,
)
from seq2seq.types import UNK

_ALONE = "\ue000"  # No tokenizer has a piece for it, so none spans it.


@dataclass(frozen=True)
class TranslationRequest:
    """A line, and what its translation must begin with, hold and not hold.

    Upper and lower case count. A required phrase stands at the beginning of a word, and
    the word may go on: `Haus` is in `das Hauses`, not in `Rathaus`. A forbidden one
    stands nowhere, not within a word either. A blank at the end of a phrase says that
    the word ends there (`Haus `), and one before a forbidden phrase that a word begins
    there (` ein `). Languages without blanks between words have no such beginnings.

    Attributes:
        text: The line.
        prefix: How the translation begins; its last word may go on unless a blank
            follows.
        required: Phrases that it holds; needs beam search.
        forbidden: Phrases that it does not hold. The search leaves out every piece
            that ends with the last letter of one, so ` ein ` costs `einmal` where that
            is cut after `ein`.
        location: What an error message calls the line.
    """

    text: str
    prefix: str = ""
    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    location: str = "this line"

    def __post_init__(self) -> None:
        for name in ("required", "forbidden"):
            phrases = getattr(self, name)
            if not all(phrase.strip() for phrase in phrases):
                raise UserError(
                    f"{self.location}: a {name} phrase is blank; remove it."
                )

    @property
    def has_constraints(self) -> bool:
        """Whether it is more than a line."""
        return bool(self.prefix.strip() or self.required or self.forbidden)


class ConstraintPattern(NamedTuple):
    """A text that a translation is to hold or not.

    Attributes:
        text: The text as the tokenizer writes it.
        regex: What finds it in a translation.
    """

    text: str
    regex: re.Pattern[str]


@dataclass(frozen=True)
class TokenizedConstraints:
    """What a request means to one target tokenizer.

    Attributes:
        location: What an error message calls the line.
        prefix: The pieces that come first.
        required: The pieces of each required phrase.
        banned_strings: What must not be spelt.
        prefix_pattern: How the text begins.
        required_patterns: What stands in it.
        banned_patterns: What does not.
    """

    location: str
    prefix: tuple[int, ...]
    required: tuple[tuple[int, ...], ...]
    banned_strings: tuple[BannedString, ...]
    prefix_pattern: ConstraintPattern
    required_patterns: tuple[ConstraintPattern, ...]
    banned_patterns: tuple[ConstraintPattern, ...]

    def violation(self, text: str) -> str:
        """Say what was asked of a translation and is not so; empty if all is."""
        if not self.prefix_pattern.regex.match(text):
            return f"begins with {self.prefix_pattern.text!r}"
        missing = [
            each.text for each in self.required_patterns if not each.regex.search(text)
        ]
        if missing:
            return "holds " + ", ".join(map(repr, missing))
        found = [each.text for each in self.banned_patterns if each.regex.search(text)]
        return "lacks " + ", ".join(map(repr, found)) if found else ""

    def unsatisfied_error(self, fault: str) -> UserError:
        """Say that the search found nothing without this fault."""
        return UserError(
            f"{self.location}: no translation was found that {fault} and all else that "
            "is "
            "asked of it. Ask for less, widen the beam, or raise "
            "search.max_length_ratio."
        )

    def check_fits(self, limit: int, *, forced: bool) -> None:
        """Check that what must be said can be.

        Args:
            limit: The most pieces of the translation.
            forced: Whether required phrases count.

        Raises:
            InputError: If it has more pieces.
        """
        pieces = len(self.prefix)
        if forced:
            pieces += sum(map(len, set(self.required)))
        if pieces > limit:
            raise UserError(
                f"{self.location}: prefix and required phrases have {pieces} pieces, "
                "but "
                f"the translation of this line may have at most {limit}. Ask for less "
                "or raise search.max_length_ratio."
            )


def tokenize_constraints(
    request: TranslationRequest, target: Tokenizer, *, spaced: bool
) -> TokenizedConstraints:
    """Turn text into pieces and shapes.

    Args:
        request: What is asked; not nothing.
        target: The target side's tokenizer.
        spaced: Whether the target language has blanks between words.

    Raises:
        InputError: If the target side cannot write something, or what is forbidden
            stands in what is required.
    """
    place = request.location
    start = _written(request.prefix, target, place, within=False)
    begins = ConstraintPattern(
        start.text, _shape(start.text, ends=_ends(request.prefix))
    )
    written = [
        _written(phrase, target, place, within=not spaced)
        for phrase in request.required
    ]
    holds = tuple(
        ConstraintPattern(
            each.text, _shape(each.text, begins=spaced, ends=_ends(phrase))
        )
        for each, phrase in zip(written, request.required, strict=True)
    )
    spellings = []
    lacks = []
    for phrase in request.forbidden:
        text = " ".join(phrase.split())
        marks = {"begins": phrase[:1].isspace(), "ends": _ends(phrase)}
        shape = _shape(text, **marks)
        for other in (begins, *holds):
            if shape.search(other.text):
                raise UserError(
                    f"{place}: {text!r} is forbidden, but stands in {other.text!r}, "
                    "which is asked for. Remove one of them."
                )
        lacks.append(ConstraintPattern(text, shape))
        spellings.append(compile_banned_string(target, text, **marks))
    # A word that must end is one that must not go on.
    for text, phrase in [
        (start.text, request.prefix),
        *zip((each.text for each in written), request.required, strict=True),
    ]:
        if _ends(phrase) and is_word_char(text[-1:]):
            spellings.append(
                compile_banned_string(target, text, begins=False, goes_on=True)
            )
    return TokenizedConstraints(
        place,
        start.ids,
        tuple(each.ids for each in written),
        tuple(spellings),
        begins,
        holds,
        tuple(lacks),
    )


def check_supported(
    request: TranslationRequest,
    parts: int,
    search: SearchOptions,
    options: TranslationOptions,
) -> None:
    """Check that a request goes together with how lines are translated.

    Args:
        request: What is asked.
        parts: In how many parts the line is translated; 0 of a blank one.
        search: How pieces are chosen.
        options: How lines are translated.

    Raises:
        InputError: If it does not.
    """
    wrong = ""
    if request.required and search.method == "sample":
        wrong = "samples hold no required phrases; use beam search"
    elif request.required and search.num_beam_groups > 1:
        wrong = (
            "required phrases and search.num_beam_groups both give out the beam's "
            "places; use "
            "one of them"
        )
    elif options.replace_unknown:
        wrong = (
            "words that are copied for unknown pieces are not chosen by the search, so "
            "nothing can be asked of them; leave out --replace-unknown"
        )
    elif parts > 1:
        wrong = (
            f"it is translated in {parts} parts, but only a line that is translated "
            "whole can ask for something; raise --max-length or split it"
        )
    elif not parts and (request.prefix.strip() or request.required):
        wrong = "a blank line has a blank translation; ask nothing of it"
    if wrong:
        raise UserError(f"{request.location}: {wrong}.")


def add_constraints(
    demands: DecodingConstraints,
    wishes: Sequence[TokenizedConstraints | None],
    forced: Sequence[bool],
    target: Tokenizer,
) -> DecodingConstraints:
    """Add what is wished of each sentence, and force required phrases where said.

    Raises:
        InputError: If one has no room for that.
    """
    limits: list[int] = demands.max_lengths.tolist()
    for wish, must, limit in zip(wishes, forced, limits, strict=True):
        if wish:
            wish.check_fits(limit, forced=must)
    letters = token_lengths(target).to(demands.max_lengths.device)
    return replace(
        demands,
        prefixes=[wish.prefix if wish else () for wish in wishes],
        required_phrases=[
            wish.required if wish and must else ()
            for wish, must in zip(wishes, forced, strict=True)
        ],
        banned_strings=BannedStringTable.of(
            [wish.banned_strings if wish else () for wish in wishes], letters
        ),
    )


class _Written(NamedTuple):
    text: str
    ids: tuple[int, ...]


def _written(phrase: str, target: Tokenizer, place: str, *, within: bool) -> _Written:
    """Cut a phrase, as the beginning of a word or as what may stand within text."""
    ids = target.encode([_ALONE + phrase if within else phrase])[0]
    if within:
        ids = ids[ids.index(UNK) + 1 :] if UNK in ids else []
    if UNK in ids or (phrase.strip() and not ids):
        raise UserError(
            f"{place}: {phrase!r} is asked for, but the target side has no pieces for "
            "some of its letters. Ask for something that the training data could hold."
        )
    return _Written(target.decode([ids])[0].strip(), tuple(ids))


def _ends(phrase: str) -> bool:
    return phrase[-1:].isspace()


def _shape(text: str, *, begins: bool = False, ends: bool = False) -> re.Pattern[str]:
    """Find a text; with marks only where a word begins or ends with it."""
    before = r"(?<!\w)" if begins and is_word_char(text[:1]) else ""
    after = r"(?!\w)" if ends and is_word_char(text[-1:]) else ""
    return re.compile(before + re.escape(text) + after)
