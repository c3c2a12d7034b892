"""How fast a run translates. Knows translators and scores; not arguments."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seq2seq.benchmark.machine import ResourceMeter, process_uptime, round_significant
from seq2seq.data.preprocessing import load_eval_pairs
from seq2seq.engines.engine import Engine, RequiredTokens
from seq2seq.errors import UserError
from seq2seq.runs.run_folder import package_versions
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.batching import read_buffers
from seq2seq.types import EOS, Batch, StepOutput
from seq2seq.utils.files import read_lines


class LengthRange(NamedTuple):
    """Bounds of a translation's pieces, EOS not counted.

    Attributes:
        shortest: The fewest.
        longest: The most.
    """

    shortest: int
    longest: int


class CountedState(NamedTuple):
    """An engine's state, and how many pieces each row has.

    Attributes:
        state: The engine's own.
        said: (R,).
    """

    state: Any
    said: Tensor

    def select(self, rows: Tensor) -> CountedState:
        """Keep these rows."""
        return CountedState(self.state.select(rows), self.said[rows])


class FixedLengthEngine:
    """An engine that ends no translation before one length and every one at another.

    Untrained networks do not stop by themselves; so they can be timed all the same.

    Args:
        engine: What computes.
        lengths: The bounds.
    """

    def __init__(self, engine: Engine, lengths: LengthRange) -> None:
        self.engine = engine
        self.lengths = lengths

    def start(
        self, source: Tensor, lengths: Tensor, asked: RequiredTokens = ()
    ) -> tuple[CountedState, Any]:
        """Read sources."""
        state, memory = self.engine.start(source, lengths, asked)
        return CountedState(state, torch.zeros_like(lengths)), memory

    def step(
        self,
        last: Tensor,
        state: CountedState,
        memory: Any,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[CountedState]:
        """Take one step of a search."""
        step = self.engine.step(last, state.state, memory, unnormalized=unnormalized)
        said = step.log_probs
        ending = said[:, EOS].clone()
        over = state.said >= self.lengths.longest
        if bool(over.any()):  # Else nothing is written over all pieces.
            said.masked_fill_(over[:, None], -math.inf)
        ending[state.said < self.lengths.shortest] = -math.inf
        said[:, EOS] = ending
        counted = CountedState(step.state, state.said + 1)
        return StepOutput(said, counted, step.attention, step.unnormalized)

    def log_probs(self, batch: Batch) -> Tensor:
        """Score given targets."""
        return self.engine.log_probs(batch)


class ParallelText(NamedTuple):
    """What to translate, and what it should be.

    Attributes:
        sources: Lines.
        references: Lines, for BLEU.
    """

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
    beam_size: int | None = None,
    batch: int = 128,
    lengths: LengthRange | None = None,
) -> dict[str, Any]:
    """Translate a split once and measure it.

    The rate counts from the loaded network to the last line of text, pieces made and
    joined included; start-up counts from the beginning of the process to the loaded
    network. The names are those of the kit that measures peers.

    Args:
        run: The run folder.
        split: What to translate, as in `evaluate`.
        data_path: Where the data is now, if it has moved.
        files: Source and reference to translate instead of a split.
        engine: torch, onnx or onnx-int8.
        shortlist: Target pieces to choose from for each source piece; all if None.
        beam_size: Hypotheses kept at each step; the recipe's if None.
        batch: Sentences in a batch, at most.
        lengths: Bounds that all translations keep, for networks that are not trained.

    Raises:
        InputError: If run or data cannot be used, or the bounds are out of order.
    """
    if lengths is not None and not 1 <= lengths.shortest <= lengths.longest:
        raise UserError(
            f"lengths from {lengths.shortest} to {lengths.longest} hold nothing; the "
            "first must be at least 1 and no greater than the second."
        )
    meter = ResourceMeter()
    translator = Translator.load(run, engine=engine, shortlist=shortlist)
    start_up = process_uptime()
    text = _text(translator, split, data_path, files)
    options = TranslationOptions(
        batch_size=batch, return_scores=False
    )  # As for text alone.
    if beam_size is not None:
        options = translator.with_beam_size(options, beam_size)
    search = options.search or translator.recipe.search
    if lengths is not None:
        translator.engine = FixedLengthEngine(translator.engine, lengths)
        # The bounds alone decide.
        ratio = {"max_length_ratio": float(lengths.longest)}
        options = replace(options, search=search.model_copy(update=ratio))

    timer = ResourceMeter()
    found = [
        translation
        for window in read_buffers(
            text.sources,
            num_characters=len,
            buffer_size=options.buffer_size,
            first_buffer_size=options.buffer_size,
        )
        for translation in translator.translate_batch(window, options)
    ]
    seconds = timer.seconds()
    from seq2seq.metrics.sacrebleu_scores import bleu_metric

    metric = bleu_metric(translator.recipe.data.target)
    score = metric.corpus_score([each.text for each in found], [text.references])
    pieces = sum(each.hypotheses[0].num_tokens for each in found if each.hypotheses)
    installed = package_versions()
    return round_significant(
        {
            "program": f"seq2seq {installed['seq2seq']}",
            "torch": installed["torch"],
            "threads": torch.get_num_threads(),
            "task": "translate",
            "model": run.name,
            "engine": engine,
            "shortlist": shortlist,
            "beam": search.beam_size,
            "batch": batch,
            "lengths": None if lengths is None else list(lengths),
            "sentences": len(found),
            "sentences_per_second": len(found) / seconds,
            "pieces_per_second": pieces / seconds,
            "pieces_per_sentence": pieces / len(found),
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
    """Read what to translate, before the clock runs."""
    if files is not None:
        sources, references = (list(read_lines(path)) for path in files)
        if len(sources) != len(references) or not sources:
            raise UserError(
                f"{files[0]} has {len(sources):,} lines but {files[1]} has "
                f"{len(references):,}; both need as many, and one at least."
            )
        return ParallelText(sources, references)
    data = translator.recipe.data.with_path(data_path)
    pairs = load_eval_pairs(data, data.split_name(split))
    return ParallelText(
        [pair.source for pair in pairs], [pair.target for pair in pairs]
    )
