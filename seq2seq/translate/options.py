"""Options and results of translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from seq2seq.errors import RecipeError, UserError
from seq2seq.recipe import Recipe, SearchOptions
from seq2seq.recipe.loader import read_recipe
from seq2seq.translate.batching import BATCH_SIZE, BUFFER_SIZE, FIRST_BUFFER_SIZE

if TYPE_CHECKING:
    from seq2seq.translate.alignment import Alignment


@dataclass(frozen=True)
class TranslationOptions:
    """Options of translation.

    Attributes:
        search: Search options; the recipe's search section if None.
        n_best: Maximal number of distinct translations of each line.
        batch_size: Maximal number of sentences in a batch.
        buffer_size: Maximal number of lines that are read before any is translated.
        first_buffer_size: Lines of the first buffer; each buffer has eight times as
            many as the one before.
        sentences: For lines of several sentences: split translates each sentence and
            joins the translations with the white space between them; keep translates
            the line at once. The run's default (`Translator.default_sentences`) if
            None.
        max_input_length: Maximal number of source tokens; the recipe's
            data.max_length, the maximum in training, if None.
        long_input: For what is longer, a sentence or a line that is kept: split
            translates segments, which end with sentences or clauses, and joins the
            translations; truncate drops the end.
        align: Whether to return word alignments.
        replace_unk: Whether an unknown token (UNK) of the translation is replaced by
            the source word that it is aligned with.
        mbr_samples: Samples of each line for minimum Bayes risk decoding; 0 disables
            it.
        mbr_metric: Its utility: sentence-level chrf or bleu.
        glossary: Terms of the source and the phrase that each requires in the
            translation of a sentence that has it, as `TermMatcher` finds them; needs
            beam search.
        return_scores: Whether scores are needed. Greedy search is faster without, and
            they and the confidence are NaN then.
        token_log_probs: Whether to return tokens and their log-probabilities.
        on_error: For lines that cannot be translated, such as one whose constraints
            cannot be satisfied: raise a UserError, so that no line is; or return a
            `Translation` with the error in the place of each. The other lines are
            translated as in a call without those that are refused before the search;
            lines without constraints never share a batch with lines that have some.

    Raises:
        UserError: If a number is out of range.
    """

    search: SearchOptions | None = None
    n_best: int = 1
    batch_size: int = BATCH_SIZE
    buffer_size: int = BUFFER_SIZE
    first_buffer_size: int = FIRST_BUFFER_SIZE
    sentences: Literal["split", "keep"] | None = None
    max_input_length: int | None = None
    long_input: Literal["split", "truncate"] = "split"
    align: bool = False
    replace_unk: bool = False
    mbr_samples: int = 0
    mbr_metric: Literal["chrf", "bleu"] = "chrf"
    glossary: Mapping[str, str] | None = None
    return_scores: bool = True
    token_log_probs: bool = False
    on_error: Literal["raise", "return"] = "raise"

    def __post_init__(self) -> None:
        for name in (
            "n_best",
            "batch_size",
            "buffer_size",
            "first_buffer_size",
            "max_input_length",
        ):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise UserError(f"{name} is {number}, but must be at least 1.")
        if self.sentences is not None:
            self._check_choice("sentences", "split", "keep")
        self._check_choice("long_input", "split", "truncate")
        self._check_choice("on_error", "raise", "return")
        self._check_choice("mbr_metric", "chrf", "bleu")
        if self.mbr_samples < 0:
            raise UserError(
                f"mbr_samples is {self.mbr_samples}, but must be at least 0."
            )
        if self.mbr_samples and self.n_best > self.mbr_samples:
            raise UserError(
                f"{self.n_best} translations of a line need as many samples, but there "
                f"are {self.mbr_samples}: draw more or ask for fewer."
            )

    def _check_choice(self, name: str, *choices: str) -> None:
        if (value := getattr(self, name)) not in choices:
            raise UserError(f"{name} is {value!r}, but must be {' or '.join(choices)}.")

    def require_texts_alone(self) -> None:
        """Check that a call that returns texts alone leaves nothing out.

        Raises:
            UserError: If an option has its effect on something else.
        """
        defaults = {f.name: f.default for f in fields(self)}
        for name in ("n_best", "align", "token_log_probs", "on_error"):
            if (value := getattr(self, name)) != defaults[name]:
                raise UserError(
                    f"{name} is {value!r}, which changes nothing where only texts are "
                    "returned. Call translator.translate_batch(lines, options), which "
                    "returns a Translation with scores and more for each line."
                )


def load_search_options(recipe: Recipe, overrides: Sequence[str]) -> SearchOptions:
    """Return a run's search options with overrides.

    Args:
        recipe: The run's recipe.
        overrides: `search.key=value` each; of two for one key the last wins.

    Raises:
        RecipeError: If a key or value is wrong, or a key is of another section.
    """
    resolved = read_recipe(recipe, overrides)
    assert isinstance(resolved, Recipe)
    for override in overrides:
        if override.partition("=")[0].split(".")[0].strip() != "search":
            raise RecipeError(
                f"-o {override}: a trained run keeps all but how it searches; override "
                "keys of search, such as search.length_penalty=0.6"
            )
    return resolved.search


@dataclass(frozen=True)
class TranslationHypothesis:
    """One translation of a line, with the fields of `--output-format jsonl`.

    Attributes:
        translation: The detokenized text, without line feeds.
        score: The search's score, by which hypotheses are ranked, or with MBR the mean
            utility, 0 to 100; the mean over the segments of a line that was split.
        confidence: Mean of the tokens' log-probabilities in nats, EOS included; with a
            shortlist they are relative to it, and with a language model its weighted
            log-probabilities are added.
        num_tokens: Number of its target tokens, without EOS.
        tokens: The target tokens as the tokenizer spells them, with the EOS of each
            segment unless the length limit cut it; None unless requested.
        token_log_probs: The log-probability of each of these, in nats, as forced
            decoding computes it; None unless requested.
    """

    translation: str
    score: float
    confidence: float
    num_tokens: int
    tokens: tuple[str, ...] | None = None
    token_log_probs: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Translation:
    """The translations of one line, and the fields of the best one.

    Attributes:
        n_best: Distinct translations, best first, but those that the length limit
            truncated after all others; none for a blank line, and after an error.
        alignment: The best translation's word alignment; None unless requested, and for
            a blank line.
        num_segments: Segments that were translated separately; 0 for a blank line.
        num_sentences: Sentences of the line; 0 for a blank line.
        truncated: Whether the line's end was dropped.
        error: Why the line was not translated, with on_error="return"; empty if it was.
    """

    n_best: tuple[TranslationHypothesis, ...] = ()
    alignment: Alignment | None = None
    num_segments: int = 0
    num_sentences: int = 0
    truncated: bool = False
    error: str = ""

    @property
    def translation(self) -> str:
        """The best translation; empty for a blank line."""
        return self.n_best[0].translation if self.n_best else ""

    @property
    def score(self) -> float | None:
        """The best translation's score; None for a blank line."""
        return self.n_best[0].score if self.n_best else None

    @property
    def confidence(self) -> float | None:
        """The best translation's confidence; None for a blank line."""
        return self.n_best[0].confidence if self.n_best else None

    @property
    def num_tokens(self) -> int:
        """The best translation's number of tokens; 0 for a blank line."""
        return self.n_best[0].num_tokens if self.n_best else 0

    @property
    def tokens(self) -> tuple[str, ...] | None:
        """The best translation's tokens; None for a blank line."""
        return self.n_best[0].tokens if self.n_best else None

    @property
    def token_log_probs(self) -> tuple[float, ...] | None:
        """Their log-probabilities; None for a blank line."""
        return self.n_best[0].token_log_probs if self.n_best else None
