"""seq2seq compare; imports nothing heavy before the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.metric_options import MetricCommands, MetricTimeout
from seq2seq.cli.options import DataPath, DeviceName, Split, TargetLanguage
from seq2seq.cli.report import (
    Language,
    References,
    Samples,
    SegmentScores,
    SourceFile,
    Systems,
    choose_runs_device,
    write,
)
from seq2seq.errors import UserError


def compare(
    systems: Systems,
    output: Annotated[
        Path,
        typer.Option(help="Folder to write to; a report in it is not overwritten."),
    ] = Path("comparison"),
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
    trials: Annotated[
        int,
        typer.Option(
            min=40, max=1_000_000, help="Trials of approximate randomization."
        ),
    ] = 10_000,
) -> None:
    """Test whether systems differ: intervals, significance, and where they do."""
    from seq2seq.evaluation.external_metrics import parse_metrics
    from seq2seq.evaluation.systems import ReportRequest

    if len(systems) < 2:
        raise UserError(
            "compare needs two systems or more; for one there is seq2seq report."
        )
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
        n_trials=trials,
    )
    write(request, output, full=False)
