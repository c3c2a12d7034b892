"""The course of a validation metric in several runs, in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.evaluation.small_multiples import LINE_STYLES, svg_document
from seq2seq.evaluation.svg import SERIES, open_figure
from seq2seq.evaluation.training_history import read_series
from seq2seq.recipe.train import LOWER_IS_BETTER
from seq2seq.runs.run_folder import RunFolder
from seq2seq.tuning.run_table import RunRow
from seq2seq.utils.files import atomic_file

MAX_LINES = len(SERIES) * len(LINE_STYLES)
"""Lines that colour and style tell apart."""


def write_curves(rows: Sequence[RunRow], path: Path) -> None:
    """Draw the validations of runs over steps, a line for each, into an SVG file.

    Args:
        rows: The runs, all with the metric of the first.
        path: The file.

    Raises:
        UserError: If no run has validations, or there are too many.
    """
    metric = rows[0].metric
    if other := next((row for row in rows if row.metric != metric), None):
        raise UserError(
            f"{rows[0].path} was validated by {metric} and {other.path} by "
            f"{other.metric}; draw runs of one metric in one picture."
        )
    lines = [
        (row, series[f"valid_{metric}"])
        for row in rows
        for series in (read_series(RunFolder(row.path).metrics),)
        if f"valid_{metric}" in series
    ]
    if not lines:
        raise UserError("none of these runs has been validated yet: there is no curve.")
    if len(lines) > MAX_LINES:
        raise UserError(
            f"{len(lines)} runs came, and a picture takes at most {MAX_LINES}; name "
            "fewer folders."
        )
    title = "BLEU" if metric == "bleu" else metric.replace("_", " ")
    count = -(-len(lines) // 24)  # Columns of the legend.
    size = (6.5 + 2.6 * (count - 1), max(3.4, 0.7 + 0.17 * -(-len(lines) // count)))
    alt = f"Validation {title} of {len(lines)} runs by step"
    with open_figure(alt, size=size) as (_, axes, svg):
        for number, (row, points) in enumerate(lines):
            axes.plot(
                [step for step, _ in points],
                [value for _, value in points],
                color=SERIES[number % len(SERIES)],
                linestyle=LINE_STYLES[number // len(SERIES)],
                marker="o" if len(points) < 15 else "",
                label=_label(row.path, [row.path for row, _ in lines]),
            )
        axes.set_xlabel("step")
        axes.set_ylabel(f"validation {title}")
        axes.grid(True, axis="y")
        axes.legend(
            loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, ncols=count
        )
        # A diverged run would press all others together.
        values = sorted(value for _, points in lines for _, value in points)
        if metric in LOWER_IS_BETTER and values[-1] > 4 * values[len(values) // 2]:
            axes.set_ylim(top=1.2 * values[int(0.9 * (len(values) - 1))])
        text = svg_document(svg())
    with atomic_file(path) as file:
        file.write(text.encode())


def _label(path: Path, paths: Sequence[Path]) -> str:
    """Name a run by its folder, with those above it where others have that name."""
    alike = sum(other.name == path.name for other in paths) > 1
    text = str(path) if alike else path.name
    return text if len(text) <= 44 else f"…{text[-43:]}"
