"""Plots as inline SVG for an HTML page.

Colours are the page's CSS variables, so one figure serves light, dark and paper. The
same numbers give the same bytes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seq2seq.utils.figures import figure_bytes

# Placeholders, replaced by the page's variables once the figure is drawn.
INK, MUTED, LINE, PAPER = "#010101", "#020202", "#030303", "#040404"
SERIES = [f"#1{i}1{i}1{i}" for i in range(8)]
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", PAPER: "paper"}
_VARIABLES |= {colour: f"series-{i + 1}" for i, colour in enumerate(SERIES)}
MARKERS = "osD^vPX*"
_STYLE = {
    "svg.fonttype": "none",  # Text stays text: it can be found, read out and copied.
    "text.parse_math": False,  # A dollar sign is one.
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "axes.xmargin": 0.03,
}
FEW = 10
"""Points of fewer segments are drawn hollow: their score is unreliable."""


class Point(NamedTuple):
    """A score with its interval.

    Attributes:
        category: Index of the category.
        value: The score.
        low: Lower end of the interval.
        high: Upper end of the interval.
        segments: Number of segments scored.
    """

    category: int
    value: float
    low: float
    high: float
    segments: int


def plot_intervals(
    series: Sequence[Sequence[Point]],
    categories: Sequence[str],
    *,
    xlabel: str,
    ylabel: str,
    alt: str,
) -> str:
    """Draw values with intervals, a series for each system, over categories."""
    with open_figure(alt) as (_, axes, svg):
        for number, points in enumerate(series):
            shift = (number - (len(series) - 1) / 2) * min(0.12, 0.6 / len(series))
            colour = SERIES[number % len(SERIES)]
            positions = [point.category + shift for point in points]
            values = [point.value for point in points]
            axes.plot(positions, values, color=colour, alpha=0.45)
            for x, point in zip(positions, points, strict=True):
                few = point.segments < FEW
                axes.plot(
                    [x, x],
                    [point.low, point.high],
                    color=colour,
                    linewidth=1,
                    alpha=0.35 if few else 1,
                )
                axes.plot(
                    [x],
                    [point.value],
                    color=colour,
                    marker=MARKERS[number % len(MARKERS)],
                    markerfacecolor=PAPER if few else colour,
                )
        axes.set_xticks(range(len(categories)), categories)
        axes.set_xlim(-0.5, len(categories) - 0.5)
        _fit(axes, [end for points in series for p in points for end in p[1:4]])
        _label(axes, xlabel, ylabel)
        return svg()


def plot_bars(
    series: Sequence[Sequence[float]],
    categories: Sequence[str],
    *,
    xlabel: str,
    ylabel: str,
    alt: str,
) -> str:
    """Draw a group of bars for each category, one for each system."""
    with open_figure(alt) as (_, axes, svg):
        width = 0.8 / max(len(series), 1)
        for number, values in enumerate(series):
            begin = (number - (len(series) - 1) / 2) * width
            axes.bar(
                [category + begin for category in range(len(values))],
                values,
                width=width * 0.92,
                color=SERIES[number % len(SERIES)],
            )
        axes.set_xticks(range(len(categories)), categories)
        _label(axes, xlabel, ylabel)
        return svg()


def plot_lines(
    lines: Sequence[tuple[Sequence[float], Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    alt: str,
    band: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None,
    limit: float | None = None,
    logarithmic: bool = False,
) -> str:
    """Draw lines over steps.

    Args:
        lines: Steps and values of each.
        xlabel: Label of the horizontal axis.
        ylabel: Label of the vertical axis.
        alt: Text for readers who do not see the figure.
        band: Steps, lower and upper ends of an interval around the first line.
        limit: Height of a dotted line across.
        logarithmic: Whether the vertical axis is logarithmic.
    """
    with open_figure(alt) as (_, axes, svg):
        if band is not None:
            axes.fill_between(*band, color=SERIES[0], alpha=0.2, linewidth=0)
        for number, (steps, values) in enumerate(lines):
            axes.plot(
                steps,
                values,
                color=SERIES[number % len(SERIES)],
                marker="o" if len(steps) < 15 else "",
                linestyle="-" if number == 0 else "--",
            )
        if limit is not None:
            axes.axhline(limit, color=MUTED, linewidth=0.8, linestyle=":")
        if logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:g}"))
            axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        else:
            ends = [*band[1], *band[2]] if band is not None else []
            _fit(axes, [*ends, *(y for _, values in lines for y in values)])
        _label(axes, xlabel, ylabel)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        return svg()


def plot_heatmap(
    weights: Sequence[Sequence[float]],
    columns: Sequence[str],
    rows: Sequence[str],
    *,
    alt: str,
) -> str:
    """Draw weights from 0 to 1: the stronger the colour, the more."""
    size = (1.1 + 0.19 * len(columns), 0.9 + 0.19 * len(rows))
    with open_figure(alt, size=size) as (_, axes, svg):
        for y, line in enumerate(weights):
            for x, weight in enumerate(line):
                if weight >= 0.01:
                    axes.add_patch(
                        Rectangle(
                            (x, y), 0.96, 0.96, facecolor=SERIES[0], alpha=weight, lw=0
                        )
                    )
        axes.set_xlim(0, len(columns))
        axes.set_ylim(len(rows), 0)
        axes.set_xticks([x + 0.5 for x in range(len(columns))], columns, rotation=90)
        axes.set_yticks([y + 0.5 for y in range(len(rows))], rows)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return svg()


def plot_scatter(
    points: Sequence[tuple[float, float]],
    labels: Sequence[str],
    shades: Sequence[float],
    *,
    xlabel: str,
    ylabel: str,
    alt: str,
) -> str:
    """Draw labelled points; a shade runs from 0, pale, to 1."""
    with open_figure(alt, size=(5.0, 4.0)) as (figure, axes, svg):
        for (x, y), shade in zip(points, shades, strict=True):
            axes.plot([x], [y], "o", color=SERIES[0], alpha=0.25 + 0.75 * shade, ms=6)
        axes.margins(0.1)
        axes.grid(True)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        figure.draw_without_rendering()  # Until then the axes have no scale.
        pixels = [tuple(axes.transData.transform(point)) for point in points]
        offsets = _label_offsets(pixels)
        for point, label, offset in zip(points, labels, offsets, strict=True):
            axes.annotate(
                label,
                point,
                offset,
                textcoords="offset pixels",
                ha="center",
                va="center",
                fontsize=8,
            )
        return svg()


def _label_offsets(pixels: Sequence[tuple[float, ...]]) -> list[tuple[float, float]]:
    """Choose for each label the offset from its point that overlaps least."""
    options = [(0, 10), (11, 0), (-11, 0), (0, -10), (10, 8), (-10, 8), (10, -8)]
    options += [(-10, -8), (0, 19), (21, 0), (-21, 0), (0, -19)]
    occupied: list[tuple[float, float]] = []
    offsets = []
    for x, y in pixels:

        def overlap(offset: tuple[int, int], x: float = x, y: float = y) -> float:
            centre = x + offset[0], y + offset[1]
            near = [(px, py, 10.0, 9.0) for px, py in pixels]
            near += [(lx, ly, 14.0, 10.0) for lx, ly in occupied]
            return sum(
                max(0.0, 1 - abs(centre[0] - px) / wide)
                * max(0.0, 1 - abs(centre[1] - py) / high)
                for px, py, wide, high in near
            )

        best = min(options, key=overlap)
        offsets.append((float(best[0]), float(best[1])))
        occupied.append((x + best[0], y + best[1]))
    return offsets


def _fit(axes: Axes, values: Sequence[float]) -> None:
    """Let the vertical axis span the values; 0 belongs to it where they come near."""
    low, high = min(values), max(values)
    if 0 <= low < high / 2:
        axes.set_ylim(bottom=0)
    elif high > low:
        margin = 0.08 * (high - low)
        axes.set_ylim(low - margin, high + margin)


def _label(axes: Axes, xlabel: str, ylabel: str) -> None:
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(True, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


@contextmanager
def open_figure(
    alt: str, *, size: tuple[float, float] = (5.0, 2.7)
) -> Iterator[tuple[Figure, Axes, Callable[[], str]]]:
    """Open a figure in the report's style; yield it, its axes and a renderer to SVG."""
    style: Any = _STYLE
    with mpl.rc_context(style), warnings.catch_warnings():
        # Of characters that matplotlib's font lacks: the reader's browser has them.
        warnings.simplefilter("ignore", UserWarning)
        figure = Figure(figsize=size, dpi=72, layout="constrained")
        axes = figure.subplots()
        yield figure, axes, lambda: _svg(figure, alt)


def _svg(figure: Figure, alt: str) -> str:
    """Render a figure, and strip from the file what an HTML page does not need."""
    text = figure_bytes(figure, "svg", salt=alt, transparent=True).decode()
    text = text[text.index("<svg") :]
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', text)[1])  # type: ignore[index]
    head, _, body = text.partition(">")
    box = re.search(r'viewBox="[^"]*"', head)[0]  # type: ignore[index]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r'<style type="text/css">.*?</style>', "", body, flags=re.S)
    # Only inside tags: a label may well read "#010101" or "3.14159".
    body = re.sub(r"<[^>]+>", lambda tag: _slim(tag[0]), body)
    body = re.sub(r">\s+<", "><", body)
    label = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    opening = f'<svg {box} role="img" aria-label="{label}" style="--w:{width:g}pt"'
    return f"{opening}>{body}"


def _slim(tag: str) -> str:
    """Strip unused names, fonts and digits from a tag; replace its colours."""
    tag = re.sub(r' id="(?!m[0-9a-f]{10}"|p[0-9a-f]{10}")[^"]*"', "", tag)
    tag = tag.replace("xlink:href=", "href=")
    tag = re.sub(r' transform="rotate\(-?0 [^"]*"', "", tag)
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    tag = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", tag)
    # One decimal of a coordinate: a tenth of a point is not seen.
    tag = re.sub(
        r'(?<= )(?:d|x|y|transform)="[^"]*"',
        lambda match: re.sub(r"(\.\d)\d+", r"\1", match[0]),
        tag,
    )
    return re.sub(r'style="[^"]*"', lambda style: _replace_colours(style[0]), tag)


def _replace_colours(style: str) -> str:
    """Replace placeholder colours by the page's variables."""
    return re.sub(
        r"#[0-9a-f]{6}",
        lambda match: f"var(--{_VARIABLES.get(match[0], 'ink')})",
        style,
    )
