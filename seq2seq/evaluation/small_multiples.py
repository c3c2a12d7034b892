"""Small multiples: lines in a grid of panels on one scale; figures as files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

import matplotlib as mpl

from seq2seq.evaluation.svg import MUTED, SERIES, open_figure

LINE_STYLES = ("-", "--", "-.", ":")


class PanelRow(NamedTuple):
    """A row of panels with the same lines.

    Attributes:
        ylabel: Label of the row's vertical axis.
        labels: Names of the lines.
        panels: For each column the values of every line, at 0, 1, 2, ...
    """

    ylabel: str
    labels: Sequence[str]
    panels: Sequence[Sequence[Sequence[float]]]


def plot_panels(
    rows: Sequence[PanelRow],
    columns: Sequence[str],
    *,
    xlabel: str,
    limits: tuple[float, float],
    alt: str,
) -> str:
    """Draw lines in a grid of panels with logarithmic vertical axes.

    Args:
        rows: Rows of panels.
        columns: Titles of the columns.
        xlabel: Label of the horizontal axis.
        limits: Ends of the vertical axis; lines leave it where they exceed them.
        alt: Text for readers who do not see the figure.
    """
    size = (0.6 + 3.2 * len(columns) + 1.4, 0.6 + 2.3 * len(rows))
    with open_figure(alt, size=size) as (figure, whole, svg):
        whole.remove()
        grid = figure.subplots(
            len(rows), len(columns), sharex=True, sharey=True, squeeze=False
        )
        for row, axes_of_row in zip(rows, grid, strict=True):
            for lines, axes in zip(row.panels, axes_of_row, strict=True):
                for number, (values, label) in enumerate(
                    zip(lines, row.labels, strict=True)
                ):
                    axes.plot(
                        values,
                        color=SERIES[number % len(SERIES)],
                        linestyle=LINE_STYLES[number % len(LINE_STYLES)],
                        label=label,
                    )
                axes.axhline(1, color=MUTED, linewidth=0.6)
                axes.set_yscale("log", nonpositive="mask")
                axes.set_ylim(*limits)
                axes.yaxis.set_major_locator(mpl.ticker.LogLocator(numticks=7))
                axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(_power))
                axes.yaxis.set_minor_locator(mpl.ticker.NullLocator())
                axes.grid(True, axis="y")
            axes_of_row[0].set_ylabel(row.ylabel)
            axes_of_row[-1].legend(
                loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False
            )
        for axes, title in zip(grid[0], columns, strict=True):
            axes.set_title(title, fontsize=9)
        for axes in grid[-1]:
            axes.set_xlabel(xlabel)
        return svg()


def svg_document(svg: str) -> str:
    """Return a figure of the page as a file of its own.

    It has the page's light colours on their background, a size and a font.
    """
    css = (files("seq2seq.evaluation") / "templates" / "page.css").read_text("utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#\w+);", css.partition("}")[0]))
    text = re.sub(r"var\(--([\w-]+)\)", lambda match: colours[match[1]], svg)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    width, height = (float(side) * 4 / 3 for side in box.groups())  # type: ignore[union-attr]
    opening, _, body = text.partition(">")
    opening += f' xmlns="http://www.w3.org/2000/svg" width="{width:.0f}"'
    opening += f' height="{height:.0f}" font-family="sans-serif"'
    paper = f'<rect width="100%" height="100%" fill="{colours["paper"]}"/>'
    return f"{opening}>{paper}{body}\n"


def _power(value: float, _: int) -> str:
    """Write a power of ten as text, which every reader of SVG shows alike."""
    exponent = f"{value:.0e}".partition("e")[2]
    return "1" if value == 1 else f"1e{int(exponent)}"
