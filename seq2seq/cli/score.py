"""seq2seq score."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import (
    DeviceName,
    EnsembleOf,
    RunPath,
    TargetLanguage,
    choose_device,
)


def score(
    run: RunPath,
    source: Annotated[
        Path, typer.Option(help="File of source sentences, one per line.")
    ],
    target: Annotated[
        Path, typer.Option(help="File of target sentences to score, one per line.")
    ],
    output: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="standard output")
    ] = None,
    to: TargetLanguage = None,
    ensemble: EnsembleOf = None,
    device: DeviceName = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Maximal number of pairs in a batch.")
    ] = 32,
) -> None:
    """Print the log-probability of each given translation, in nats."""
    from seq2seq.translate.sequence_scorer import SequenceScorer, zip_lines
    from seq2seq.utils.files import read_lines, write_lines
    from seq2seq.utils.overwriting import STDOUT, check_overwrites_no_input

    check_overwrites_no_input([STDOUT if output is None else output], [source, target])
    scorer = SequenceScorer.load(
        run, ensemble=ensemble or [], device=choose_device(device), to=to
    )
    names = (str(source), str(target))
    pairs = zip_lines(read_lines(source), read_lines(target), names=names)
    scores = scorer(pairs, batch_size=batch_size)
    lines = (f"{log_prob:.6f}" for log_prob in scores)
    if output is not None:
        write_lines(output, lines)
        return
    for line in lines:
        sys.stdout.write(line + "\n")
