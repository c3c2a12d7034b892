"""seq2seq start; imports nothing heavy before the command runs."""

from __future__ import annotations

import shlex
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.data import Columns, Encoding, Header, Sheet
from seq2seq.cli.options import DeviceName, choose_device
from seq2seq.utils.console import print_hint
from seq2seq.utils.memory import gc_disabled
from seq2seq.utils.text import with_noun

NUM_EXAMPLES = 3


def start(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Sentence pairs: .xlsx, .csv, .tsv, .tmx, .po, .zip, two text files, "
            "or a folder of them or of splits."
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            help="Language to translate from.", show_default="known by names or text"
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Language to translate into.", show_default="known by names or text"
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of what is made: data/NAME, NAME.yaml, runs/NAME.",
            show_default="the file's",
        ),
    ] = None,
    columns: Columns = None,
    header: Header = None,
    sheet: Sheet = None,
    encoding: Encoding = None,
    device: DeviceName = None,
) -> None:
    """Make a translator of files of sentence pairs; the same command again goes on."""
    from seq2seq.prepare.raw_pairs import ImportOptions
    from seq2seq.prepare.start import Workspace, prepare
    from seq2seq.recipe.loader import read_recipe

    workspace = Workspace.of(files, name)
    options = ImportOptions(source, target, columns, None, header, sheet, encoding)
    for note in prepare(files, workspace, options):
        print_hint(note)
    recipe = read_recipe(str(workspace.recipe))
    chosen = choose_device(device)
    with gc_disabled():
        from seq2seq.prepare.time_estimate import TimeEstimate
        from seq2seq.training.train import train

    train(recipe, workspace.run, device=chosen, callbacks=[TimeEstimate(_report)])
    _evaluate(workspace.run, device=chosen)


def _report(seconds: float, steps: int) -> None:
    """Say how long the training will take."""
    time = f"{seconds / 3600:.1f} hours"
    if seconds < 6000:
        time = with_noun(max(1, round(seconds / 60)), "minute")
    print_hint(
        f"about {time} on this machine for {steps:,} more steps: an estimate from 25 "
        "of them, without validations; it may end before. Ctrl-C stops it, and the "
        "same command goes on"
    )


def _evaluate(run: Path, *, device: str) -> None:
    """Score the test split; print examples and what to do next."""
    from seq2seq.evaluation.evaluate import evaluate_split

    evaluation = evaluate_split(run, "test", device=device)
    scores = evaluation.scores
    print(
        f"BLEU {scores.bleu.score:.1f} and chrF {scores.chrf.score:.1f} on "
        f"{len(evaluation.sources):,} sentences that it was not trained on; 100 is the "
        "reference itself"
    )
    rows = zip(
        evaluation.sources,
        evaluation.hypotheses,
        evaluation.references,
        strict=True,
    )
    for texts in islice(rows, NUM_EXAMPLES):
        labels = ("source", "translation", "reference")
        for label, text in zip(labels, texts, strict=True):
            print(f"  {label:<12}{text}")
    quoted = shlex.quote(str(run))
    print_hint(
        f"translate a file: seq2seq translate {quoted} in.txt --output out.txt (also "
        ".srt, .vtt, and .xlsx or .csv with --column NAME)"
    )
    print_hint(f"how good it is, as a page: seq2seq report {quoted}")
