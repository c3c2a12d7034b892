"""Figures as SVG to stand in a page. Knows numbers and labels; not their origin.

Colours are the page's own, by name, so one figure serves light, dark and paper. The
same numbers give the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

# Stand-ins that become the page's variables once the figure is drawn.
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
"""Sets of fewer sentences are drawn hollow: their score says little."""


class Point(NamedTuple):
    """A value with its interval.

    Attributes:
        place: Which category, from 0.
        value: The height of the point.
        low: Where the interval begins.
        high: Where it ends.
        segments: Of how many.
    """

    place: int
    value: float
    low: float
    high: float
    segments: int


def plot_intervals(
    series: Sequence[Sequence[Point]],
    categories: Sequence[str],
    *,
    across: str,
    up: str,
    alt: str,
) -> str:
    """Draw values with intervals, a series for each system, over categories."""
    with _figure(alt) as (_, axes, svg):
        for number, drawn in enumerate(series):
            shift = (number - (len(series) - 1) / 2) * min(0.12, 0.6 / len(series))
            colour = SERIES[number % len(SERIES)]
            places = [point.place + shift for point in drawn]
            axes.plot(
                places, [point.value for point in drawn], color=colour, alpha=0.45
            )
            for place, point in zip(places, drawn, strict=True):
                few = point.segments < FEW
                axes.plot(
                    [place, place],
                    [point.low, point.high],
                    color=colour,
                    linewidth=1,
                    alpha=0.35 if few else 1,
                )
                axes.plot(
                    [place],
                    [point.value],
                    color=colour,
                    marker=MARKERS[number % len(MARKERS)],
                    markerfacecolor=PAPER if few else colour,
                )
        axes.set_xticks(range(len(categories)), categories)
        axes.set_xlim(-0.5, len(categories) - 0.5)
        axes.set_ylim(bottom=0)
        _label(axes, across, up)
        return svg()


def plot_bars(
    series: Sequence[Sequence[float]],
    categories: Sequence[str],
    *,
    across: str,
    up: str,
    alt: str,
) -> str:
    """Draw a group of bars for each category, one for each system."""
    with _figure(alt) as (_, axes, svg):
        width = 0.8 / max(len(series), 1)
        for number, values in enumerate(series):
            begin = (number - (len(series) - 1) / 2) * width
            axes.bar(
                [place + begin for place in range(len(values))],
                values,
                width=width * 0.92,
                color=SERIES[number % len(SERIES)],
            )
        axes.set_xticks(range(len(categories)), categories)
        _label(axes, across, up)
        return svg()


def plot_lines(
    lines: Sequence[tuple[Sequence[float], Sequence[float]]],
    *,
    across: str,
    up: str,
    alt: str,
    band: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None,
    limit: float | None = None,
    logarithmic: bool = False,
) -> str:
    """Draw lines over steps.

    Args:
        lines: Steps and values of each.
        across: What the horizontal axis counts.
        up: What the vertical one does.
        alt: What to say to those who do not see the figure.
        band: Steps, lower and upper ends of an interval around the first line.
        limit: A dashed line across.
        logarithmic: Whether equal distances upwards are equal ratios.
    """
    with _figure(alt) as (_, axes, svg):
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
            axes.yaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:g}"))
            axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        else:
            axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
        _label(axes, across, up)
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
    with _figure(alt, size=size) as (_, axes, svg):
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
        for side in axes.spines.values():
            side.set_visible(False)
        return svg()


def plot_scatter(
    places: Sequence[tuple[float, float]],
    labels: Sequence[str],
    shades: Sequence[float],
    *,
    across: str,
    up: str,
    alt: str,
) -> str:
    """Draw labelled points; a shade runs from 0, pale, to 1."""
    with _figure(alt, size=(5.0, 4.0)) as (figure, axes, svg):
        for (x, y), shade in zip(places, shades, strict=True):
            axes.plot([x], [y], "o", color=SERIES[0], alpha=0.25 + 0.75 * shade, ms=6)
        axes.margins(0.1)
        axes.grid(True)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        figure.draw_without_rendering()  # Until then no point has its place.
        pixels = [tuple(axes.transData.transform(place)) for place in places]
        for place, label, (dx, dy) in zip(
            places, labels, _clear_of(pixels), strict=True
        ):
            axes.annotate(
                label,
                place,
                (dx, dy),
                textcoords="offset pixels",
                ha="center",
                va="center",
                fontsize=8,
            )
        return svg()


def _clear_of(pixels: Sequence[tuple[float, ...]]) -> list[tuple[float, float]]:
    """Choose for each label the side where it hides least."""
    around = [(0, 10), (11, 0), (-11, 0), (0, -10), (10, 8), (-10, 8), (10, -8)]
    around += [(-10, -8), (0, 19), (21, 0), (-21, 0), (0, -19)]
    taken: list[tuple[float, float]] = []
    chosen = []
    for x, y in pixels:

        def crowd(shift: tuple[int, int], x: float = x, y: float = y) -> float:
            here = x + shift[0], y + shift[1]
            near = [(px, py, 10.0, 9.0) for px, py in pixels]
            near += [(lx, ly, 14.0, 10.0) for lx, ly in taken]
            return sum(
                max(0.0, 1 - abs(here[0] - px) / wide)
                * max(0.0, 1 - abs(here[1] - py) / high)
                for px, py, wide, high in near
            )

        best = min(around, key=crowd)
        chosen.append((float(best[0]), float(best[1])))
        taken.append((x + best[0], y + best[1]))
    return chosen


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(True, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


@contextmanager
def _figure(
    alt: str, *, size: tuple[float, float] = (5.0, 2.7)
) -> Iterator[tuple[Figure, Axes, Callable[[], str]]]:
    """Open a figure in our style; what comes third makes it SVG."""
    style: Any = {**_STYLE, "svg.hashsalt": alt}
    with mpl.rc_context(style), warnings.catch_warnings():
        # About characters that matplotlib's font lacks: the reader's browser has them.
        warnings.simplefilter("ignore", UserWarning)
        figure = Figure(figsize=size, dpi=72, layout="constrained")
        axes = figure.subplots()
        yield figure, axes, lambda: _svg(figure, alt)


def _svg(figure: Figure, alt: str) -> str:
    """Draw, and leave of the file what an HTML page needs."""
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    text = stream.getvalue()
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
    """Take names, fonts and digits that nobody needs out of a tag; name its colours."""
    tag = re.sub(r' id="(?!m[0-9a-f]{10}"|p[0-9a-f]{10}")[^"]*"', "", tag)
    tag = tag.replace("xlink:href=", "href=")
    tag = re.sub(r' transform="rotate\(-?0 [^"]*"', "", tag)
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    tag = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", tag)
    tag = _shorter(tag)
    return re.sub(r'style="[^"]*"', lambda style: _named(style[0]), tag)


def _shorter(tag: str) -> str:
    """Keep one decimal of a coordinate: a tenth of a point is not seen."""
    return re.sub(
        r'(?<= )(?:d|x|y|transform)="[^"]*"',
        lambda found: re.sub(r"(\.\d)\d+", r"\1", found[0]),
        tag,
    )


def _named(style: str) -> str:
    """Turn stand-ins into the page's variables."""
    return re.sub(
        r"#[0-9a-f]{6}",
        lambda found: (
            f"var(--{_VARIABLES[found[0]]})" if found[0] in _VARIABLES else "var(--ink)"
        ),
        style,
    )
