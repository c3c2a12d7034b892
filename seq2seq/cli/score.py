"""seq2seq score. Knows arguments; imports nothing heavy before the verb runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import EnsembleOf, RunPath


def score(
    run: RunPath,
    source: Annotated[Path, typer.Option(help="Lines.")],
    target: Annotated[Path, typer.Option(help="Their translations.")],
    output: Annotated[
        Path | None, typer.Option(help="A file to write. [standard output]")
    ] = None,
    ensemble: EnsembleOf = None,
    batch: Annotated[int, typer.Option(min=1, help="Pairs in a batch.")] = 32,
) -> None:
    """Say how likely a run finds given translations: nats, a line for each pair."""
    from seq2seq.translate.sequence_scorer import SequenceScorer, zip_lines
    from seq2seq.utils.files import read_lines, write_lines

    scorer = SequenceScorer.load(run, ensemble=ensemble or [])
    names = (str(source), str(target))
    pairs = zip_lines(read_lines(source), read_lines(target), names=names)
    lines = (f"{nats:.6f}" for nats in scorer(pairs, batch=batch))
    if output is not None:
        write_lines(output, lines)
        return
    for line in lines:
        sys.stdout.write(line + "\n")
