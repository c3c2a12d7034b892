"""seq2seq report. Knows arguments; imports nothing heavy before the verb runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
Output = Annotated[
    Path | None, typer.Option(help="The folder to write to. [RUN/report/<split>]")
]
Split = Annotated[
    str, typer.Option(help="Which split: train, valid, test or the data's name.")
]
DataPath = Annotated[
    str | None, typer.Option(help="Where the data is, if not where it was.")
]
SourceFile = Annotated[Path | None, typer.Option(help="Source lines, without a run.")]
References = Annotated[
    list[Path] | None,
    typer.Option("--reference", help="Reference lines. May be repeated."),
]
Language = Annotated[
    str | None, typer.Option(help="The target language, without a run.")
]
SegmentScores = Annotated[
    list[str] | None,
    typer.Option(
        "--segment-scores",
        metavar="METRIC=FILE",
        help="A score for each segment, such as COMET's; once for each system.",
    ),
]
Samples = Annotated[
    int, typer.Option(min=40, max=1_000_000, help="Bootstrap resamples.")
]


def report(
    systems: Systems,
    output: Output = None,
    split: Split = "test",
    data_path: DataPath = None,
    source: SourceFile = None,
    reference: References = None,
    language: Language = None,
    segment_scores: SegmentScores = None,
    samples: Samples = 1000,
) -> None:
    """Write a page about runs: scores, analyses, examples, how they were trained."""
    from seq2seq.evaluation.systems import ReportRequest

    asked = ReportRequest(
        systems,
        split=split,
        data_path=data_path,
        source=source,
        references=reference or (),
        language=language,
        segment_scores=segment_scores or (),
        samples=samples,
    )
    write(asked, output, whole=True)


def write(asked: ReportRequest, output: Path | None, *, whole: bool) -> None:
    """Make a report, print its summary and say where it is."""
    from rich.console import Console

    from seq2seq.evaluation.console import print_summary
    from seq2seq.evaluation.systems import parse_system_arg
    from seq2seq.evaluation.writer import write_report

    console = Console(highlight=False)
    errors = Console(stderr=True, highlight=False)
    if output is None:
        first = parse_system_arg(asked.systems[0])[1]
        output = Path("report" if whole else "comparison")
        if len(asked.systems) == 1 and first.is_dir():
            output = first / "report" / asked.split
    content = write_report(
        asked,
        output,
        whole=whole,
        tell=lambda line: errors.print(line, style="dim", markup=False),
    )
    print_summary(content, console)
    console.print()
    console.print(
        f"{output / 'report.html'} is the page; beside it report.json and report.md",
        soft_wrap=True,
        markup=False,
    )
