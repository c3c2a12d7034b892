"""Attention heatmaps (Bahdanau et al. 2015, figure 3)."""

from __future__ import annotations

from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.translate.alignment import Alignment
from seq2seq.utils.figures import check_figure_suffix, save_figure


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
    check_figure_suffix(path)
    weights = alignment.weights
    if not weights.size:
        raise UserError("there are no words to align; give a sentence.")
    from matplotlib.figure import Figure

    rows, columns = weights.shape
    figure = Figure(figsize=(1.5 + 0.45 * columns, 1.5 + 0.4 * rows))
    axes = figure.add_subplot()
    axes.imshow(weights, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.xaxis.tick_top()
    axes.set_xticks(range(columns), alignment.source, rotation=60, ha="left")
    axes.set_yticks(range(rows), alignment.target)
    # A dollar sign is a dollar sign, not mathematics.
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)
    axes.set_xlabel("source")
    axes.set_ylabel("translation")
    save_figure(figure, path, bbox_inches="tight")
