"""seq2seq shortlist. Knows arguments; imports nothing heavy before the verb runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from seq2seq.cli.options import RunPath

if TYPE_CHECKING:
    from seq2seq.runs.run import Run


def shortlist(
    run: RunPath,
    data_path: Annotated[
        str | None, typer.Option(help="Where the data is, if not where it was.")
    ] = None,
) -> None:
    """Learn from the training pairs which pieces translate which."""
    from seq2seq.data.ibm_model1 import train_ibm_model1
    from seq2seq.engines.shortlist import save_table
    from seq2seq.runs.run import Run
    from seq2seq.types import EOS

    opened = Run.open(run)
    table = train_ibm_model1(
        _pairs(opened, data_path),
        source_vocab_size=len(opened.source),
        target_vocab_size=len(opened.target),
        null=EOS,
    )
    place = save_table(opened.folder.path, table)
    print(f"{place} was learned from {table.pairs:,} pairs")
    print(f"next: seq2seq translate {run} --shortlist 50")


def _pairs(run: Run, data_path: str | None) -> Iterator[tuple[list[int], list[int]]]:
    """Encode the training pairs that are short enough, some at a time."""
    from itertools import chain, islice

    from seq2seq.data.preprocessing import training_corpora

    data = run.recipe.data
    if data_path is not None:
        data = data.model_copy(update={"path": data_path})
    pairs = chain.from_iterable(corpus.read() for corpus in training_corpora(data))
    while some := list(islice(pairs, 10_000)):
        sources = run.source.encode([pair.source for pair in some])
        targets = run.target.encode([pair.target for pair in some])
        for source, target in zip(sources, targets, strict=True):
            if 0 < max(len(source), len(target)) <= data.max_length:
                yield source, target
