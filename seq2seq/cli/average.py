"""seq2seq average."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.utils.console import print_hint


def average(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders, or checkpoints in them, at least two."),
    ],
    output: Annotated[Path, typer.Option(help="Run folder to make.")],
) -> None:
    """Average the weights of checkpoints into one run."""
    from seq2seq.training.average_checkpoints import average as average_checkpoints

    average_checkpoints(runs, output)
    print(f"{output} holds the mean of {len(runs)}")
    print_hint(f"next: seq2seq evaluate {output}")
