"""seq2seq translate. Knows arguments; imports nothing heavy before the verb runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer

from seq2seq.cli.options import Beam, EngineName, EngineOption, EnsembleOf, RunPath
from seq2seq.errors import InputError

if TYPE_CHECKING:
    from seq2seq.recipe import Recipe
    from seq2seq.translate.journal import Journal
    from seq2seq.translate.records import Form, Record
    from seq2seq.translate.translation import Options
    from seq2seq.translate.workers import Load, Workers


class Forms(Enum):
    """Forms of input and output."""

    text = "text"
    tsv = "tsv"
    jsonl = "jsonl"


class Long(Enum):
    """What becomes of lines that are too long."""

    split = "split"
    cut = "cut"


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
    beam: Beam = None,
    ensemble: EnsembleOf = None,
    engine: EngineOption = EngineName.torch,
    n_best: Annotated[
        int, typer.Option(min=1, help="Translations of each line, with scores.")
    ] = 1,
    field: Annotated[
        str | None,
        typer.Option(help="What to translate: a key of JSONL, a column of TSV."),
    ] = None,
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
    batch: Annotated[int, typer.Option(min=1, help="Sentences in a batch.")] = 64,
    window: Annotated[
        int | None,
        typer.Option(
            min=1, help="Lines read at once, at most. [2000; 1 on a terminal]"
        ),
    ] = None,
) -> None:
    """Translate lines: as many come out as go in, in order, a blank for a blank."""
    if resume and output is None:
        raise InputError("--continue needs --output F, the file to go on with.")
    if alignments is not None and output is None:
        raise InputError("--alignments A needs --output F; both are written together.")

    from seq2seq.translate import Options, Translator
    from seq2seq.translate.job import translate_records
    from seq2seq.translate.records import Writing, form_of
    from seq2seq.translate.windows import WINDOW
    from seq2seq.translate.workers import Alone

    load = partial(Translator.load, run, ensemble=ensemble or [], engine=engine.value)
    translator = load()
    options = Options(
        n_best=n_best,
        batch=batch,
        window=window or (1 if not files and sys.stdin.isatty() else WINDOW),
        max_length=max_length,
        long=long.value,
        align=alignments is not None,
        replace_unknown=replace_unknown,
    )
    if beam is not None:
        options = translator.with_beam(options, beam)
    given = input_format.value if input_format else None
    forms = [cast("Form", given or form_of(path)) for path in files or []]
    # Standard input's own buffer is locked by a thread that reads it, and Python
    # cannot end then; a buffer of ours can stay locked.
    stdin = sys.stdin.buffer if devices is None else os.fdopen(0, "rb", closefd=False)
    piped = cast("Form", given or "text")
    records = _records(files or [], forms, stdin, piped, field)
    writing = Writing(output_format.value, n_best, alignments is not None)

    job: dict[str, Any] = {}
    if output is not None:
        job = _job([run, *(ensemble or [])], options, translator.recipe)
        job |= {
            "engine": engine.value,
            "field": field,
            "format": writing.form,
            "input_format": forms,
        }
    workers: Alone | Workers = Alone(translator, options)
    if devices is not None:
        gpus = engine is EngineName.torch
        workers = _workers(load, options, devices, gpus=gpus)
    with _destination(output, alignments, job, resume=resume) as place, workers:
        counts = translate_records(workers, records, writing=writing, output=place)
    longest = options.max_length or translator.recipe.data.max_length
    if said := counts.report(longest):
        print(said, file=sys.stderr)


def _records(
    files: list[Path],
    forms: list[Form],
    stdin: BinaryIO,
    piped: Form,
    field: str | None,
) -> Iterator[Record]:
    """Read all files, or standard input."""
    from seq2seq.text.lines import decode_lines, read_lines
    from seq2seq.translate.records import read_records

    if not files:
        name = "standard input"
        lines = decode_lines(stdin, name)
        yield from read_records(lines, name, form=piped, field=field)
    for number, (path, form) in enumerate(zip(files, forms, strict=True)):
        records = read_records(read_lines(path), str(path), form=form, field=field)
        for record in records:
            # The columns are named once.
            if number == 0 or not record.header:
                yield record


def _workers(load: Load, options: Options, count: int, *, gpus: bool) -> Workers:
    """Plan so many processes: one for each GPU, or sharing the CPU's threads."""
    import torch

    from seq2seq.translate.workers import Workers, places

    found = places(count, gpus=torch.cuda.device_count() if gpus else 0)
    threads = max(1, torch.get_num_threads() // count)
    return Workers(load, options, found, threads=threads)


def _job(runs: list[Path], options: Options, recipe: Recipe) -> dict[str, Any]:
    """Name all that decides on the text that comes out."""
    from dataclasses import asdict

    from seq2seq.engines.run import Run

    search = (options.search or recipe.search).model_dump()
    found = [Run.open(run).fingerprint() for run in runs]
    return {"runs": found, **asdict(options), "search": search}


def _destination(
    output: Path | None, alignments: Path | None, job: dict[str, Any], *, resume: bool
) -> AbstractContextManager[BinaryIO | Journal]:
    """Open where translations go: a stream, or files that can be continued."""
    from contextlib import nullcontext

    from seq2seq.translate.journal import Journal

    if output is None:
        return nullcontext(sys.stdout.buffer)
    if output.exists() and not output.is_file() and not output.is_dir():
        if resume or alignments is not None:
            raise InputError(
                f"{output} is no file, so --continue and --alignments are not for it."
            )
        return output.open("wb")  # A pipe or device.
    paths = [output] if alignments is None else [output, alignments]
    return Journal(paths, job=job, resume=resume)
