"""Attention heatmaps (Bahdanau et al. 2015, figure 3)."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.translate.alignment import Alignment
from seq2seq.utils.files import atomic_file

SUFFIXES = (".svg", ".png", ".pdf")


def plot_attention(alignment: Alignment, path: Path) -> None:
    """Plot attention weights as a greyscale matrix, a row for each target word.

    Args:
        alignment: Words and attention weights.
        path: The figure to write: .svg, .png or .pdf.

    Raises:
        UserError: If the file has another suffix or cannot be written, or there are no
            words.

    Source: Bahdanau et al. 2015, section 5.2.1, figure 3.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: a picture's name must end in {', '.join(SUFFIXES)}.")
    if not alignment.weights.size:
        raise UserError("there are no words to align; give a sentence.")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows, columns = alignment.weights.shape
    buffer = io.BytesIO()
    # The same sentence gives the same bytes: no random names, no timestamps.
    with mpl.rc_context({"svg.hashsalt": "seq2seq"}), warnings.catch_warnings():
        # A word in a script that the font lacks is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(1.5 + 0.45 * columns, 1.5 + 0.4 * rows))
        axes = figure.add_subplot()
        axes.imshow(alignment.weights, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.xaxis.tick_top()
        # A dollar sign is a dollar sign, not mathematics.
        axes.set_xticks(range(columns), alignment.source, rotation=60, ha="left")
        axes.set_yticks(range(rows), alignment.target)
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            label.set_parse_math(False)
        axes.set_xlabel("source")
        axes.set_ylabel("translation")
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        figure.savefig(
            buffer,
            format=path.suffix[1:],
            bbox_inches="tight",
            metadata=metadata.get(path.suffix),
        )
    with atomic_file(path) as file:
        file.write(buffer.getvalue())
