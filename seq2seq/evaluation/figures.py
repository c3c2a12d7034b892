"""The figures of a report: which there are, and the data of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seq2seq.evaluation import svg
from seq2seq.evaluation.buckets import (
    FREQUENCY_EDGES,
    LENGTH_EDGES,
    Bucket,
    range_labels,
    word_counts,
)
from seq2seq.evaluation.schema import Report, SystemReport
from seq2seq.evaluation.summary import (
    escape_control_chars,
    format_range,
    report_title,
)
from seq2seq.evaluation.training_history import Series, TrainingHistory


@dataclass(frozen=True)
class Figure:
    """A figure with its title and subtitle."""

    svg: str
    title: str
    subtitle: str = ""


@dataclass(frozen=True)
class SharedFigures:
    """SVG of all systems together; None where the numbers are not known."""

    by_length: str
    by_frequency: str | None
    word_f1: str | None
    histogram: str


def comparison_figures(report: Report) -> SharedFigures:
    """Draw the analyses, all systems on one plot each."""
    systems = report.systems
    names = report_title(report)
    by_frequency = f1 = None
    if any(system.by_frequency for system in systems):
        by_frequency = _bucket_figure(
            systems,
            lambda system: system.by_frequency,
            FREQUENCY_EDGES,
            xlabel="times in the training text",
            alt=f"BLEU by the rarest source word: {names}",
        )
    if any(system.word_f1 for system in systems):
        series = [
            {bucket.label: bucket.f1 for bucket in system.word_f1} for system in systems
        ]
        present = {label for values in series for label in values}
        labels = [label for label in range_labels(FREQUENCY_EDGES) if label in present]
        f1 = svg.plot_bars(
            [[values.get(label, 0.0) for label in labels] for values in series],
            list(map(format_range, labels)),
            xlabel="times in the training text",
            ylabel="F1",
            alt=f"F1 of words by frequency: {names}",
        )
    return SharedFigures(
        _bucket_figure(
            systems,
            lambda system: system.by_length,
            LENGTH_EDGES,
            xlabel=f"words of the {report.test_set.length_side}",
            alt=f"BLEU by length of the {report.test_set.length_side}: {names}",
        ),
        by_frequency,
        f1,
        _histogram(systems, names),
    )


def _histogram(systems: Sequence[SystemReport], names: str) -> str:
    """Draw how many segments have which score, from the lowest score on."""
    counts = [[count for _, count in system.histogram] for system in systems]
    first = min(i for row in counts for i, count in enumerate(row) if count)
    labels = [format_range(label) for label, _ in systems[0].histogram]
    return svg.plot_bars(
        [row[first:] for row in counts],
        labels[first:],
        xlabel="chrF",
        ylabel="segments",
        alt=f"Segments by chrF: {names}",
    )


def _bucket_figure(
    systems: Sequence[SystemReport],
    buckets: Callable[[SystemReport], Sequence[Bucket]],
    edges: Sequence[int],
    *,
    xlabel: str,
    alt: str,
) -> str:
    present = {bucket.label for system in systems for bucket in buckets(system)}
    labels = [label for label in range_labels(edges) if label in present]
    series = [
        [
            svg.Point(labels.index(b.label), b.score, *b.interval, b.segments)
            for b in buckets(system)
        ]
        for system in systems
    ]
    return svg.plot_intervals(
        series, list(map(format_range, labels)), xlabel=xlabel, ylabel="BLEU", alt=alt
    )


def attention_figures(system: SystemReport) -> list[tuple[int, str]]:
    """Draw the attention maps: segment numbers and SVG."""
    analysis = system.model_analysis
    name = escape_control_chars(system.name)
    return [
        (
            attention_map.segment,
            svg.plot_heatmap(
                attention_map.weights,
                list(map(escape_control_chars, attention_map.source)),
                list(map(escape_control_chars, attention_map.target)),
                alt=f"Attention of {name} over segment {attention_map.segment}",
            ),
        )
        for attention_map in (analysis.attention_maps if analysis else [])
    ]


def context_figure(system: SystemReport, report: Report) -> str | None:
    """Draw the projected context vectors, numbered as in the list beside them."""
    analysis = system.model_analysis
    if analysis is None or analysis.context_projection is None:
        return None
    points = analysis.context_projection.points
    lengths = word_counts([report.segments[p.segment - 1].source or "" for p in points])
    min_length, max_length = min(lengths), max(lengths)
    spread = max(max_length - min_length, 1)
    return svg.plot_scatter(
        [(point.x, point.y) for point in points],
        [str(number) for number, _ in enumerate(points, 1)],
        [(length - min_length) / spread for length in lengths],
        xlabel="first component",
        ylabel="second component",
        alt=f"Map of context vectors of {escape_control_chars(system.name)}",
    )


def training_figures(
    name: str, history: TrainingHistory, *, target: str = "token"
) -> list[Figure]:
    """Draw the course of a training: losses, scores, learning rate, gradients, speed.

    Args:
        name: The system's name.
        history: Its history.
        target: What is predicted: token, label or number.
    """
    series = history.series
    figures: list[Figure] = []

    def draw(
        lines: Sequence[Series],
        title: str,
        ylabel: str,
        subtitle: str = "",
        *,
        band: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None,
        limit: float | None = None,
        logarithmic: bool = False,
    ) -> None:
        if lines and all(lines):
            figure = svg.plot_lines(
                [([x for x, _ in line], [y for _, y in line]) for line in lines],
                xlabel="step",
                ylabel=ylabel,
                alt=f"{title} of {escape_control_chars(name)}",
                band=band,
                limit=limit,
                logarithmic=logarithmic,
            )
            figures.append(Figure(figure, title, subtitle))

    def column(key: str) -> list[Series]:
        return [series[key]] if key in series else []

    losses = [*column("train_loss"), *column("valid_loss")]
    both = "training; dashed: validation" if len(losses) == 2 else ""
    values = [y for line in losses for _, y in line]
    steep = bool(values) and 0 < 20 * min(values) < max(values)
    unit = "squared error" if target == "number" else f"nats per {target}"
    draw(losses, "Loss", unit, both, logarithmic=steep)
    for key in series:
        if key != "valid_bleu" and f"{key}_low" not in series:
            continue
        score = key.removeprefix("valid_")
        label = "BLEU" if score == "bleu" else score.replace("_", " ")
        low, high = (series.get(f"{key}_{end}", []) for end in ("low", "high"))
        band = None
        if low and len(low) == len(high):
            band = [x for x, _ in low], [y for _, y in low], [y for _, y in high]
        parts = ["greedy"] if score in ("bleu", "exact") else []
        parts += ["with its 95% interval"] if band else []
        draw(column(key), f"Validation {label}", label, ", ".join(parts), band=band)
    draw(column("learning_rate"), "Learning rate", "rate")
    norms = [(x, y) for x, y in series.get("gradient_norm", []) if y > 0]
    draw(
        [norms],
        "Length of the gradient",
        "norm",
        "dotted: where it is clipped" if history.clip_norm else "",
        limit=history.clip_norm,
        logarithmic=True,
    )
    speed = "target tokens a second" if target == "token" else f"{target}s a second"
    draw(column("tokens_per_second"), "Speed", speed)
    return figures
