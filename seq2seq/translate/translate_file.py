"""Translation of files and streams: reading, translating, writing, resuming."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import torch

from seq2seq.engines.factory import engine_devices
from seq2seq.errors import UserError, require_list
from seq2seq.recipe import SearchOptions
from seq2seq.runs.run import Run
from seq2seq.runs.run_folder import RunFolder
from seq2seq.translate.formats import (
    Format,
    OutputWriter,
    Record,
    infer_format,
    read_records,
    spreadsheet_error,
)
from seq2seq.translate.line_stats import LineStats
from seq2seq.translate.options import TranslationOptions
from seq2seq.translate.process_pool import InlineTranslator, TranslatorPool
from seq2seq.translate.resumable_output import ResumableOutput
from seq2seq.translate.translate_records import translate_records
from seq2seq.translate.translator import Translator
from seq2seq.utils.files import (
    COMPRESSIONS,
    DecodeErrorHandler,
    count_lines,
    decode_lines,
    read_lines,
)
from seq2seq.utils.memory import gc_disabled
from seq2seq.utils.overwriting import STDIN, STDOUT, check_overwrites_no_input
from seq2seq.utils.progress import LineProgress

STANDARD_INPUT = "standard input"

CHECKED_LINES = 100
"""Lines of each input that are read before any is translated."""

MAX_COUNTED_BYTES = 256 << 20
"""Size of a compressed file whose lines are not counted beforehand."""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Input and output of `translate_file`.

    Attributes:
        inputs: Files to translate as one, plain or .gz, .xz, .zst; standard input if
            empty.
        output: The file to write, plain or compressed; standard output if None.
        resume: Whether to resume an interrupted output.
        alignments: A file for word alignments in Pharaoh format, written with output.
        input_format: Format of the input; inferred from each file's name, else text, if
            None.
        output_format: Format of the output.
        field: The source text: a key of JSON objects, or a column's number or name.
        constraints: Whether prefix, required and forbidden of JSON objects constrain
            the translation.
        quoted: Whether quotes around a cell of TSV are none of its text; refuse what
            seems so if None.
        strict_utf8: Whether bytes that are not UTF-8 are an error; else they become
            U+FFFD. Files are then checked to their ends before any is translated.

    Raises:
        UserError: If resume or alignments is given without output.
    """

    inputs: Sequence[Path] = ()
    output: Path | None = None
    resume: bool = False
    alignments: Path | None = None
    input_format: Format | None = None
    output_format: Format = "text"
    field: str | None = None
    constraints: bool = False
    quoted: bool | None = None
    strict_utf8: bool = False

    def __post_init__(self) -> None:
        require_list(self.inputs, "inputs")
        if self.resume and self.output is None:
            raise UserError("--resume needs --output F, the file to go on with.")
        if self.alignments is not None and self.output is None:
            raise UserError(
                "--alignments A needs --output F; both are written together."
            )

    @property
    def input_formats(self) -> list[Format]:
        """The format of each input file."""
        return [self.input_format or infer_format(path) for path in self.inputs]

    def num_lines(self) -> int | None:
        """Count the lines of all files; None for pipes, and where it takes long."""
        counts = [count_lines(path) for path in self.inputs if not _is_large(path)]
        known = [count for count in counts if count is not None]
        return sum(known) if known and len(known) == len(self.inputs) else None

    def check_inputs(self) -> None:
        """Read the first lines of all files, or all lines with strict_utf8.

        So no translation begins whose inputs are known to be faulty. Pipes, which
        cannot be read twice, are checked for options that contradict their format.

        Raises:
            UserError: If a file is missing, or its lines or the options are faulty.
        """
        on_decode_error = None if self.strict_utf8 else _ignore
        count = None if self.strict_utf8 else CHECKED_LINES
        if not self.inputs:
            deque(self._parse([], STANDARD_INPUT, self.input_format or "text", None), 0)
        for path, input_format in zip(self.inputs, self.input_formats, strict=True):
            is_pipe = path.exists() and not path.is_file() and not path.is_dir()
            lines = read_lines(path, on_decode_error=on_decode_error)
            records = self._parse(
                [] if is_pipe else lines, str(path), input_format, on_decode_error
            )
            deque(islice(records, count), maxlen=0)

    def read(
        self, stdin: BinaryIO, *, on_decode_error: DecodeErrorHandler | None
    ) -> Iterator[Record]:
        """Read the records of all files, or of standard input.

        Raises:
            UserError: As `read_records`; if files do not have the same columns, but the
                output is TSV.
        """
        if not self.inputs:
            lines = decode_lines(stdin, STANDARD_INPUT, on_decode_error=on_decode_error)
            input_format = self.input_format or "text"
            yield from self._parse(lines, STANDARD_INPUT, input_format, on_decode_error)
        header: Record | None = None
        for path, input_format in zip(self.inputs, self.input_formats, strict=True):
            lines = read_lines(path, on_decode_error=on_decode_error)
            for record in self._parse(lines, str(path), input_format, on_decode_error):
                if record.header and header is not None:
                    if record.line != header.line and self.output_format == "tsv":
                        raise UserError(
                            f"{path}:1: the columns are not those of the files before: "
                            f"{header.line!r}. Translate it by itself."
                        )
                    continue  # Only the first header is repeated.
                header = record if record.header else header
                yield record

    def _parse(
        self,
        lines: Iterable[str],
        name: str,
        input_format: Format,
        on_decode_error: DecodeErrorHandler | None,
    ) -> Iterator[Record]:
        return read_records(
            _refuse_binary(lines, name),
            name,
            input_format=input_format,
            field=self.field,
            constraints=self.constraints,
            quoted=self.quoted,
            on_decode_error=on_decode_error,
        )

    def open_output(
        self, job: dict[str, Any], *, runs: Sequence[RunFolder]
    ) -> AbstractContextManager[BinaryIO | ResumableOutput]:
        """Open the output: a stream, or files that can be resumed by the same job.

        Raises:
            UserError: If it is a file that is read: an input, or of one of the runs.
        """
        output = self.output
        inputs: list[Path | int] = [*self.inputs] or [STDIN]
        inputs += [path for run in runs for path in run.inputs]
        check_overwrites_no_input([STDOUT if output is None else output], inputs)
        if output is None:
            return nullcontext(sys.stdout.buffer)
        if output.exists() and not output.is_file() and not output.is_dir():
            if self.resume or self.alignments is not None:
                raise UserError(
                    f"{output} is no file, so --resume and --alignments are not for it."
                )
            return output.open("wb")  # A pipe or device.
        paths = [output] if self.alignments is None else [output, self.alignments]
        return ResumableOutput(paths, job=job, resume=self.resume, inputs=inputs)


def _refuse_binary(lines: Iterable[str], name: str) -> Iterator[str]:
    """Yield text lines.

    Raises:
        UserError: If the first begins a ZIP archive, as XLSX is, or a quarter of its
            characters are NUL, as in UTF-16.
    """
    for number, line in enumerate(lines):
        if number == 0:
            if line.startswith("PK\x03\x04"):
                raise spreadsheet_error(name, "XLSX and other ZIP")
            if line and 4 * line.count("\0") >= len(line):
                raise UserError(
                    f"{name} is no UTF-8 text: its first line has NUL characters. "
                    "Convert it first, for example with iconv -f UTF-16 -t UTF-8."
                )
        yield line


def _ignore(location: str) -> None:
    """Pass over a line that is not UTF-8, which is counted when it is translated."""


def _is_large(path: Path) -> bool:
    """Return whether decompressing a file to count its lines takes many seconds."""
    compressed = path.suffix in COMPRESSIONS and path.is_file()
    return compressed and path.stat().st_size > MAX_COUNTED_BYTES


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
    device: str = "auto",
    devices: int | None = None,
    progress: LineProgress | None = None,
) -> list[str]:
    """Translate files, or standard input, with a trained run.

    Args:
        run: The run folder, or a checkpoint in one.
        files: Input and output.
        options: Translation options; align and return_scores follow from the files.
        ensemble: Further runs or checkpoints whose probabilities are averaged.
        engine: torch, torch-bf16, onnx or onnx-int8.
        overrides: Overrides of the recipe's search section, `search.key=value` each.
        beam_size: Beam size, as an override.
        shortlist: Target tokens to score for each source token; all if None.
        device: Where to compute: cpu, cuda, cuda:1 or auto, as in `Translator.load`.
        devices: Number of processes, each on its own GPU or all on the CPU; this
            process if None.
        progress: Progress display, which also knows how far an error came; none if
            None.

    Returns:
        Warnings: lines that were split, truncated or not UTF-8.

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
    )
    names = engine_devices(device, devices or 1, kind=engine, shortlist=shortlist).names
    with gc_disabled():  # Where other processes translate, this one only reads it.
        translator = load(device=names[0] if devices is None else "cpu")
    options = options or TranslationOptions()
    _check_overrides(translator.recipe.search, overrides, beam_size, options)
    streaming = not files.inputs or (files.output is None and sys.stdout.isatty())
    if not streaming:
        options = replace(options, first_buffer_size=options.buffer_size)
    if options.token_log_probs and files.output_format != "jsonl":
        raise UserError(
            f"--token-log-probs has no place in {files.output_format}. Add "
            "--output-format jsonl."
        )
    writer = OutputWriter(
        files.output_format,
        options.n_best,
        files.alignments is not None,
        options.token_log_probs,
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
    runs = [Run.open(path) for path in [run, *ensemble]]
    job: dict[str, Any] = {}
    if files.output is not None:
        search = options.search or translator.recipe.search
        job = {
            "runs": [opened.fingerprint() for opened in runs],
            **asdict(options),
            "search": search.model_dump(),
            "engine": engine,
            "shortlist": shortlist,
            "field": files.field,
            "constraints": files.constraints,
            "quoted": bool(files.quoted),
            "output_format": files.output_format,
            "input_formats": files.input_formats,
        }
    pool: InlineTranslator | TranslatorPool = InlineTranslator(translator, options)
    if devices is not None:
        threads = max(1, torch.get_num_threads() // devices)
        pool = TranslatorPool(load, options, names, threads=threads)
    folders = [opened.folder for opened in runs]
    progress = progress or LineProgress(None)
    with files.open_output(job, runs=folders) as output, pool:
        # Translations on the same terminal are progress enough.
        visible = files.output is not None or not sys.stdout.isatty()
        progress.start(total=files.num_lines(), visible=visible)
        translate_records(
            pool,
            files.read(stdin, on_decode_error=on_decode_error),
            writer=writer,
            output=output,
            stats=stats,
            progress=progress,
        )
    return stats.warnings(options.max_input_length or translator.recipe.data.max_length)


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
