"""Which figures a report has, and what each of them shows.

Knows the content and how figures are drawn; not where they stand on a page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seq2seq.evaluation import svg
from seq2seq.evaluation.buckets import (
    LENGTH_EDGES,
    RARITY_EDGES,
    Bucket,
    range_labels,
    word_counts,
)
from seq2seq.evaluation.escaping import escape_control_chars
from seq2seq.evaluation.schema import Report, SystemValue
from seq2seq.evaluation.summary import report_title
from seq2seq.evaluation.training_history import Series, TrainingHistory


@dataclass(frozen=True)
class Figure:
    """A figure of the run's story."""

    svg: str
    title: str
    more: str = ""


@dataclass(frozen=True)
class SharedFigures:
    """SVG of what all systems share; None where the numbers are not known."""

    by_length: str
    by_rarity: str | None
    word_f1: str | None
    histogram: str


def comparison_figures(content: Report) -> SharedFigures:
    """Draw the analyses, all systems on one plot each."""
    systems = content.systems
    names = report_title(content)
    rarity = f1 = None
    if any(system.by_rarity for system in systems):
        rarity = _buckets(
            systems,
            lambda system: system.by_rarity,
            RARITY_EDGES,
            across="times in the training text",
            alt=f"BLEU by the rarest source word: {names}",
        )
    if any(system.word_f1 for system in systems):
        labels = range_labels(RARITY_EDGES)
        found = [
            {bucket.label: bucket.f1 for bucket in system.word_f1} for system in systems
        ]
        there = [label for label in labels if any(label in each for each in found)]
        f1 = svg.plot_bars(
            [[each.get(label, 0.0) for label in there] for each in found],
            [_short(label) for label in there],
            across="times in the training text",
            up="F1",
            alt=f"F1 of words by frequency: {names}",
        )
    return SharedFigures(
        _buckets(
            systems,
            lambda system: system.by_length,
            LENGTH_EDGES,
            across="words",
            alt=f"BLEU by length: {names}",
        ),
        rarity,
        f1,
        svg.plot_bars(
            [[count for _, count in system.histogram] for system in systems],
            [label.split("-")[0] for label, _ in systems[0].histogram],
            across="chrF++ from",
            up="segments",
            alt=f"Segments by chrF++: {names}",
        ),
    )


def _buckets(
    systems: Sequence[SystemValue],
    buckets: Callable[[SystemValue], Sequence[Bucket]],
    edges: Sequence[int],
    *,
    across: str,
    alt: str,
) -> str:
    found = [buckets(system) for system in systems]
    there = {bucket.label for each in found for bucket in each}
    labels = [label for label in range_labels(edges) if label in there]
    series = [
        [
            svg.Point(labels.index(b.label), b.score, b.low, b.high, b.segments)
            for b in each
        ]
        for each in found
    ]
    return svg.plot_intervals(
        series, list(map(_short, labels)), across=across, up="BLEU", alt=alt
    )


def _short(label: str) -> str:
    return label.replace(" and more", "+").replace("-", "–")


def attention_figures(system: SystemValue) -> list[tuple[int, str]]:
    """Draw attention over the examples: segments and SVG."""
    return [
        (
            heat.segment,
            svg.plot_heatmap(
                heat.weights,
                [_piece(piece) for piece in heat.source],
                [_piece(piece) for piece in heat.target],
                alt=f"Attention of {escape_control_chars(system.name)} over segment "
                f"{heat.segment}",
            ),
        )
        for heat in system.alignments
    ]


def _piece(piece: str) -> str:
    """Show a blank as a dot, which is lighter than SentencePiece's own mark."""
    return escape_control_chars(piece.replace("▁", "·"))


def context_figure(system: SystemValue, content: Report) -> str | None:
    """Draw the map of context vectors, numbered as in the list beside it."""
    if system.context is None:
        return None
    spots = system.context.spots
    sizes = word_counts([content.segments[s.segment - 1].source or "" for s in spots])
    least, most = min(sizes), max(sizes)
    return svg.plot_scatter(
        [(spot.x, spot.y) for spot in spots],
        [str(number) for number, _ in enumerate(spots, 1)],
        [(size - least) / max(most - least, 1) for size in sizes],
        across="first component",
        up="second component",
        alt=f"Map of context vectors of {escape_control_chars(system.name)}",
    )


def training_figures(name: str, story: TrainingHistory) -> list[Figure]:
    """Draw how a training went: losses, BLEU, learning rate, gradients, speed."""
    series = story.series
    found: list[Figure] = []
    losses = [series[key] for key in ("train_loss", "valid_loss") if key in series]

    def draw(
        lines: Sequence[Series],
        heading: str,
        up: str,
        more: str = "",
        *,
        band: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None,
        limit: float | None = None,
        logarithmic: bool = False,
    ) -> None:
        if lines and all(lines):
            drawn = svg.plot_lines(
                [([x for x, _ in line], [y for _, y in line]) for line in lines],
                across="step",
                up=up,
                alt=f"{heading} of {escape_control_chars(name)}",
                band=band,
                limit=limit,
                logarithmic=logarithmic,
            )
            found.append(Figure(drawn, heading, more))

    both = "training; dashed: validation" if len(losses) == 2 else ""
    draw(losses, "Loss", "nats per token", both)
    band = None
    if "valid_bleu_low" in series and "valid_bleu_high" in series:
        steps = [x for x, _ in series["valid_bleu_low"]]
        low = [y for _, y in series["valid_bleu_low"]]
        high = [y for _, y in series["valid_bleu_high"]]
        if len(low) == len(high):
            band = (steps, low, high)
    more = "greedy, with its 95% interval" if band else "greedy"
    draw(_one(series, "valid_bleu"), "Validation BLEU", "BLEU", more, band=band)
    draw(_one(series, "learning_rate"), "Learning rate", "rate")
    norms = [(x, y) for x, y in series.get("gradient_norm", []) if y > 0]
    draw(
        [norms] if norms else [],
        "Length of the gradient",
        "norm",
        "dotted: where it is clipped" if story.clip_norm else "",
        limit=story.clip_norm,
        logarithmic=True,
    )
    draw(_one(series, "tokens_per_second"), "Speed", "target tokens a second")
    return found


def _one(series: dict[str, Series], key: str) -> list[Series]:
    return [series[key]] if series.get(key) else []
