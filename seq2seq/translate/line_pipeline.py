"""Lines to translations in three stages: segment, search, join.

`Translator.translate_batch` runs them one after another; a server searches for segments
of several clients at once, in an order of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import replace
from typing import TYPE_CHECKING

from seq2seq.errors import UserError
from seq2seq.search.watcher import SearchWatcher
from seq2seq.translate import mbr
from seq2seq.translate.batch_search import BatchSearcher
from seq2seq.translate.constraints import (
    UNKNOWN_LOCATION,
    TranslationRequest,
    check_options,
    check_segments,
    tokenize_constraints,
)
from seq2seq.translate.glossary import TermMatcher
from seq2seq.translate.input_splitting import (
    LineSegmenter,
    Segment,
    SegmentedLine,
    is_spaced,
)
from seq2seq.translate.joining import SegmentJoiner, require_attention
from seq2seq.translate.options import Translation, TranslationOptions
from seq2seq.types import Hypothesis
from seq2seq.utils.text import has_surrogate

if TYPE_CHECKING:
    from seq2seq.translate.translator import Translator


class LinePipeline:
    """The stages of translating lines, for one translator and its options.

    Args:
        translator: The translator.
        options: Translation options.
        watcher: Receives every step of beam search, if any.

    Attributes:
        search_options: The search's, of the options or else of the recipe.
        segment: Splits lines without lone surrogates into segments.

    Raises:
        UserError: If more translations are to be returned than the beam has, or the
            search does not support a glossary.
    """

    def __init__(
        self,
        translator: Translator,
        options: TranslationOptions,
        *,
        watcher: SearchWatcher | None = None,
    ) -> None:
        search = options.search or translator.recipe.search
        if options.mbr_samples:
            search = mbr.mbr_sampling_options(search)
        if options.n_best > search.beam_size and search.method == "beam":
            raise UserError(
                f"{options.n_best} translations of a line need a beam of as many, but "
                f"it is {search.beam_size}: widen the beam or ask for fewer."
            )
        data = translator.recipe.data
        self._terms: TermMatcher | None = None
        if options.glossary:
            spaced = is_spaced(data.source)
            self._terms = TermMatcher(options.glossary, spaced=spaced)
            phrases = tuple(options.glossary.values())
            some = TranslationRequest("", required=phrases, location="the glossary")
            check_options(some, search, options)
        self._translator = translator
        self.options, self.search_options = options, search
        self.segment = LineSegmenter(
            translator.source,
            data.source,
            max_length=options.max_input_length or data.max_length,
            sentences=options.sentences or translator.default_sentences,
            truncate=options.long_input == "truncate",
            surfaces=options.align or options.replace_unk,
        )
        self._searcher = BatchSearcher(
            translator.engine,
            translator.target,
            data.target,
            translator.device,
            watcher,
        )
        independent = search.method == "sample" and not options.mbr_samples
        self._joiner = SegmentJoiner(
            translator.target, data.source, data.target, options, independent
        )

    def constrain(self, request: TranslationRequest, segments: list[Segment]) -> None:
        """Give the constraints of a request to the segments of its line, in place.

        What the glossary requires is required of the segment that has the term.

        Raises:
            UserError: If the segments or the target vocabulary do not support them.
        """
        data = self._translator.recipe.data
        check_segments(request, len(segments), data.target)
        for number, segment in enumerate(segments):
            terms = self._terms.required(segment.text) if self._terms else ()
            if not terms and not request.has_constraints:
                continue
            constraints = tokenize_constraints(
                replace(request, required=(*request.required, *terms)),
                self._translator.target,
                spaced=is_spaced(data.target),
            )
            segments[number] = segment._replace(
                constraints=constraints.of_segment(number),
                joined=len(segments) > 1 and request.has_constraints,
            )

    def search(
        self,
        segments: Sequence[Segment],
        on_batch: Callable[[float], None] | None = None,
    ) -> list[list[Hypothesis] | UserError]:
        """Return the hypotheses of each segment, or its error.

        Args:
            segments: Segments of any lines.
            on_batch: As for `BatchSearcher.search`.

        Raises:
            UserError: As `BatchSearcher.search`; or if the network has no attention
                and the options need it.
        """
        results = self._searcher.search(
            segments, self.search_options, self.options, on_batch
        )
        if self.options.align or self.options.replace_unk:
            require_attention(results)
        return results

    def join(
        self, line: SegmentedLine, results: Sequence[list[Hypothesis] | UserError]
    ) -> Translation:
        """Return a line's translation, or the first error of its segments.

        Raises:
            UserError: If no joined translation satisfies the line's constraints.
        """
        hypotheses = []
        for result in results:
            if isinstance(result, UserError):
                return Translation(error=str(result))
            hypotheses.append(result)
        return self._joiner(line, hypotheses)


def replace_surrogates(line: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode, by U+FFFD."""
    if not has_surrogate(line):
        return line
    return line.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def total_of(lines: Iterable[object]) -> str:
    """Return how many lines there are, after the number of one; empty if unknown."""
    return f" of {len(lines)}" if isinstance(lines, Sized) else ""


def with_location(
    line: str | TranslationRequest, number: int, total: str
) -> str | TranslationRequest:
    """Return a line that errors name by its number from 1, unless it has a name.

    Raises:
        UserError: If it is neither text nor a request.
    """
    if isinstance(line, str):
        return line
    if not isinstance(line, TranslationRequest):
        raise UserError(
            f"line {number}{total} is {line!r}, of type {type(line).__name__}, but "
            "must be text or a TranslationRequest."
        )
    if line.location != UNKNOWN_LOCATION:
        return line
    return replace(line, location=f"line {number}{total}")


def source_text(line: str | TranslationRequest) -> str:
    """Return the text of a line or of a request."""
    return line if isinstance(line, str) else line.text
