"""seq2seq heatmap. Knows arguments; imports nothing heavy before the verb runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import Beam, EnsembleOf, RunPath
from seq2seq.errors import InputError


def heatmap(
    run: RunPath,
    sentence: Annotated[str, typer.Argument(help="What to translate.")],
    output: Annotated[Path, typer.Option(help="The picture: .svg, .png or .pdf.")],
    beam: Beam = None,
    ensemble: EnsembleOf = None,
) -> None:
    """Translate a sentence and draw where each of its words looked."""
    from seq2seq.translate import Options, Translator
    from seq2seq.translate.attention_plot import draw

    translator = Translator.load(run, ensemble=ensemble or [])
    options = Options(align=True)
    if beam is not None:
        options = translator.with_beam(options, beam)
    (found,) = translator.window([sentence], options)
    if found.alignment is None:
        raise InputError("the sentence is blank; give one with words.")
    draw(found.alignment, output)
    print(found.text)
