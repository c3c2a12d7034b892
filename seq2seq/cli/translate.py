"""seq2seq translate."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seq2seq.cli.options import (
    Beam,
    DeviceName,
    EngineOption,
    EnsembleOf,
    LanguageModelPath,
    LanguageModelWeight,
    RunPath,
    SearchOverrides,
    SentencesOption,
    ShortList,
    TargetLanguage,
    choose_device,
    with_beam,
)
from seq2seq.errors import UserError
from seq2seq.utils.console import is_quiet
from seq2seq.utils.memory import gc_disabled

if TYPE_CHECKING:
    from seq2seq.utils.progress import LineProgress


def translate(
    run: RunPath,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files to translate, plain or .gz, .xz, .zst; or one .srt, .vtt, .csv "
            "or .xlsx.",
            show_default="standard input",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="File to write, plain or .gz, .xz, .zst; it appears when it is "
            "complete.",
            show_default="standard output",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume an interrupted --output.")
    ] = False,
    override: SearchOverrides = None,
    beam: Beam = None,
    mbr_samples: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Minimum Bayes risk decoding with so many samples of each line.",
            show_default="off",
        ),
    ] = None,
    mbr_metric: Annotated[
        Literal["chrf", "bleu"] | None,
        typer.Option(
            help="With --mbr-samples: the sentence-level utility.", show_default="chrf"
        ),
    ] = None,
    to: TargetLanguage = None,
    ensemble: EnsembleOf = None,
    engine: EngineOption = "torch",
    shortlist: ShortList = None,
    language_model: LanguageModelPath = None,
    lm_weight: LanguageModelWeight = None,
    n_best: Annotated[
        int,
        typer.Option(
            min=1, help="Maximal number of translations of each line, with scores."
        ),
    ] = 1,
    field: Annotated[
        str | None,
        typer.Option(
            "--field",
            "--column",
            help="Text to translate: a key of JSON objects, or a column of TSV, CSV or "
            "XLSX by its name in the first line, or by number from 1 if no line has "
            "names.",
        ),
    ] = None,
    quoted: Annotated[
        bool | None,
        typer.Option(
            "--quoted/--no-quoted",
            help="Cells of TSV may be in quotes, as spreadsheets write them; or quotes "
            "are text.",
            show_default="refuse what seems quoted",
        ),
    ] = None,
    constraints: Annotated[
        bool,
        typer.Option(
            "--constraints",
            help="Constrain translations by prefix, required and forbidden of each "
            "JSON object.",
        ),
    ] = False,
    glossary: Annotated[
        Path | None,
        typer.Option(
            help="File with a term, a tab and the translation that it requires in each "
            "line.",
            show_default="none",
        ),
    ] = None,
    strict_utf8: Annotated[
        bool,
        typer.Option(
            "--strict-utf8",
            help="Refuse bytes that are not UTF-8, which otherwise become U+FFFD; "
            "files are checked to their ends before anything is translated.",
        ),
    ] = False,
    input_format: Annotated[
        Literal["text", "tsv", "jsonl", "paragraphs", "srt", "vtt", "csv", "xlsx"]
        | None,
        typer.Option(
            help="Format of the input. In paragraphs blank lines stand between what is "
            "translated together.",
            show_default="by the file's name, else text",
        ),
    ] = None,
    output_format: Annotated[
        Literal["text", "tsv", "jsonl"] | None,
        typer.Option(
            help="Format of the output.",
            show_default="by the name of --output, else text",
        ),
    ] = None,
    output_key: Annotated[
        str | None,
        typer.Option(
            help="With JSONL: the key of an object with all that is added; with CSV "
            "and XLSX: the name of the new column.",
            show_default="beside the input's keys; translation",
        ),
    ] = None,
    alignments: Annotated[
        Path | None,
        typer.Option(
            help="File for word alignments in Pharaoh format (0-0 1-2).",
            show_default="none",
        ),
    ] = None,
    token_log_probs: Annotated[
        bool,
        typer.Option(
            "--token-log-probs",
            help="Add tokens and their log-probabilities, with --output-format jsonl.",
        ),
    ] = False,
    on_error: Annotated[
        Literal["raise", "return"],
        typer.Option(
            help="Lines that cannot be translated, such as with --constraints that "
            "cannot be satisfied: raise an error, or return the error in JSON objects, "
            "else a blank line."
        ),
    ] = "raise",
    replace_unk: Annotated[
        bool,
        typer.Option(
            "--replace-unk",
            help="Replace unknown tokens by the source words they are aligned with.",
        ),
    ] = False,
    sentences: SentencesOption = None,
    max_input_length: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Maximal number of source tokens.",
            show_default="the recipe's max_length",
        ),
    ] = None,
    long_input: Annotated[
        Literal["split", "truncate"],
        typer.Option(help="Lines that are longer: translate in segments, or truncate."),
    ] = "split",
    device: DeviceName = None,
    devices: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of processes, each on its own GPU if there are any.",
            show_default="this process",
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Maximal number of sentences in a batch.")
    ] = 128,
    buffer_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Maximal number of lines read before any is translated.",
            show_default="2000; 1 on a terminal",
        ),
    ] = None,
) -> None:
    """Translate lines: one translation for each, in order, blank for a blank line."""
    if mbr_metric is not None and mbr_samples is None:
        raise UserError("--mbr-metric is for --mbr-samples N, the number of samples.")
    if lm_weight is not None and language_model is None:
        raise UserError("--lm-weight is for --language-model LM_RUN, which is missing.")
    if run.is_file() and files and (files[0] / "recipe.yaml").is_file():
        raise UserError(
            f"{run} is a file, and {files[0]} the run folder, which comes first: "
            f"seq2seq translate {shlex.join(map(str, [files[0], run]))}"
        )
    if buffer_size is None:
        buffer_size = 1 if not files and sys.stdin.isatty() else 2000
    with gc_disabled():
        from seq2seq.engines.factory import LM_WEIGHT
        from seq2seq.translate.glossary import read_glossary
        from seq2seq.translate.options import TranslationOptions
        from seq2seq.translate.translate_file import FileOptions, translate_file
        from seq2seq.utils.progress import LineProgress

    with_beam(override, beam)  # Raises where they contradict each other.
    choose_device(device, devices or 1, engine=engine, shortlist=shortlist)
    progress = LineProgress(None if is_quiet() else sys.stderr)
    with _resume_hint(files or [], output, progress):
        warnings = translate_file(
            run,
            FileOptions(
                inputs=files or [],
                output=output,
                resume=resume,
                alignments=alignments,
                input_format=input_format,
                output_format=output_format,
                output_key=output_key,
                field=field,
                constraints=constraints,
                quoted=quoted,
                strict_utf8=strict_utf8,
            ),
            options=TranslationOptions(
                n_best=n_best,
                batch_size=batch_size,
                buffer_size=buffer_size,
                sentences=sentences,
                max_input_length=max_input_length,
                long_input=long_input,
                glossary=None if glossary is None else read_glossary(glossary),
                replace_unk=replace_unk,
                token_log_probs=token_log_probs,
                on_error=on_error,
                mbr_samples=mbr_samples or 0,
                mbr_metric=mbr_metric or "chrf",
            ),
            ensemble=ensemble or [],
            engine=engine,
            overrides=override or [],
            beam_size=beam,
            shortlist=shortlist,
            language_model=language_model,
            lm_weight=LM_WEIGHT if lm_weight is None else lm_weight,
            device=device or "auto",
            devices=devices,
            to=to,
            progress=progress,
        )
    for warning in warnings:
        print(warning, file=sys.stderr)


@contextmanager
def _resume_hint(
    files: list[Path], output: Path | None, progress: LineProgress
) -> Iterator[None]:
    """Add to an error, or to Ctrl-C, how far it got and how to go on.

    Raises:
        UserError: What the block raises, with the command that goes on.
        typer.Exit: After Ctrl-C, with status 130.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--resume"]
    command = f"go on with: {shlex.join(['seq2seq', *arguments, '--resume'])}"
    if not files:
        command += " (and the same input)"
    resumable = output is not None and (output.is_file() or not output.exists())
    try:
        yield
    except UserError as error:
        from seq2seq.translate.resumable_output import UnfinishedOutputError

        if isinstance(error, UnfinishedOutputError):
            raise UserError(f"{error} To {command}") from error
        if not resumable or not progress.done:
            raise
        done = f"{progress.describe()} are kept"
        raise UserError(f"{error} {done}; {command}") from error
    except KeyboardInterrupt:
        if not resumable:
            command = "only --output F can be resumed"
        elif not progress.done:
            command = "give the same command again"
        print(f"interrupted after {progress.describe()}; {command}", file=sys.stderr)
        raise typer.Exit(130) from None
