"""Translator: a trained run or an ensemble that translates lines, one for each line."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from seq2seq.data.tokenizer import Tokenizer, Tokenizers
from seq2seq.engines.engine import Engine, TorchEngine
from seq2seq.engines.factory import (
    LM_WEIGHT,
    engine_devices,
    load_engine,
    open_runs,
)
from seq2seq.errors import UserError, require_list
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import Recipe
from seq2seq.recipe.data import LanguagePair
from seq2seq.runs.hub import pretrained_folder
from seq2seq.tasks.translation import Translation as TranslationTask
from seq2seq.translate.batching import read_buffers
from seq2seq.translate.constraints import (
    TranslationRequest,
    check_options,
)
from seq2seq.translate.line_pipeline import (
    LinePipeline,
    replace_surrogates,
    source_text,
    total_of,
    with_location,
)
from seq2seq.translate.options import (
    Translation,
    TranslationOptions,
    load_search_options,
)

log = logging.getLogger(__name__)

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
        device: str = "auto",
        overrides: Sequence[str] = (),
        shortlist: int | None = None,
        language_model: str | Path | None = None,
        lm_weight: float = LM_WEIGHT,
        to: str | None = None,
    ) -> Translator:
        """Load a run.

        Args:
            run: The run folder, or a checkpoint in one.
            ensemble: Further runs or checkpoints, whose probabilities are averaged with
                the first run's; its recipe has the search options.
            engine: torch, torch-bf16 (a CPU with bfloat16 products), onnx or onnx-int8;
                for the last two the runs must have been exported.
            checkpoint: best or last, where folders are named.
            device: Where to compute: cpu; cuda; cuda:1, the second GPU; auto, a GPU if
                there is one and the engine is torch without shortlist.
            overrides: Overrides of the recipe's search section, such as
                `search.beam_size=1`.
            shortlist: Target tokens to score for each source token; all if None.
            language_model: The run of a language model over the same target tokens, for
                shallow fusion (Gulcehre et al. 2015, section 4.1).
            lm_weight: What its log-probabilities are multiplied by before they are
                added to the translation's: scores and confidences contain them.
            to: The language to translate into, of a run with several; `into` returns
                a translator into another one.

        Raises:
            UserError: If the run has several target languages and none is named, or not
                this one; if a folder holds no run, or its files are damaged, or the
                runs' tokenizers differ, or an override is wrong, or the engine cannot
                compute on the device.
        """
        require_list(ensemble, "ensemble")
        require_list(overrides, "overrides")
        devices = engine_devices(device, kind=engine, shortlist=shortlist)
        if devices.note:
            log.debug(devices.note)
        (device,) = devices.names
        runs = open_runs(run, ensemble, checkpoint=checkpoint)
        task = runs[0].task.into(to)
        recipe = task.recipe
        if overrides:
            search = load_search_options(recipe, overrides)
            recipe = recipe.model_copy(update={"search": search})
        loaded_engine = load_engine(
            runs,
            engine,
            device=device,
            shortlist=shortlist,
            language_model=language_model,
            lm_weight=lm_weight,
        )
        return cls(
            recipe,
            loaded_engine,
            task.tokenizers.source,
            task.tokenizers.target,
            device=device,
            multi_sentence_share=runs[0].folder.multi_sentence_share(),
        )

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        revision: str | None = None,
        engine: str = "torch",
        device: str = "auto",
        overrides: Sequence[str] = (),
        shortlist: int | None = None,
        to: str | None = None,
    ) -> Translator:
        """Load a model folder, or a model of the Hugging Face Hub.

        Args:
            model: The folder, or user/model on the Hub: downloaded into its cache, and
                read from there where the Hub cannot be reached.
            revision: Branch, tag or commit on the Hub.
            engine: As for `load`; for ONNX Runtime the model must have the export.
            device: As for `load`.
            overrides: As for `load`.
            shortlist: As for `load`.
            to: As for `load`.

        Raises:
            UserError: As `load`, and if the Hub does not give the model.
        """
        return cls.load(
            pretrained_folder(model, revision=revision),
            engine=engine,
            device=device,
            overrides=overrides,
            shortlist=shortlist,
            to=to,
        )

    def into(self, target: str) -> Translator:
        """Return a translator into another language of the run, with the same engine.

        Raises:
            UserError: If the run does not translate into it.
        """
        data = self.recipe.data.into(target)
        return self.for_pair((data.source, data.target))

    def for_pair(self, pair: LanguagePair) -> Translator:
        """Return a translator from one language of the run into another, likewise."""
        task = TranslationTask(self.recipe, Tokenizers(self.source, self.target))
        task = task.for_pair(pair)
        translator = copy.copy(self)
        translator.recipe, translator.source = task.recipe, task.tokenizers.source
        return translator

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
        options: TranslationOptions | None = None,
        *,
        beam_size: int | None = None,
    ) -> list[str]:
        """Translate lines: one text for each, in order; blank for a blank line.

        Args:
            lines: Source text, or requests with constraints. A single string is
                refused: it would be taken apart into characters.
            options: Translation options; those of more than the text (n_best, align,
                token_log_probs, on_error) are for `translate_batch`.
            beam_size: Beam size; the options' if None.

        Raises:
            UserError: As `translate_batch`, and for such options.
        """
        options = options or TranslationOptions()
        options = replace(options, first_buffer_size=options.buffer_size)
        return list(self.stream(lines, options, beam_size=beam_size))

    def stream(
        self,
        lines: Iterable[str | TranslationRequest],
        options: TranslationOptions | None = None,
        *,
        beam_size: int | None = None,
    ) -> Iterator[str]:
        """Translate an endless input, buffer by buffer.

        Args:
            lines: Source text, or requests with constraints, as in a call.
            options: Translation options, as in a call.
            beam_size: Beam size; the options' if None.

        Raises:
            UserError: As in a call.
        """
        require_list(lines, "lines")
        options = replace(options or TranslationOptions(), return_scores=False)
        options.require_texts_alone()
        if beam_size is not None:
            options = self.with_beam_size(options, beam_size)
        total = total_of(lines)
        for buffer in read_buffers(
            (with_location(line, n, total) for n, line in enumerate(lines, 1)),
            num_characters=lambda line: len(source_text(line)),
            buffer_size=options.buffer_size,
            first_buffer_size=options.first_buffer_size,
        ):
            for translation in self.translate_batch(buffer, options):
                yield translation.translation

    def with_beam_size(
        self, options: TranslationOptions, beam_size: int
    ) -> TranslationOptions:
        """Return the options with another beam size."""
        search = (options.search or self.recipe.search).model_copy(
            update={"beam_size": beam_size}
        )
        return replace(options, search=search)

    def translate_batch(
        self,
        lines: Sequence[str | TranslationRequest],
        options: TranslationOptions | None = None,
        *,
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Translation]:
        """Translate lines in batches of similar length; return them in input order.

        A `Translation` has the text, its score and confidence, and with the options
        n_best, align and token_log_probs the runners-up, the word alignment and the
        log-probability of each token.

        Args:
            lines: Source text, or requests with constraints; lone surrogates are read
                as U+FFFD.
            options: Translation options; the default ones if None.
            on_progress: Called after each batch with about how many lines are done, in
                proportion to their tokens.

        Raises:
            UserError: If lines are a single string or the run does not support the
                options; and, unless on_error is return, if a line is no text or does
                not fit in memory, or no translation satisfies a request's constraints.
        """
        require_list(lines, "lines")
        options = options or TranslationOptions()
        pipeline = LinePipeline(self, options)
        errors: dict[int, UserError] = {}  # By the index of the line.
        texts = [""] * len(lines)
        requests = [*lines]
        for index, line in enumerate(lines):
            with _collect_error(errors, index, options):
                requests[index] = with_location(line, index + 1, total_of(lines))
                texts[index] = replace_surrogates(source_text(line))
        segmented = pipeline.segment(texts)
        for index, (line, (segments, _, _)) in enumerate(
            zip(requests, segmented, strict=True)
        ):
            if isinstance(line, TranslationRequest):
                request = line
            else:
                request = TranslationRequest(
                    line, location=f"line {index + 1}{total_of(lines)}"
                )
            if not request.has_constraints and not options.glossary:
                continue
            check_options(request, pipeline.search_options, options)
            with _collect_error(errors, index, options):
                pipeline.constrain(request, segments)
            if index in errors:
                segments.clear()
        all_segments = [segment for line in segmented for segment in line.segments]
        remaining = iter(
            pipeline.search(
                all_segments,
                on_progress and (lambda share: on_progress(int(share * len(lines)))),
            )
        )
        translations = []
        for index, segmented_line in enumerate(segmented):
            results = [next(remaining) for _ in segmented_line.segments]
            translation = Translation()
            with _collect_error(errors, index, options):
                if index not in errors:
                    translation = pipeline.join(segmented_line, results)
            if index in errors:
                translation = Translation(error=str(errors[index]))
            translations.append(translation)
        return translations


@contextmanager
def _collect_error(
    errors: dict[int, UserError], index: int, options: TranslationOptions
) -> Iterator[None]:
    """Put the error of a line among the others, where it is not to be raised."""
    try:
        yield
    except UserError as error:
        if options.on_error == "raise":
            raise
        errors[index] = error
