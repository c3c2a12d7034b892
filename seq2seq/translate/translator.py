"""Translator: a trained run or an ensemble that translates lines, one for each line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.engines.engine import Engine, TorchEngine
from seq2seq.engines.factory import load_engine, open_runs
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import Recipe
from seq2seq.translate import alignment, mbr
from seq2seq.translate.batch_search import BatchSearcher
from seq2seq.translate.batching import read_buffers
from seq2seq.translate.constraints import (
    TranslationRequest,
    check_supported,
    tokenize_constraints,
)
from seq2seq.translate.input_splitting import (
    LineSegmenter,
    Segment,
    SegmentedLine,
    is_spaced,
    target_gap,
)
from seq2seq.translate.options import (
    Translation,
    TranslationHypothesis,
    TranslationOptions,
    load_search_options,
)
from seq2seq.types import UNK, Hypothesis

MULTI_SENTENCE_THRESHOLD = 0.05
"""Lines are split unless so many of the training's lines hold several sentences."""


class Translator:
    """A trained run that translates lines. It keeps no state between calls.

    Args:
        recipe: The run's recipe.
        engine: Computes encoder and decoder.
        source: The source side's tokenizer.
        target: The target side's tokenizer.
        device: The engine's device, as torch names it.
        multi_sentence_share: Share of the training's source lines that hold more than
            one sentence; None if unknown.
    """

    def __init__(
        self,
        recipe: Recipe,
        engine: Engine,
        source: Tokenizer,
        target: Tokenizer,
        *,
        device: str = "cpu",
        multi_sentence_share: float | None = None,
    ) -> None:
        self.recipe = recipe
        self.engine = engine
        self.source = source
        self.target = target
        self.device = device
        self.multi_sentence_share = multi_sentence_share

    @classmethod
    def load(
        cls,
        run: str | Path,
        *,
        ensemble: Sequence[str | Path] = (),
        engine: str = "torch",
        checkpoint: str = "best",
        device: str = "cpu",
        overrides: Sequence[str] = (),
        shortlist: int | None = None,
    ) -> Translator:
        """Load a run.

        Args:
            run: The run folder, or a checkpoint in one.
            ensemble: Further runs or checkpoints, whose probabilities are averaged with
                the first run's; its recipe has the search options.
            engine: torch, onnx or onnx-int8; for the latter the runs must have been
                exported.
            checkpoint: best or last, where folders are named.
            device: Device of the torch engine: cpu, cuda, cuda:1.
            overrides: Overrides of the recipe's search section, such as
                `search.beam_size=1`.
            shortlist: Target tokens to score for each source token; all if None.

        Raises:
            UserError: If a folder holds no run, or its files are damaged, or the
                runs' tokenizers differ, or an override is wrong.
        """
        runs = open_runs(run, ensemble, checkpoint=checkpoint)
        recipe = runs[0].recipe
        if overrides:
            search = load_search_options(runs[0].folder.recipe, overrides)
            recipe = recipe.model_copy(update={"search": search})
        loaded_engine = load_engine(runs, engine, device=device, shortlist=shortlist)
        return cls(
            recipe,
            loaded_engine,
            runs[0].source,
            runs[0].target,
            device=device,
            multi_sentence_share=runs[0].folder.multi_sentence_share(),
        )

    @property
    def default_sentences(self) -> Literal["split", "keep"]:
        """Whether lines of several sentences are split, unless an option says it.

        A model that was trained on single sentences may translate only one of several,
        so they are split unless the training had lines of several itself.
        """
        share = self.multi_sentence_share or 0.0
        return "split" if share < MULTI_SENTENCE_THRESHOLD else "keep"

    @property
    def default_sentences_reason(self) -> str:
        """Why, as the end of a sentence."""
        share = self.multi_sentence_share
        if share is None:
            return "since the run does not say how many of the training's lines do"
        return f"since {share:.2%} of the training's lines do"

    @property
    def network(self) -> EncoderDecoder:
        """The network, for analysis.

        Raises:
            UserError: If the engine is an ensemble or another runtime.
        """
        if not isinstance(self.engine, TorchEngine):
            raise UserError("only a single run on torch has a network to look into.")
        return self.engine.network

    def __call__(
        self,
        lines: Iterable[str | TranslationRequest],
        *,
        beam_size: int | None = None,
        options: TranslationOptions | None = None,
    ) -> list[str]:
        """Translate lines: one translation for each, in order; blank for a blank line.

        Args:
            lines: Source text, or requests with constraints.
            beam_size: Beam size; the options' if None.
            options: Translation options.
        """
        options = options or TranslationOptions()
        options = replace(options, first_buffer_size=options.buffer_size)
        return list(self.stream(lines, beam_size=beam_size, options=options))

    def stream(
        self,
        lines: Iterable[str | TranslationRequest],
        *,
        beam_size: int | None = None,
        options: TranslationOptions | None = None,
    ) -> Iterator[str]:
        """Translate an endless input, buffer by buffer.

        Args:
            lines: Source text, or requests with constraints.
            beam_size: Beam size; the options' if None.
            options: Translation options.
        """
        options = replace(options or TranslationOptions(), return_scores=False)
        if beam_size is not None:
            options = self.with_beam_size(options, beam_size)
        for buffer in read_buffers(
            lines,
            num_characters=lambda line: len(_source_text(line)),
            buffer_size=options.buffer_size,
            first_buffer_size=options.first_buffer_size,
        ):
            for translation in self.translate_batch(buffer, options):
                yield translation.text

    def with_beam_size(
        self, options: TranslationOptions, beam_size: int
    ) -> TranslationOptions:
        """Return the options with another beam size."""
        search = (options.search or self.recipe.search).model_copy(
            update={"beam_size": beam_size}
        )
        return replace(options, search=search)

    def translate_batch(
        self, lines: Sequence[str | TranslationRequest], options: TranslationOptions
    ) -> list[Translation]:
        """Translate lines in batches of similar length; return them in input order.

        Args:
            lines: Source text, or requests with constraints; lone surrogates are read
                as U+FFFD.
            options: Translation options.

        Raises:
            UserError: If the run does not support the options, or no translation
                satisfies a request's constraints.
        """
        search = options.search or self.recipe.search
        if options.mbr_samples:
            search = mbr.mbr_sampling_options(search)
        if options.n_best > search.beam_size and search.method == "beam":
            raise UserError(
                f"{options.n_best} translations of a line need a beam of as many, but "
                f"it is {search.beam_size}: widen the beam or ask for fewer."
            )
        languages = self.recipe.data.source, self.recipe.data.target
        segmenter = LineSegmenter(
            self.source,
            languages[0],
            max_length=options.max_input_length or self.recipe.data.max_length,
            sentences=options.sentences or self.default_sentences,
            truncate=options.long_input == "truncate",
            surfaces=options.align or options.replace_unk,
        )
        segmented = segmenter(
            [_replace_surrogates(_source_text(line)) for line in lines]
        )
        for line, (segments, _, _) in zip(lines, segmented, strict=True):
            if isinstance(line, TranslationRequest) and line.has_constraints:
                check_supported(line, len(segments), search, options, languages[1])
                constraints = tokenize_constraints(
                    line, self.target, spaced=is_spaced(languages[1])
                )
                segments[:] = [
                    segment._replace(constraints=constraints.of_segment(index))
                    for index, segment in enumerate(segments)
                ]
        all_segments = [segment for line in segmented for segment in line.segments]
        searcher = BatchSearcher(self.engine, self.target, languages[1], self.device)
        results = iter(searcher.search(all_segments, search, options))
        return [
            self._to_translation(line, [next(results) for _ in line.segments], options)
            for line in segmented
        ]

    def _to_translation(
        self,
        line: SegmentedLine,
        results: Sequence[Sequence[Hypothesis]],
        options: TranslationOptions,
    ) -> Translation:
        """Join the hypotheses of a line's segments."""
        segments = line.segments
        if not segments:
            return Translation()
        if options.replace_unk:
            # Raises for a run without attention even if no token is unknown.
            _attention_weights(segments[0], results[0][0])
        data = self.recipe.data
        gaps = [target_gap(s.gap, data.source, data.target) for s in segments]
        distinct: dict[str, TranslationHypothesis] = {}
        for rank in range(max(map(len, results))):
            # A segment with fewer hypotheses repeats its last one.
            ranked = [hypotheses[: rank + 1][-1] for hypotheses in results]
            texts = [
                self._detokenize(segment, hypothesis, replace_unk=options.replace_unk)
                for segment, hypothesis in zip(segments, ranked, strict=True)
            ]
            score = sum(hypothesis.score for hypothesis in ranked) / len(ranked)
            num_tokens = sum(len(hypothesis.tokens) for hypothesis in ranked)
            text = _on_one_line(_join(texts, gaps))
            distinct.setdefault(text, TranslationHypothesis(text, score, num_tokens))
        if len(segments) > 1 and segments[0].constraints:
            distinct = segments[0].constraints.satisfying(distinct)
        aligned = None
        if options.align:
            aligned = alignment.concatenate(
                [
                    alignment.align(
                        segment.surfaces,
                        self.target.id_to_tokens(hypotheses[0].tokens),
                        _attention_weights(segment, hypotheses[0]),
                    )
                    for segment, hypotheses in zip(segments, results, strict=True)
                ],
                source_spaces=[bool(segment.gap) for segment in segments],
                target_spaces=[*map(bool, gaps)],
            )
        return Translation(
            tuple(distinct.values()),
            aligned,
            len(segments),
            line.num_sentences,
            line.truncated,
        )

    def _detokenize(
        self, segment: Segment, hypothesis: Hypothesis, *, replace_unk: bool
    ) -> str:
        ids = hypothesis.tokens
        if UNK not in ids or not replace_unk:
            return self.target.decode([ids])[0]
        return alignment.replace_unknowns(
            ids,
            self.target.id_to_tokens(ids),
            segment.surfaces,
            _attention_weights(segment, hypothesis),
        )


def _attention_weights(segment: Segment, hypothesis: Hypothesis) -> alignment.Weights:
    """Return attention weights, (target tokens, source tokens), without either's EOS.

    Raises:
        UserError: If the run has no attention.
    """
    if hypothesis.attention is None:
        raise UserError(
            "the run has no attention, so nothing aligns its words. Use one that "
            "was trained with attention, for example with "
            "-o model.attention.kind=general."
        )
    weights: alignment.Weights = hypothesis.attention.float().numpy()
    return weights[: len(hypothesis.tokens), : len(segment.ids)]


def _source_text(line: str | TranslationRequest) -> str:
    return line if isinstance(line, str) else line.text


def _join(texts: Sequence[str], gaps: Sequence[str]) -> str:
    """Join the translations of segments with the white space before each."""
    joined = ""
    for text, gap in zip(texts, gaps, strict=True):
        if text:
            joined += gap + text if joined else text
    return joined


def _replace_surrogates(line: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode, by U+FFFD."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return line.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return line


def _on_one_line(text: str) -> str:
    """Replace line feeds, which some tokens spell."""
    return text.replace("\n", " ").replace("\r", " ")
