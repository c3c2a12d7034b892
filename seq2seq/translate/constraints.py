"""What a line asks of its own translation, as text, and what that means in pieces.

Knows text and a tokenizer; not searches, files or networks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import InputError
from seq2seq.recipe import SearchOptions
from seq2seq.search.banned_strings import Spelling, Spellings
from seq2seq.search.constraints import Demands
from seq2seq.translate.options import Options
from seq2seq.translate.token_strings import in_word, letter_counts, spelling
from seq2seq.types import UNK

_ALONE = "\ue000"  # No tokenizer has a piece for it, so none spans it.


@dataclass(frozen=True)
class Request:
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
        place: What an error message calls the line.
    """

    text: str
    prefix: str = ""
    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    place: str = "this line"

    def __post_init__(self) -> None:
        for name in ("required", "forbidden"):
            phrases = getattr(self, name)
            if not all(phrase.strip() for phrase in phrases):
                raise InputError(f"{self.place}: a {name} phrase is blank; remove it.")

    @property
    def asks(self) -> bool:
        """Whether it is more than a line."""
        return bool(self.prefix.strip() or self.required or self.forbidden)


class Phrase(NamedTuple):
    """A text that a translation is to hold or not.

    Attributes:
        text: The text as the tokenizer writes it.
        shape: What finds it in a translation.
    """

    text: str
    shape: re.Pattern[str]


@dataclass(frozen=True)
class Wish:
    """What a request means to one target tokenizer.

    Attributes:
        place: What an error message calls the line.
        prefix: The pieces that come first.
        required: The pieces of each required phrase.
        spellings: What must not be spelt.
        begins: How the text begins.
        holds: What stands in it.
        lacks: What does not.
    """

    place: str
    prefix: tuple[int, ...]
    required: tuple[tuple[int, ...], ...]
    spellings: tuple[Spelling, ...]
    begins: Phrase
    holds: tuple[Phrase, ...]
    lacks: tuple[Phrase, ...]

    def fault(self, text: str) -> str:
        """Say what was asked of a translation and is not so; empty if all is."""
        if not self.begins.shape.match(text):
            return f"begins with {self.begins.text!r}"
        missing = [each.text for each in self.holds if not each.shape.search(text)]
        if missing:
            return "holds " + ", ".join(map(repr, missing))
        found = [each.text for each in self.lacks if each.shape.search(text)]
        return "lacks " + ", ".join(map(repr, found)) if found else ""

    def not_met(self, fault: str) -> InputError:
        """Say that the search found nothing without this fault."""
        return InputError(
            f"{self.place}: no translation was found that {fault} and all else that is "
            "asked of it. Ask for less, widen the beam, or raise "
            "search.max_length_ratio."
        )

    def require_room(self, limit: int, *, forced: bool) -> None:
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
            raise InputError(
                f"{self.place}: prefix and required phrases have {pieces} pieces, but "
                f"the translation of this line may have at most {limit}. Ask for less "
                "or raise search.max_length_ratio."
            )


def understand(request: Request, target: Tokenizer, *, spaced: bool) -> Wish:
    """Turn text into pieces and shapes.

    Args:
        request: What is asked; not nothing.
        target: The target side's tokenizer.
        spaced: Whether the target language has blanks between words.

    Raises:
        InputError: If the target side cannot write something, or what is forbidden
            stands in what is required.
    """
    place = request.place
    start = _written(request.prefix, target, place, within=False)
    begins = Phrase(start.text, _shape(start.text, ends=_ends(request.prefix)))
    written = [
        _written(phrase, target, place, within=not spaced)
        for phrase in request.required
    ]
    holds = tuple(
        Phrase(each.text, _shape(each.text, begins=spaced, ends=_ends(phrase)))
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
                raise InputError(
                    f"{place}: {text!r} is forbidden, but stands in {other.text!r}, "
                    "which is asked for. Remove one of them."
                )
        lacks.append(Phrase(text, shape))
        spellings.append(spelling(target, text, **marks))
    # A word that must end is one that must not go on.
    for text, phrase in [
        (start.text, request.prefix),
        *zip((each.text for each in written), request.required, strict=True),
    ]:
        if _ends(phrase) and in_word(text[-1:]):
            spellings.append(spelling(target, text, begins=False, goes_on=True))
    return Wish(
        place,
        start.ids,
        tuple(each.ids for each in written),
        tuple(spellings),
        begins,
        holds,
        tuple(lacks),
    )


def require_possible(
    request: Request, parts: int, search: SearchOptions, options: Options
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
    elif request.required and search.groups > 1:
        wrong = (
            "required phrases and search.groups both give out the beam's places; use "
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
        raise InputError(f"{request.place}: {wrong}.")


def with_wishes(
    demands: Demands,
    wishes: Sequence[Wish | None],
    forced: Sequence[bool],
    target: Tokenizer,
) -> Demands:
    """Add what is wished of each sentence, and force required phrases where said.

    Raises:
        InputError: If one has no room for that.
    """
    limits: list[int] = demands.max_lengths.tolist()
    for wish, must, limit in zip(wishes, forced, limits, strict=True):
        if wish:
            wish.require_room(limit, forced=must)
    letters = letter_counts(target).to(demands.max_lengths.device)
    return replace(
        demands,
        prefixes=[wish.prefix if wish else () for wish in wishes],
        required=[
            wish.required if wish and must else ()
            for wish, must in zip(wishes, forced, strict=True)
        ],
        spellings=Spellings.of(
            [wish.spellings if wish else () for wish in wishes], letters
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
        raise InputError(
            f"{place}: {phrase!r} is asked for, but the target side has no pieces for "
            "some of its letters. Ask for something that the training data could hold."
        )
    return _Written(target.decode([ids])[0].strip(), tuple(ids))


def _ends(phrase: str) -> bool:
    return phrase[-1:].isspace()


def _shape(text: str, *, begins: bool = False, ends: bool = False) -> re.Pattern[str]:
    """Find a text; with marks only where a word begins or ends with it."""
    before = r"(?<!\w)" if begins and in_word(text[:1]) else ""
    after = r"(?!\w)" if ends and in_word(text[-1:]) else ""
    return re.compile(before + re.escape(text) + after)
