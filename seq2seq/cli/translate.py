"""seq2seq translate. Knows arguments; imports nothing heavy before the verb runs."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer

from seq2seq.cli.imports import gc_disabled
from seq2seq.cli.options import (
    Beam,
    EngineName,
    EngineOption,
    EnsembleOf,
    RunPath,
    SearchOverrides,
    ShortList,
    with_beam,
)
from seq2seq.errors import UserError

if TYPE_CHECKING:
    from seq2seq.recipe import Recipe, SearchOptions
    from seq2seq.translate.formats import Form, Record
    from seq2seq.translate.options import TranslationOptions
    from seq2seq.translate.process_pool import TranslatorFactory, TranslatorPool
    from seq2seq.translate.resumable_output import ResumableOutput
    from seq2seq.utils.files import DecodeErrorHandler


class Forms(Enum):
    """Forms of input and output."""

    text = "text"
    tsv = "tsv"
    jsonl = "jsonl"


class Long(Enum):
    """What becomes of lines that are too long."""

    split = "split"
    cut = "cut"


class Utility(Enum):
    """How alike two texts are."""

    chrf = "chrf"
    bleu = "bleu"


def translate(
    run: RunPath,
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files, plain or .gz, .xz, .zst. [standard input]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A file to write. [standard output]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--continue", help="Go on with an interrupted --output.")
    ] = False,
    override: SearchOverrides = None,
    beam: Beam = None,
    mbr: Annotated[
        int | None,
        typer.Option(
            min=1, help="Draw so many samples, take the one most like all (MBR)."
        ),
    ] = None,
    utility: Annotated[
        Utility | None, typer.Option(help="With --mbr: how alike texts are. [chrf]")
    ] = None,
    ensemble: EnsembleOf = None,
    engine: EngineOption = EngineName.torch,
    shortlist: ShortList = None,
    n_best: Annotated[
        int, typer.Option(min=1, help="Translations of each line, with scores.")
    ] = 1,
    field: Annotated[
        str | None,
        typer.Option(help="What to translate: a key of JSONL, a column of TSV."),
    ] = None,
    constraints: Annotated[
        bool,
        typer.Option(
            "--constraints",
            help="Obey prefix, required and forbidden of each JSON object.",
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse bytes that are not UTF-8, which else become U+FFFD; files are "
            "checked to their ends before anything is translated.",
        ),
    ] = False,
    input_format: Annotated[
        Forms | None, typer.Option(help="[by the file's name, else text]")
    ] = None,
    output_format: Annotated[
        Forms, typer.Option("--format", help="How to write.")
    ] = Forms.text,
    alignments: Annotated[
        Path | None, typer.Option(help="A file for word alignments (Pharaoh: 0-0 1-2).")
    ] = None,
    replace_unknown: Annotated[
        bool, typer.Option(help="Copy source words where the target has no piece.")
    ] = False,
    max_length: Annotated[
        int | None,
        typer.Option(min=1, help="Pieces of a line at most. [as in training]"),
    ] = None,
    long: Annotated[
        Long, typer.Option(help="Longer lines: translate in parts, or cut off.")
    ] = Long.split,
    devices: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Translate in so many processes, each on a GPU of its own if there "
            "are any. [in this process]",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Sentences in a batch.")] = 128,
    window: Annotated[
        int | None,
        typer.Option(
            min=1, help="Lines read at once, at most. [2000; 1 on a terminal]"
        ),
    ] = None,
) -> None:
    """Translate lines: as many come out as go in, in order, a blank for a blank."""
    if resume and output is None:
        raise UserError("--continue needs --output F, the file to go on with.")
    if alignments is not None and output is None:
        raise UserError("--alignments A needs --output F; both are written together.")
    if utility is not None and mbr is None:
        raise UserError("--utility is for --mbr N, which says how many samples.")

    with gc_disabled():
        from seq2seq.translate import TranslationOptions, Translator
        from seq2seq.translate.batching import FIRST, WINDOW
        from seq2seq.translate.formats import OutputWriter, infer_format
        from seq2seq.translate.process_pool import InlineTranslator
        from seq2seq.translate.translate_file import (
            DecodeErrorCounter,
            translate_records,
        )

        overrides = with_beam(override, beam)
        load = partial(
            Translator.load,
            run,
            ensemble=ensemble or [],
            engine=engine.value,
            overrides=overrides,
            shortlist=shortlist,
        )
        translator = load()
    _require_use(translator.recipe.search, overrides, beam=beam, mbr=mbr)
    # Small windows for who waits for the first line.
    waiting = not files or (output is None and sys.stdout.isatty())
    options = TranslationOptions(
        n_best=n_best,
        batch=batch,
        window=window or (1 if not files and sys.stdin.isatty() else WINDOW),
        first=FIRST if waiting else window or WINDOW,
        max_length=max_length,
        long=long.value,
        align=alignments is not None,
        replace_unknown=replace_unknown,
        mbr=mbr or 0,
        utility=(utility or Utility.chrf).value,
        scored=output_format.value != "text" or n_best > 1,
    )
    given = input_format.value if input_format else None
    forms = [cast("Form", given or infer_format(path)) for path in files or []]
    # Standard input's own buffer is locked by a thread that reads it, and Python
    # cannot end then; a buffer of ours can stay locked.
    stdin = sys.stdin.buffer if devices is None else os.fdopen(0, "rb", closefd=False)
    piped = cast("Form", given or "text")
    mended = None if strict else DecodeErrorCounter()
    records = partial(
        _records, files or [], forms, stdin, piped, field, constraints, mended
    )
    if strict and files and all(path.is_file() for path in files):
        deque(records(), maxlen=0)  # A pipe can be read only once.
    writing = OutputWriter(output_format.value, n_best, alignments is not None)

    job: dict[str, Any] = {}
    if output is not None:
        job = _job([run, *(ensemble or [])], options, translator.recipe)
        job |= {
            "engine": engine.value,
            "shortlist": shortlist,
            "field": field,
            "constraints": constraints,
            "format": writing.format,
            "input_format": forms,
        }
    workers: InlineTranslator | TranslatorPool = InlineTranslator(translator, options)
    if devices is not None:
        gpus = engine is EngineName.torch
        workers = _workers(load, options, devices, gpus=gpus)
    with _destination(output, alignments, job, resume=resume) as place, workers:
        counts = translate_records(workers, records(), writing=writing, output=place)
    longest = options.max_length or translator.recipe.data.max_length
    for said in (counts.report(longest), mended.report() if mended else ""):
        if said:
            print(said, file=sys.stderr)


def _require_use(
    search: SearchOptions, overrides: list[str], *, beam: int | None, mbr: int | None
) -> None:
    """Refuse what would be said in vain.

    Raises:
        InputError: If a beam is asked of samples, or samples are described to a beam.
    """
    drawn = bool(mbr) or search.method == "sample"
    if beam is not None and drawn:
        how = "--mbr draws samples" if mbr else "search.method is sample"
        raise UserError(f"{how}, so --beam {beam} would change nothing; leave it out.")
    for override in overrides:
        if override.strip().startswith("search.sampling") and not drawn:
            raise UserError(
                f"-o {override} would change nothing, since search.method is beam. "
                "Add -o search.method=sample or --mbr N."
            )


def _records(
    files: list[Path],
    forms: list[Form],
    stdin: BinaryIO,
    piped: Form,
    field: str | None,
    constraints: bool,
    mend: DecodeErrorHandler | None,
) -> Iterator[Record]:
    """Read all files, or standard input."""
    from seq2seq.translate.formats import read_records
    from seq2seq.utils.files import decode_lines, read_lines

    read = partial(read_records, field=field, constraints=constraints, mend=mend)
    if not files:
        name = "standard input"
        lines = decode_lines(stdin, name, on_decode_error=mend)
        yield from read(lines, name, form=piped)
    for number, (path, form) in enumerate(zip(files, forms, strict=True)):
        for record in read(
            read_lines(path, on_decode_error=mend), str(path), form=form
        ):
            # The columns are named once.
            if number == 0 or not record.header:
                yield record


def _workers(
    load: TranslatorFactory, options: TranslationOptions, count: int, *, gpus: bool
) -> TranslatorPool:
    """Plan so many processes: one for each GPU, or sharing the CPU's threads."""
    import torch

    from seq2seq.translate.process_pool import TranslatorPool, assign_devices

    found = assign_devices(count, gpus=torch.cuda.device_count() if gpus else 0)
    threads = max(1, torch.get_num_threads() // count)
    return TranslatorPool(load, options, found, threads=threads)


def _job(
    runs: list[Path], options: TranslationOptions, recipe: Recipe
) -> dict[str, Any]:
    """Name all that decides on the text that comes out."""
    from dataclasses import asdict

    from seq2seq.runs.run import Run

    search = (options.search or recipe.search).model_dump()
    found = [Run.open(run).fingerprint() for run in runs]
    return {"runs": found, **asdict(options), "search": search}


def _destination(
    output: Path | None, alignments: Path | None, job: dict[str, Any], *, resume: bool
) -> AbstractContextManager[BinaryIO | ResumableOutput]:
    """Open where translations go: a stream, or files that can be continued."""
    from contextlib import nullcontext

    from seq2seq.translate.resumable_output import ResumableOutput

    if output is None:
        return nullcontext(sys.stdout.buffer)
    if output.exists() and not output.is_file() and not output.is_dir():
        if resume or alignments is not None:
            raise UserError(
                f"{output} is no file, so --continue and --alignments are not for it."
            )
        return output.open("wb")  # A pipe or device.
    paths = [output] if alignments is None else [output, alignments]
    return ResumableOutput(paths, job=job, resume=resume)
