"""seq2seq report; imports nothing heavy before the command runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seq2seq.cli.metric_options import MetricCommands, MetricTimeout
from seq2seq.cli.options import (
    DataPath,
    DeviceName,
    Split,
    TargetLanguage,
    choose_device,
)
from seq2seq.errors import UserError
from seq2seq.utils.console import is_quiet, make_console

if TYPE_CHECKING:
    from seq2seq.evaluation.systems import ReportRequest

Systems = Annotated[
    list[str],
    typer.Argument(
        help="Run folders or files of hypotheses, PATH or NAME=PATH; the first is the "
        "baseline, and those of one name are seeds of one.",
        metavar="SYSTEM...",
    ),
]
SourceFile = Annotated[
    Path | None, typer.Option(help="File of source lines, if no run has them.")
]
References = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference",
        help="File of reference lines; may be repeated.",
        show_default="the run's data",
    ),
]
Language = Annotated[
    str | None,
    typer.Option(help="Target language, such as de.", show_default="the run's"),
]
SegmentScores = Annotated[
    list[str] | None,
    typer.Option(
        "--segment-scores",
        metavar="METRIC=FILE",
        help="File of a score per segment, such as COMET's; once for each system.",
    ),
]
Samples = Annotated[
    int, typer.Option(min=40, max=1_000_000, help="Bootstrap resamples.")
]


def report(
    systems: Systems,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write to; a report in it is not overwritten.",
            show_default="RUN/report/<split>, replaced; for files or several systems "
            "report",
        ),
    ] = None,
    split: Split = "test",
    data_path: DataPath = None,
    source: SourceFile = None,
    reference: References = None,
    language: Language = None,
    to: TargetLanguage = None,
    segment_scores: SegmentScores = None,
    metric: MetricCommands = None,
    metric_timeout: MetricTimeout = 3600,
    samples: Samples = 1000,
    device: DeviceName = None,
) -> None:
    """Write a page about runs: scores, analyses, examples, how they were trained."""
    from seq2seq.evaluation.external_metrics import parse_metrics
    from seq2seq.evaluation.systems import ReportRequest, parse_system_arg

    request = ReportRequest(
        systems,
        split=split,
        data_path=data_path,
        source=source,
        references=reference or (),
        language=language,
        to=to,
        segment_scores=segment_scores or (),
        metrics=parse_metrics(metric or [], timeout=metric_timeout),
        n_bootstrap=samples,
        device=choose_runs_device(device, systems),
    )
    first = parse_system_arg(systems[0])[1]
    own = len(systems) == 1 and first.is_dir() and output is None
    folder = split.replace("+", "-")  # valid+test of a language model.
    output = first / "report" / folder if own else output or Path("report")
    write(request, output, full=True, replace=own)


def choose_runs_device(device: str | None, systems: list[str]) -> str:
    """Resolve --device; torch, which takes long, is imported for runs alone."""
    from seq2seq.evaluation.systems import parse_system_arg

    if device is None and not any(parse_system_arg(s)[1].is_dir() for s in systems):
        return "auto"
    return choose_device(device)


def _is_translation(systems: Sequence[str]) -> bool:
    """Return whether no system is a run of another task."""
    from seq2seq.evaluation.systems import parse_system_arg
    from seq2seq.recipe import Recipe
    from seq2seq.runs.run_folder import RunFolder

    paths = [parse_system_arg(system)[1] for system in systems]
    recipes = [RunFolder(path).read_recipe() for path in paths if path.is_dir()]
    return all(isinstance(recipe, Recipe) for recipe in recipes)


def write(
    request: ReportRequest, output: Path, *, full: bool, replace: bool = False
) -> None:
    """Write a report, and print its summary and its path; see `write_report`."""
    console = make_console()
    errors = make_console(stderr=True)
    errors.quiet = is_quiet()

    def log(line: str) -> None:
        errors.print(line, style="dim", markup=False)

    if _is_translation(request.systems):
        from seq2seq.evaluation.builder import write_report
        from seq2seq.evaluation.console import print_summary

        report = write_report(request, output, full=full, replace=replace, log=log)
        print_summary(report, console)
    elif request.metrics:
        raise UserError("--metric scores translations; leave it out for other tasks.")
    else:
        from seq2seq.evaluation.task_report import write_task_report
        from seq2seq.evaluation.task_sections import summary_lines

        other = write_task_report(request, output, overwrite=replace, log=log)
        for line in summary_lines(other):
            console.print(f"- {line}", markup=False)
    console.print()
    console.print(
        f"{output / 'report.html'} is the page; beside it report.json and report.md",
        markup=False,
    )
