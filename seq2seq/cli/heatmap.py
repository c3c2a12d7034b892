"""seq2seq heatmap."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import (
    Beam,
    DeviceName,
    EnsembleOf,
    RunPath,
    TargetLanguage,
    choose_device,
)
from seq2seq.errors import UserError


def heatmap(
    run: RunPath,
    sentence: Annotated[str, typer.Argument(help="Source sentence to translate.")],
    output: Annotated[Path, typer.Option(help="Figure to write: .svg, .png or .pdf.")],
    to: TargetLanguage = None,
    beam: Beam = None,
    ensemble: EnsembleOf = None,
    device: DeviceName = None,
) -> None:
    """Translate a sentence and plot its attention weights."""
    from seq2seq.translate import TranslationOptions, Translator
    from seq2seq.translate.attention_plot import plot_attention

    translator = Translator.load(
        run, ensemble=ensemble or [], device=choose_device(device), to=to
    )
    options = TranslationOptions(align=True)
    if beam is not None:
        options = translator.with_beam_size(options, beam)
    (translation,) = translator.translate_batch([sentence], options)
    if translation.alignment is None:
        raise UserError("the sentence is blank; give one with words.")
    plot_attention(translation.alignment, output)
    print(translation.translation)
