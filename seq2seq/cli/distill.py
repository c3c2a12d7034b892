"""seq2seq distill."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import (
    Beam,
    DataPath,
    DeviceName,
    EngineOption,
    EnsembleOf,
    RunPath,
    TargetLanguage,
    choose_device,
    with_beam,
)
from seq2seq.utils.console import print_hint
from seq2seq.utils.text import with_noun


def distill(
    run: RunPath,
    folder: Annotated[Path, typer.Argument(help="Folder to write the corpus to.")],
    to: TargetLanguage = None,
    ensemble: EnsembleOf = None,
    beam: Beam = None,
    sequence_interpolation: Annotated[
        bool,
        typer.Option(
            "--sequence-interpolation",
            help="Take the beam hypothesis with the highest BLEU against the reference "
            "(Kim and Rush 2016, section 3.3); sources of several sentences are then "
            "translated whole.",
            show_default="the best hypothesis",
        ),
    ] = False,
    engine: EngineOption = "torch",
    device: DeviceName = None,
    data_path: DataPath = None,
) -> None:
    """Translate the training data, to train another run on (distillation)."""
    from seq2seq.runs.run import Run
    from seq2seq.translate import Translator
    from seq2seq.translate.distill import distill as write_corpus

    translator = Translator.load(
        run,
        ensemble=ensemble or [],
        engine=engine,
        device=choose_device(device, engine=engine),
        overrides=with_beam(None, beam),
        to=to,
    )
    paths = [run, *(ensemble or [])]
    job = {
        "runs": [Run.open(path).fingerprint() for path in paths],
        "engine": engine,
        "search": translator.recipe.search.model_dump(),
    }
    try:
        result = write_corpus(
            translator,
            folder,
            job=job,
            sequence_interpolation=sequence_interpolation,
            data_path=data_path,
        )
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    dropped = ""
    if result.num_blank:
        dropped = f"; {result.num_blank:,} with a blank side left out"
    how = "whole" if result.sentences == "keep" else "sentence by sentence"
    print(
        f"{result.path} has {with_noun(result.num_pairs, 'pair')}{dropped}; "
        f"sources of several sentences were translated {how}"
    )
    print_hint(f"next: seq2seq train RECIPE -o 'data.mix=[{{path: {folder}}}]'")
