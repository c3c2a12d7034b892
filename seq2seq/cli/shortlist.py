"""seq2seq shortlist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seq2seq.cli.options import DataPath, RunPath
from seq2seq.utils.console import print_hint
from seq2seq.utils.text import with_noun

if TYPE_CHECKING:
    from seq2seq.runs.run import Run


def shortlist(run: RunPath, data_path: DataPath = None) -> None:
    """Train the lexical table of --shortlist (IBM model 1) on the training pairs."""
    from seq2seq.data.ibm_model1 import train_ibm_model1
    from seq2seq.engines.shortlist import save_table
    from seq2seq.runs.run import Run
    from seq2seq.types import EOS

    trained = Run.open(run)
    trained.folder.require_own()
    table = train_ibm_model1(
        _encoded_pairs(trained, data_path),
        source_vocab_size=len(trained.source),
        target_vocab_size=len(trained.target),
        null=EOS,
    )
    path = save_table(trained.folder.path, table)
    print(f"{path} was learned from {with_noun(table.num_pairs, 'pair')}")
    print_hint(f"next: seq2seq translate {run} --shortlist 50")


def _encoded_pairs(
    run: Run, data_path: str | None
) -> Iterator[tuple[list[int], list[int]]]:
    """Encode the training pairs of at most data.max_length tokens, in chunks."""
    from itertools import islice

    from seq2seq.data.splits import training_corpora

    data = run.recipe.data.with_path(data_path)
    for corpus in training_corpora(data):
        tokenizer = run.source.for_target(corpus.languages[1], corpus.tag)
        pairs = corpus.read()
        while chunk := list(islice(pairs, 10_000)):
            sources = tokenizer.encode([pair.source for pair in chunk])
            targets = run.target.encode([pair.target for pair in chunk])
            for source, target in zip(sources, targets, strict=True):
                if 0 < max(len(source), len(target)) <= data.max_length:
                    yield source, target
