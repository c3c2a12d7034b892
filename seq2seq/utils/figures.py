"""Write matplotlib figures: the same numbers give the same bytes."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seq2seq.errors import UserError
from seq2seq.utils.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".pdf")
_NO_TIME = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def check_figure_suffix(path: Path) -> None:
    """Check a figure's name before minutes are spent on its numbers.

    Raises:
        UserError: If the suffix is not one of SUFFIXES.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: a figure's name must end in {', '.join(SUFFIXES)}.")


def save_figure(figure: Figure, path: Path, **options: Any) -> None:
    """Write a figure to a file, atomically.

    Args:
        figure: The figure.
        path: The figure: .svg, .png or .pdf.
        options: Further arguments of matplotlib's `savefig`.

    Raises:
        UserError: If the suffix is another one, or the file cannot be written.
    """
    check_figure_suffix(path)
    content = figure_bytes(figure, path.suffix[1:], **options)
    with atomic_file(path) as file:
        file.write(content)


def figure_bytes(
    figure: Figure, file_format: str, *, salt: str = "", **options: Any
) -> bytes:
    """Render a figure without random identifiers and without the time.

    Args:
        figure: The figure.
        file_format: svg, png or pdf.
        salt: Makes the identifiers of this SVG differ from those of others on a page.
        options: Further arguments of matplotlib's `savefig`.
    """
    import matplotlib as mpl

    stream = io.BytesIO()
    # A prefix, since matplotlib takes the bare string "none" for None: random names.
    with mpl.rc_context({"svg.hashsalt": f"seq2seq{salt}"}), warnings.catch_warnings():
        # A character that the font lacks is drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(
            stream, format=file_format, metadata=_NO_TIME.get(file_format), **options
        )
    return stream.getvalue()
