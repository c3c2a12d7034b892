"""seq2seq distill. Knows arguments; imports nothing heavy before the verb runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import (
    Beam,
    EngineName,
    EngineOption,
    EnsembleOf,
    RunPath,
    with_beam,
)


def distill(
    run: RunPath,
    folder: Annotated[Path, typer.Argument(help="Where to write the corpus.")],
    ensemble: EnsembleOf = None,
    beam: Beam = None,
    nearest: Annotated[
        bool,
        typer.Option(
            "--nearest",
            help="Of a beam's translations take the nearest to the reference, not the "
            "likeliest.",
        ),
    ] = False,
    engine: EngineOption = EngineName.torch,
    data_path: Annotated[
        str | None, typer.Option(help="Where the data is, if not where it was.")
    ] = None,
) -> None:
    """Translate the training data, for another run to learn from."""
    from seq2seq.runs.run import Run
    from seq2seq.translate import Translator
    from seq2seq.translate.distill import distill as write

    translator = Translator.load(
        run,
        ensemble=ensemble or [],
        engine=engine.value,
        overrides=with_beam(None, beam),
    )
    job = {
        "runs": [Run.open(each).fingerprint() for each in [run, *(ensemble or [])]],
        "engine": engine.value,
        "search": translator.recipe.search.model_dump(),
    }
    found = write(translator, folder, job=job, nearest=nearest, data_path=data_path)
    blank = f"; {found.blank:,} with a blank side left out" if found.blank else ""
    print(f"{found.file} has {found.pairs:,} pairs{blank}")
    print(f"next: seq2seq train RECIPE -o 'data.mix=[{{path: {folder}}}]'")
