"""The report as one HTML page that loads nothing and runs only its own script.

Every text is escaped by the template engine, isolated in its writing direction, and
free of control characters; the Content-Security-Policy forbids all scripts but the one
whose hash it names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from seq2seq.evaluation import figures, summary
from seq2seq.evaluation.buckets import word_counts
from seq2seq.evaluation.comparison import Comparison
from seq2seq.evaluation.error_detectors import RULES
from seq2seq.evaluation.schema import (
    Report,
    Segment,
    Translation,
    metric_meaning,
    metric_name,
)
from seq2seq.evaluation.summary import escape_control_chars, format_signed
from seq2seq.evaluation.svg import FEW
from seq2seq.evaluation.training_history import Trained
from seq2seq.evaluation.words import diff_spans
from seq2seq.metrics.significance import SEED
from seq2seq.utils.text import with_noun

MAX_ROWS = 1000
"""Segments in the page's table; a browser opens so many in under a second."""

TEMPLATES = Path(__file__).parent / "templates"
Column = tuple[str, str, Callable[[Segment], float]]
"""A metric, the column's name, and the score of a segment."""


def render_html(report: Report, *, full: bool) -> str:
    """Render the page.

    Args:
        report: The report.
        full: Whether to show each system's examples beside a comparison.
    """
    systems = report.systems
    rows = _rows(report)
    columns = _columns(report)
    analyses = [
        (
            system,
            [(number, Markup(svg)) for number, svg in attention],
            _markup(projection),
        )
        for system in systems
        for attention in (figures.attention_figures(system),)
        for projection in (figures.context_figure(system, report),)
        if attention or projection
    ]
    histories = training_figures(systems)
    shared = figures.comparison_figures(report)
    title, languages = summary.report_title(report), summary.language_pair(report)
    context = {
        "languages": languages,
        "analyses": analyses,
        "bottleneck": len(systems) > 1,
        "columns": columns,
        "digits": partial(summary.score_digits, report),
        "error_types": _error_types(report),
        "few": FEW,
        "figures": {name: _markup(svg) for name, svg in vars(shared).items()},
        "format_range": summary.format_range,
        "full": full,
        "histories": histories,
        "lengths": word_counts(
            [s.references[0] if s.source is None else s.source for s in report.segments]
        ),
        "linked": {segment.number for segment in rows},
        "metric_meaning": metric_meaning,
        "metric_name": metric_name,
        "notes": list(dict.fromkeys(note for s in systems for note in s.notes)),
        "report": report,
        "rows": rows,
        "rules": RULES,
        "searched": any(system.model_analysis for system in systems),
        "sections": _sections(report, bool(analyses), bool(histories), full=full),
        "seed": SEED,
        "score_text": partial(_score_text, report),
        "signed": format_signed,
        "significance": summary.significance_label,
        "summary": summary.summary_lines(report),
        "test_set_title": summary.test_set_title(report),
        "translations": partial(_translations, report),
    }
    return render_page("page.html.j2", title, languages, context)


def render_page(
    template: str, title: str, kind: str, context: Mapping[str, object]
) -> str:
    """Render a template of a page.

    Args:
        template: Its file name.
        title: Title of the page.
        kind: What stands beside the title, such as the languages.
        context: What the template needs beside what all pages do.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shared = {
        "css": Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        "format_interval": summary.format_interval,
        "kind": kind,
        "number": lambda value, digits: f"{value:.{digits}f}",
        "p_value": summary.format_p_value,
        "plain": escape_control_chars,
        "script": Markup(script),
        "script_hash": f"sha256-{digest}",
        "spans": diff_spans,
        "t": _isolated,
        "title": title,
        "with_noun": with_noun,
    }
    return environment.get_template(template).render({**shared, **context})


def training_figures(
    systems: Sequence[Trained], *, target: str = "token"
) -> list[tuple[Trained, list[tuple[Markup, str, str]]]]:
    """Return the systems that were trained here, with figures, titles, subtitles.

    Args:
        systems: All systems.
        target: What they predict: token, label or number.
    """
    return [
        (
            system,
            [
                (Markup(figure.svg), figure.title, figure.subtitle)
                for figure in figures.training_figures(
                    system.name, history, target=target
                )
            ],
        )
        for system in systems
        if (history := system.training_history) is not None
    ]


def _isolated(text: str) -> Markup:
    """Escape a text and isolate its writing direction."""
    return Markup("<bdi>{}</bdi>").format(escape_control_chars(text))


def _markup(svg: str | None) -> Markup | None:
    """Mark a figure as safe: its labels were escaped when it was drawn."""
    return None if svg is None else Markup(svg)


def _translations(
    report: Report, segment: Segment, comparison: Comparison
) -> list[Translation]:
    """Return the translations of a segment by both sides of a comparison."""
    names = [system.name for system in report.systems]
    sides = (comparison.baseline, comparison.system)
    return [segment.translations[names.index(name)] for name in sides]


def _rows(report: Report) -> list[Segment]:
    """Choose the segments of the table: all, or those that the page mentions first."""
    segments = report.segments
    if len(segments) <= MAX_ROWS:
        return segments
    mentioned = set(report.test_set.unseen_segments[:12])
    for comparison in report.comparisons:
        mentioned |= {*comparison.better, *comparison.worse}
    for system in report.systems:
        mentioned |= {example.segment for example in system.examples}
        for numbers in system.errors.values():
            mentioned |= set(numbers[:8])
        if system.model_analysis:
            mentioned |= set(system.model_analysis.search_errors.segments[:8])
    others = [s.number for s in segments if s.number not in mentioned]
    room = max(MAX_ROWS - len(mentioned), 0)
    sampled = {others[index * len(others) // room] for index in range(room)}
    return [segment for segment in segments if segment.number in mentioned | sampled]


def _columns(report: Report) -> list[Column]:
    """Choose the scores in the table of segments."""
    systems = report.systems
    several = len(systems) > 1
    omitted = ("bleu", "ter") if several else ("ter",)

    def score(index: int, metric: str, segment: Segment) -> float:
        return segment.translations[index].scores[metric]

    def gain(metric: str, segment: Segment) -> float:
        return score(1, metric, segment) - score(0, metric, segment)

    columns: list[Column] = []
    for metric in report.metrics:
        if metric in omitted:
            continue
        name = metric_name(metric)
        for index, system in enumerate(systems):
            label = f"{name} {system.name}" if several else name
            columns.append((metric, label, partial(score, index, metric)))
        if len(systems) == 2:
            columns.append((metric, f"{name} gain", partial(gain, metric)))
    return columns


def _score_text(report: Report, value: float, metric: str, name: str) -> str:
    """Format a segment's score to the digits that its column needs."""
    digits = summary.score_digits(report, metric, 1)
    if name.endswith(" gain"):
        return format_signed(value, digits)
    return f"{value:.{digits}f}"


def _error_types(report: Report) -> list[dict[int, list[str]]]:
    """Return the types of error of every segment, by system."""
    by_system: list[dict[int, list[str]]] = []
    for system in report.systems:
        types: dict[int, list[str]] = {}
        for name, numbers in system.errors.items():
            for number in numbers:
                types.setdefault(number, []).append(name)
        by_system.append(types)
    return by_system


def _sections(
    report: Report, analyses: bool, histories: bool, *, full: bool
) -> list[tuple[str, str]]:
    compared = bool(report.comparisons)
    sections = [
        ("scores", "Scores", True),
        ("comparison", "Is one better?", compared),
        ("difficulty", "Where it is hard", True),
        ("errors", "What goes wrong", True),
        ("examples", "Examples", full or not compared),
        ("model", "Inside the model", analyses),
        ("training", "How it was trained", histories),
        ("segments", "All segments", True),
        ("methods", "How this was made", True),
    ]
    return [(anchor, name) for anchor, name, present in sections if present]
