"""seq2seq average. Knows arguments; imports nothing heavy before the verb runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def average(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, or checkpoints in them.")
    ],
    output: Annotated[Path, typer.Option(help="The run folder to make.")],
) -> None:
    """Make one run of several: the mean of their weights."""
    from seq2seq.training import average_checkpoints as room

    room.average(runs, output)
    print(f"{output} holds the mean of {len(runs)}; next: seq2seq evaluate {output}")
