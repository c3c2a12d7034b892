"""What is asked of a translator, and what it gives. Knows values; not how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seq2seq.errors import RecipeError, UserError
from seq2seq.recipe import SearchOptions
from seq2seq.recipe.loader import read_recipe
from seq2seq.translate.batching import BATCH, FIRST, WINDOW

if TYPE_CHECKING:
    from seq2seq.translate.alignment import Alignment


@dataclass(frozen=True)
class TranslationOptions:
    """How lines are translated.

    Attributes:
        search: How pieces are chosen; the recipe's search section if None.
        n_best: Different translations to give of each line, at most.
        batch: Sentences that share a batch, at most.
        window: Lines that are read before the next are translated, at most.
        first: Lines of the first window; each has eight times as many as the one
            before.
        max_length: Source pieces above which a line is too long; the recipe's
            data.max_length, above which no sentence was trained on, if None.
        long: split takes lines that are too long apart at the ends of sentences or
            clauses and joins the translations; cut drops what is too much.
        align: Whether to say which words belong together.
        replace_unknown: Whether a piece that the target side cannot write becomes the
            source word that it is aligned with.
        mbr: How many samples to draw of each line, to choose the one that is on average
            most like all of them; 0 does not.
        utility: How alike they are: chrf or bleu.
        scored: Whether scores are read; greedy search is faster without, and they are
            NaN then.

    Raises:
        InputError: If a number is out of range.
    """

    search: SearchOptions | None = None
    n_best: int = 1
    batch: int = BATCH
    window: int = WINDOW
    first: int = FIRST
    max_length: int | None = None
    long: Literal["split", "cut"] = "split"
    align: bool = False
    replace_unknown: bool = False
    mbr: int = 0
    utility: Literal["chrf", "bleu"] = "chrf"
    scored: bool = True

    def __post_init__(self) -> None:
        for name in ("n_best", "batch", "window", "first", "max_length"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise UserError(f"{name} is {number}, but must be at least 1.")
        if self.long not in ("split", "cut"):
            raise UserError(f"long is {self.long!r}, but must be split or cut.")
        if self.mbr < 0:
            raise UserError(f"mbr is {self.mbr}, but must be at least 0.")
        if self.utility not in ("chrf", "bleu"):
            raise UserError(f"utility is {self.utility!r}, but must be chrf or bleu.")
        if self.mbr and self.n_best > self.mbr:
            raise UserError(
                f"{self.n_best} translations of a line need as many samples, but there "
                f"are {self.mbr}: draw more or ask for fewer."
            )


def load_search_options(recipe: Path, overrides: Sequence[str]) -> SearchOptions:
    """Read how a run searches, with some keys changed.

    Args:
        recipe: The run's recipe.yaml.
        overrides: `search.key=value` each; of two for one key the last wins.

    Raises:
        RecipeError: If a key or value is wrong, or a key is of another section.
    """
    found = read_recipe(str(recipe), overrides).search
    for override in overrides:
        if override.partition("=")[0].split(".")[0].strip() != "search":
            raise RecipeError(
                f"-o {override}: a trained run keeps all but how it searches; override "
                "keys of search, such as search.length_penalty=0.6"
            )
    return found


@dataclass(frozen=True)
class TranslationHypothesis:
    """One way to translate a line.

    Attributes:
        text: The translation, without line ends.
        score: What the search ranked it by, or with mbr its mean utility, from 0 to
            100; the mean over its parts of a line that was split.
        num_tokens: How many pieces it has.
    """

    text: str
    score: float
    num_tokens: int


@dataclass(frozen=True)
class Translation:
    """What became of one line.

    Attributes:
        candidates: The best translations, all different, best first, but those that the
            length limit cut off after all others; none of a blank line.
        alignment: Which words of the best one belong to which of the source; None
            unless it was asked for, or the line is blank.
        parts: In how many parts it was translated; 0 of a blank line.
        cut: Whether its end was dropped.
    """

    candidates: tuple[TranslationHypothesis, ...] = ()
    alignment: Alignment | None = None
    parts: int = 0
    cut: bool = False

    @property
    def text(self) -> str:
        """The best translation; empty of a blank line."""
        return self.candidates[0].text if self.candidates else ""

    @property
    def score(self) -> float | None:
        """The best translation's score; None of a blank line."""
        return self.candidates[0].score if self.candidates else None
