"""Translation of files and streams: reading, translating, writing, resuming."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from seq2seq.engines.factory import LM_WEIGHT, engine_devices
from seq2seq.errors import UserError
from seq2seq.recipe import SearchOptions
from seq2seq.runs.hub import model_path
from seq2seq.runs.run import Run
from seq2seq.runs.task_run import TaskRun
from seq2seq.translate.constraints import TranslationRequest, tokenize_constraints
from seq2seq.translate.file_options import FileOptions
from seq2seq.translate.formats import OutputWriter
from seq2seq.translate.input_splitting import is_spaced
from seq2seq.translate.line_stats import LineStats
from seq2seq.translate.options import TranslationOptions
from seq2seq.translate.process_pool import InlineTranslator, TranslatorPool
from seq2seq.translate.translate_records import translate_records
from seq2seq.translate.translator import Translator
from seq2seq.utils.memory import gc_disabled
from seq2seq.utils.progress import LineProgress

__all__ = ["FileOptions", "translate_file"]


def translate_file(
    run: str | Path,
    files: FileOptions,
    *,
    options: TranslationOptions | None = None,
    ensemble: Sequence[str | Path] = (),
    engine: str = "torch",
    overrides: Sequence[str] = (),
    beam_size: int | None = None,
    shortlist: int | None = None,
    language_model: str | Path | None = None,
    lm_weight: float = LM_WEIGHT,
    device: str = "auto",
    devices: int | None = None,
    to: str | None = None,
    progress: LineProgress | None = None,
) -> list[str]:
    """Translate files, or standard input, with a trained run.

    Args:
        run: The run folder, a checkpoint in one, or demo, the model that ships.
        files: Input and output.
        options: Translation options; align and return_scores follow from the files.
        ensemble: Further runs or checkpoints whose probabilities are averaged.
        engine: torch, torch-bf16, onnx or onnx-int8.
        overrides: Overrides of the recipe's search section, `search.key=value` each.
        beam_size: Beam size, as an override.
        shortlist: Target tokens to score for each source token; all if None.
        language_model: A language model for shallow fusion, as in `Translator.load`.
        lm_weight: Its weight.
        device: Where to compute: cpu, cuda, cuda:1 or auto, as in `Translator.load`.
        devices: Number of processes, each on its own GPU or all on the CPU; this
            process if None.
        to: The language to translate into, of a run with several.
        progress: Progress display, which also knows how far an error came; none if
            None.

    Returns:
        Warnings: lines that were split, truncated or not UTF-8; what scores contain.

    Raises:
        UserError: If the run, the options or the input are faulty.
    """
    files.check_inputs()
    if beam_size is not None:
        overrides = [*overrides, f"search.beam_size={beam_size}"]
    load = partial(
        Translator.load,
        run,
        ensemble=ensemble,
        engine=engine,
        overrides=overrides,
        shortlist=shortlist,
        language_model=language_model,
        lm_weight=lm_weight,
        to=to,
    )
    names = engine_devices(device, devices or 1, kind=engine, shortlist=shortlist).names
    with gc_disabled():  # Where other processes translate, this one only reads it.
        translator = load(device=names[0] if devices is None else "cpu")
    options = options or TranslationOptions()
    if options.glossary:
        phrases = tuple(options.glossary.values())
        tokenize_constraints(
            TranslationRequest("", required=phrases, location="the glossary"),
            translator.target,
            spaced=is_spaced(translator.recipe.data.target),
        )
    _check_overrides(translator.recipe.search, overrides, beam_size, options)
    streaming = not files.inputs or (files.output is None and sys.stdout.isatty())
    if not streaming:
        options = replace(options, first_buffer_size=options.buffer_size)
    output_format = files.written_format
    if files.document is not None and options.n_best > 1:
        raise UserError(
            f"--n-best {options.n_best} has no place in {output_format}; leave it out."
        )
    if options.token_log_probs and output_format != "jsonl":
        raise UserError(
            f"--token-log-probs has no place in {output_format}. Add "
            "--output-format jsonl."
        )
    writer = OutputWriter(
        "text" if files.document is not None else output_format,
        options.n_best,
        files.alignments is not None,
        options.token_log_probs,
        files.output_key,
        errors=options.on_error == "return",
    )
    stats = LineStats.of(translator, options.sentences)
    options = replace(
        options,
        align=writer.align,
        sentences=stats.sentences,
        return_scores=writer.format != "text" or options.n_best > 1,
    )
    # A thread reads for the processes, and locks sys.stdin's buffer, so that Python
    # cannot exit; another buffer can stay locked.
    stdin = sys.stdin.buffer if devices is None else os.fdopen(0, "rb", closefd=False)
    on_decode_error = None if files.strict_utf8 else stats.add_decode_error
    runs: list[TaskRun] = [Run.open(model_path(path)) for path in [run, *ensemble]]
    if language_model is not None:
        runs.append(TaskRun.open(language_model))
    folders = [opened.folder for opened in runs]
    files.check_output(folders)
    if files.is_complete:
        return [
            f"{files.output} is complete, and nothing is left to resume. Remove it, or "
            "leave --resume out, to translate anew."
        ]
    job: dict[str, Any] = {}
    if files.output is not None:
        search = options.search or translator.recipe.search
        job = {
            "runs": [opened.fingerprint() for opened in runs],
            **asdict(options),
            "search": search.model_dump(),
            "glossary": _digest(options.glossary),
            "engine": engine,
            "shortlist": shortlist,
            "lm_weight": None if language_model is None else lm_weight,
            "to": to,
            "field": files.field,
            "constraints": files.constraints,
            "quoted": files.quoted or None,
            "output_format": output_format,
            "output_key": files.output_key,
            "input_formats": files.input_formats,
        }
    pool: InlineTranslator | TranslatorPool = InlineTranslator(translator, options)
    if devices is not None:
        threads = max(1, torch.get_num_threads() // devices)
        pool = TranslatorPool(load, options, names, threads=threads)
    progress = progress or LineProgress(None)
    with files.open_output(job, runs=folders) as output, pool:
        # Translations on the same terminal are progress enough.
        visible = files.output is not None or not sys.stdout.isatty()
        progress.start(total=files.num_lines(), visible=visible)
        translate_records(
            pool,
            files.read(
                stdin,
                on_decode_error=on_decode_error,
                on_first_cell=stats.add_first_cell,
            ),
            writer=writer,
            output=output,
            stats=stats,
            progress=progress,
        )
    maximum = options.max_input_length or translator.recipe.data.max_length
    warnings = stats.warnings(maximum)
    if language_model is not None and options.return_scores and not options.mbr_samples:
        warnings.append(
            f"scores are of log p + {lm_weight:g} log p of {language_model}, and so "
            "are all log-probabilities"
        )
    return warnings


def _digest(glossary: Mapping[str, str] | None) -> str | None:
    """Return the checksum of a glossary; None if there is none."""
    if not glossary:
        return None
    return hashlib.sha256(repr(glossary).encode()).hexdigest()


def _check_overrides(
    search: SearchOptions,
    overrides: Sequence[str],
    beam_size: int | None,
    options: TranslationOptions,
) -> None:
    """Check that no option is without effect.

    Raises:
        UserError: If samples have a beam size, or beam search has sampling options.
    """
    sampling = bool(options.mbr_samples) or search.method == "sample"
    if beam_size is not None and sampling:
        reason = "search.method is sample"
        if options.mbr_samples:
            reason = "--mbr-samples draws samples"
        raise UserError(
            f"{reason}, so --beam {beam_size} would change nothing; leave it out."
        )
    for override in overrides:
        if override.strip().startswith("search.sampling") and not sampling:
            raise UserError(
                f"-o {override} would change nothing, since search.method is beam. "
                "Add -o search.method=sample or --mbr-samples N."
            )
