"""Pictures and attention over them as inline SVG."""

from __future__ import annotations

import numpy as np

from seq2seq.evaluation import svg
from seq2seq.evaluation.caption_pictures import CaptionedPicture, data_uri
from seq2seq.evaluation.summary import escape_control_chars


def picture_figure(picture: CaptionedPicture) -> str | None:
    """Draw a picture; None of features."""
    if not picture.png:
        return None
    height, width = picture.size
    image = (
        f'<image id="p{picture.example}" href="{picture.png}" width="{width}" '
        f'height="{height}" preserveAspectRatio="none"/>'
    )
    return _frame(picture, image, f"picture {picture.example}")


def word_figures(picture: CaptionedPicture) -> list[tuple[str, str]]:
    """Draw for each word the picture, darker where the attention is less."""
    attention, (rows, columns) = picture.attention, picture.grid
    if attention is None or not picture.png:
        return []
    figures = []
    for word, weights in zip(attention.target, attention.weights, strict=True):
        grid = np.array(weights).reshape(rows, columns)
        shade = (210 * (1 - grid / max(grid.max(), 1e-9))).astype(np.uint8)
        uri = data_uri(np.stack([np.zeros_like(shade), shade]))  # Black; its opacity.
        content = (
            f'<use href="#p{picture.example}"/><image href="{uri}" '
            f'width="{columns * picture.stride}" height="{rows * picture.stride}" '
            'preserveAspectRatio="none"/>'
        )
        figures.append((word, _frame(picture, content, "attention")))
    return figures


def feature_figure(picture: CaptionedPicture) -> str | None:
    """Draw attention over positions of features, a row for each word."""
    attention = picture.attention
    if attention is None or picture.png:
        return None
    return svg.plot_heatmap(
        attention.weights,
        attention.source,
        list(map(escape_control_chars, attention.target)),
        alt=f"Attention over the positions of picture {picture.example}",
    )


def _frame(picture: CaptionedPicture, content: str, label: str) -> str:
    height, width = picture.size
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        f"{content}</svg>"
    )
