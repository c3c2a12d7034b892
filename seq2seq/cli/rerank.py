"""seq2seq rerank."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import (
    DeviceName,
    LanguageModelWeight,
    choose_device,
)
from seq2seq.cli.verbs import MODEL


def rerank(
    n_best: Annotated[
        Path, typer.Argument(help="N-best lists, as translate --n-best writes them.")
    ],
    language_model: Annotated[
        Path,
        MODEL,
        typer.Option(help="Run of a language model, over whatever tokens."),
    ],
    lm_weight: LanguageModelWeight = None,
    length_penalty: Annotated[
        float,
        typer.Option(
            min=0, help="The search's length penalty, for the language model as well."
        ),
    ] = 1.0,
    output: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="standard output")
    ] = None,
    device: DeviceName = None,
) -> None:
    """Choose the best of each n-best list by its score and a language model's."""
    from seq2seq.engines.factory import LM_WEIGHT
    from seq2seq.translate.rerank import read_n_best
    from seq2seq.translate.rerank import rerank as rerank_lists
    from seq2seq.utils.files import read_lines, write_lines
    from seq2seq.utils.overwriting import STDOUT, check_overwrites_no_input

    check_overwrites_no_input([STDOUT if output is None else output], [n_best])
    lines = rerank_lists(
        read_n_best(read_lines(n_best), str(n_best)),
        language_model,
        weight=LM_WEIGHT if lm_weight is None else lm_weight,
        length_penalty=length_penalty,
        device=choose_device(device),
    )
    if output is not None:
        write_lines(output, lines)
        return
    for line in lines:
        sys.stdout.write(line + "\n")
