"""seq2seq export. Knows arguments; imports nothing heavy before the verb runs."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from seq2seq.cli.options import RunPath


class Exported(Enum):
    """What a run can be exported for."""

    onnx = "onnx"


def export(
    run: RunPath,
    engine: Annotated[Exported, typer.Option(help="What will translate.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Keep matrices with 8 bits.")
    ] = False,
) -> None:
    """Write a run's network for another engine, and compare it with torch."""
    from seq2seq.engines.onnx.export import export as write
    from seq2seq.runs.run import Run

    folder, comparison = write(Run.open(run), int8=int8)
    print(
        f"{folder} agrees with torch on {comparison.agreement:.1%} of the likeliest "
        f"tokens; log-probabilities differ by at most "
        f"{comparison.max_difference:.2g} nats"
    )
    print(f"next: seq2seq translate {run} --engine {engine.value}{'-int8' * int8}")
