"""The options --metric and --metric-timeout of evaluate, report and compare."""

from __future__ import annotations

from typing import Annotated

import typer

MetricCommands = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME=COMMAND",
        help="Another program's metric, such as COMET's: the command is run without a "
        "shell, {source} {hypothesis} {reference} in it are files, and it writes a "
        "number a line to {scores}, or prints it. Repeatable.",
    ),
]
MetricTimeout = Annotated[
    float,
    typer.Option(
        "--metric-timeout", min=1, help="Seconds that a --metric command may take."
    ),
]
