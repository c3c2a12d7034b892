"""Translation speed of a run on this machine.

The keys of the result are those of the kit that measures other toolkits.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seq2seq.benchmark.machine import ResourceMeter, process_uptime, round_significant
from seq2seq.data.splits import load_eval_pairs
from seq2seq.engines.engine import Engine, RequiredTokens
from seq2seq.errors import UserError
from seq2seq.runs.run_folder import package_versions
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.batching import read_buffers
from seq2seq.types import EOS, Batch, StepOutput
from seq2seq.utils.files import read_lines


class LengthRange(NamedTuple):
    """Bounds of a translation's length in tokens, EOS not counted, inclusive."""

    min_length: int
    max_length: int


class CountedState(NamedTuple):
    """An engine's state, and the length of each row.

    Attributes:
        state: The engine's state.
        lengths: Tokens generated so far, (R,).
    """

    state: Any
    lengths: Tensor

    def select(self, rows: Tensor) -> CountedState:
        """Select these rows."""
        return CountedState(self.state.select(rows), self.lengths[rows])


class FixedLengthEngine:
    """An engine whose translations have lengths within bounds.

    Untrained networks seldom generate EOS, so their speed is measured at given lengths.

    Args:
        engine: Encodes and takes steps.
        lengths: The bounds.
    """

    def __init__(self, engine: Engine, lengths: LengthRange) -> None:
        self.engine = engine
        self.lengths = lengths

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[CountedState, Any]:
        """Encode source sentences and initialise the decoder."""
        state, memory = self.engine.start(source, lengths, required_tokens)
        return CountedState(state, torch.zeros_like(lengths)), memory

    def step(
        self,
        last_tokens: Tensor,
        state: CountedState,
        memory: Any,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[CountedState]:
        """Take one decoding step."""
        output = self.engine.step(
            last_tokens, state.state, memory, unnormalized=unnormalized
        )
        log_probs = output.log_probs  # (R, V)
        eos_scores = log_probs[:, EOS].clone()
        at_limit = state.lengths >= self.lengths.max_length
        if bool(at_limit.any()):  # Filling takes time even if no row is masked.
            log_probs.masked_fill_(at_limit[:, None], -math.inf)
        eos_scores[state.lengths < self.lengths.min_length] = -math.inf
        log_probs[:, EOS] = eos_scores
        next_state = CountedState(output.state, state.lengths + 1)
        return StepOutput(log_probs, next_state, output.attention, output.unnormalized)

    def log_probs(self, batch: Batch) -> Tensor:
        """Score given targets."""
        return self.engine.log_probs(batch)


class ParallelText(NamedTuple):
    """Source sentences with their reference translations."""

    sources: list[str]
    references: list[str]


def bench_translate(
    run: Path,
    *,
    split: str = "test",
    data_path: str | None = None,
    files: tuple[Path, Path] | None = None,
    engine: str = "torch",
    shortlist: int | None = None,
    device: str = "auto",
    beam_size: int | None = None,
    batch_size: int = 128,
    lengths: LengthRange | None = None,
    to: str | None = None,
) -> dict[str, Any]:
    """Translate a split once and measure the speed.

    Rates cover translation with tokenization and detokenization; the start-up time is
    from the start of the process to the loaded network.

    Args:
        run: The run folder.
        split: The split to translate, as in `evaluate`.
        data_path: Overrides data.path, for data that has moved.
        files: Source and reference files, in place of a split.
        engine: torch, torch-bf16, onnx or onnx-int8.
        shortlist: Target tokens in the shortlist per source token; if None, the whole
            vocabulary is scored.
        device: cpu, cuda, cuda:1 or auto.
        beam_size: Number of beams; the recipe's if None.
        batch_size: Maximum sentences per batch.
        lengths: Bounds of all translations' lengths, for untrained networks.
        to: The target language, of a run with several.

    Returns:
        Plain values for one line of JSON.

    Raises:
        UserError: If run or data cannot be used, or the bounds are out of order.
    """
    if lengths is not None and not 1 <= lengths.min_length <= lengths.max_length:
        raise UserError(
            f"lengths from {lengths.min_length} to {lengths.max_length} hold nothing; "
            "the first must be at least 1 and no greater than the second."
        )
    meter = ResourceMeter()
    translator = Translator.load(
        run, engine=engine, shortlist=shortlist, device=device, to=to
    )
    start_up = process_uptime()
    text = _text(translator, split, data_path, files)
    # Without scores, as for plain text output.
    options = TranslationOptions(batch_size=batch_size, return_scores=False)
    if beam_size is not None:
        options = translator.with_beam_size(options, beam_size)
    search = options.search or translator.recipe.search
    if lengths is not None:
        translator.engine = FixedLengthEngine(translator.engine, lengths)
        # Only the bounds limit the length.
        changes = {"max_length_ratio": float(lengths.max_length)}
        options = replace(options, search=search.model_copy(update=changes))

    timer = ResourceMeter()
    translations = [
        translation
        for buffer in read_buffers(
            text.sources,
            num_characters=len,
            buffer_size=options.buffer_size,
            first_buffer_size=options.buffer_size,
        )
        for translation in translator.translate_batch(buffer, options)
    ]
    seconds = timer.seconds()
    from seq2seq.metrics.sacrebleu_scores import bleu_metric

    metric = bleu_metric(translator.recipe.data.target)
    score = metric.corpus_score(
        [translation.translation for translation in translations], [text.references]
    )
    num_tokens = sum(translation.num_tokens for translation in translations)
    versions = package_versions()
    return round_significant(
        {
            "program": f"seq2seq {versions['seq2seq']}",
            "torch": versions["torch"],
            "threads": torch.get_num_threads(),
            "device": translator.device,
            "task": "translate",
            "model": run.name,
            "engine": engine,
            "shortlist": shortlist,
            "beam": search.beam_size,
            "batch": batch_size,
            "lengths": None if lengths is None else list(lengths),
            "sentences": len(translations),
            "sentences_per_second": len(translations) / seconds,
            "pieces_per_second": num_tokens / seconds,
            "pieces_per_sentence": num_tokens / len(translations),
            "bleu": float(score.score),
            "bleu_signature": str(metric.get_signature()),
            "start_up_seconds": start_up,
            **meter.cost(),
        }
    )


def _text(
    translator: Translator,
    split: str,
    data_path: str | None,
    files: tuple[Path, Path] | None,
) -> ParallelText:
    """Read the sentences to translate, before time is measured."""
    if files is not None:
        sources, references = (list(read_lines(path)) for path in files)
        if len(sources) != len(references) or not sources:
            raise UserError(
                f"{files[0]} has {len(sources):,} lines but {files[1]} has "
                f"{len(references):,}; both need as many, and one at least."
            )
        return ParallelText(sources, references)
    data = translator.recipe.data.with_path(data_path)
    pairs = load_eval_pairs(data, data.splits.name_of(split))
    return ParallelText(
        [pair.source for pair in pairs], [pair.target for pair in pairs]
    )
