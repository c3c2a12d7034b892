"""seq2seq export."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from seq2seq.cli.options import RunPath
from seq2seq.utils.console import print_hint


def export(
    run: RunPath,
    engine: Annotated[Literal["onnx"], typer.Option(help="Engine to export for.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantize weight matrices to 8 bits.")
    ] = False,
) -> None:
    """Export a run's network for another engine, and compare it with torch."""
    from seq2seq.engines.onnx.export import export as export_onnx
    from seq2seq.runs.run import Run

    folder, comparison = export_onnx(Run.open(run), int8=int8)
    print(
        f"{folder} agrees with torch on {comparison.agreement:.1%} of the likeliest "
        f"tokens; log-probabilities differ by at most "
        f"{comparison.max_difference:.2g} nats"
    )
    print_hint(f"next: seq2seq translate {run} --engine {engine}{'-int8' * int8}")
