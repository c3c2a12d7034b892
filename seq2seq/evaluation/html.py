"""The report as one HTML page that loads nothing and runs only its own script.

Knows the content, the template and what a page links to; not how anything was computed.
Every text is escaped by the template engine, set apart in its writing direction, and
free of characters that steer; the page forbids all scripts but the one whose hash it
has.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from seq2seq.evaluation import figures, summary
from seq2seq.evaluation.buckets import word_counts
from seq2seq.evaluation.error_detectors import RULES
from seq2seq.evaluation.escaping import (
    escape_control_chars,
    format_p_value,
    format_signed,
)
from seq2seq.evaluation.schema import (
    ComparisonValue,
    Report,
    Segment,
    Translation,
    metric_name,
)
from seq2seq.evaluation.svg import FEW
from seq2seq.evaluation.words import diff_spans
from seq2seq.metrics.significance import SEED

MOST_ROWS = 1000
"""Segments in the page's table; a browser opens so many in under a second."""

_TEMPLATES = Path(__file__).parent / "templates"
Column = tuple[str, Callable[[Segment], float]]


def render_html(content: Report, *, whole: bool) -> str:
    """Render the page.

    Args:
        content: What it says.
        whole: Whether to show each system's examples beside a comparison.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    systems = content.systems
    rows = _rows(content)
    insides = [
        (
            system,
            [
                (number, Markup(svg))
                for number, svg in figures.attention_figures(system)
            ],
            _markup(figures.context_figure(system, content)),
        )
        for system in systems
        if system.alignments or system.context
    ]
    stories = [
        (
            system,
            [
                {"svg": Markup(curve.svg), "title": curve.title, "more": curve.more}
                for curve in figures.training_figures(system.name, system.story)
            ],
        )
        for system in systems
        if system.story is not None
    ]
    shared = figures.comparison_figures(content)
    columns = _columns(content)
    return environment.get_template("page.html.j2").render(
        bottleneck=len(systems) > 1,
        brief=summary.summary_lines(content),
        chance=format_p_value,
        columns=columns,
        comparisons=content.comparisons,
        css=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        faulty=_faulty(content),
        few=FEW,
        figures={name: _markup(svg) for name, svg in vars(shared).items()},
        groups=content.groups,
        has_sources=content.segments[0].source is not None,
        insides=insides,
        languages=summary.language_pair(content),
        linked={segment.number for segment in rows},
        made=content.made,
        metric_name=metric_name,
        metrics=content.metrics,
        notes=list(dict.fromkeys(note for each in systems for note in each.notes)),
        parts=diff_spans,
        plain=escape_control_chars,
        rows=rows,
        rules=RULES,
        samples=content.samples,
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        searched=any(system.search_errors for system in systems),
        sections=_sections(content, bool(insides), bool(stories), whole=whole),
        seed=SEED,
        segments=content.segments,
        shown=partial(_shown, _fine(columns, content)),
        signed=format_signed,
        sizes=word_counts([_text(segment) for segment in content.segments]),
        stories=stories,
        systems=systems,
        t=_isolated,
        test_set=content.test_set,
        title=summary.report_title(content),
        translations=partial(_translations, content),
        trials=content.trials,
        two="{:.2f}".format,
        verdict=summary.significance_label,
        warnings=[*content.warnings, *(line for s in systems for line in s.warnings)],
        whole=whole,
    )


def _isolated(text: str) -> Markup:
    """Escape a text and keep its writing direction to itself."""
    return Markup("<bdi>{}</bdi>").format(escape_control_chars(text))


def _markup(svg: str | None) -> Markup | None:
    """Take a figure of ours as it is; its labels were escaped when it was drawn."""
    return None if svg is None else Markup(svg)


def _text(segment: Segment) -> str:
    return segment.references[0] if segment.source is None else segment.source


def _translations(
    content: Report, segment: Segment, comparison: ComparisonValue
) -> list[Translation]:
    """Find what both sides of a comparison made of a segment."""
    names = [system.name for system in content.systems]
    sides = (comparison.baseline, comparison.system)
    return [segment.translations[names.index(name)] for name in sides]


def _rows(content: Report) -> list[Segment]:
    """Choose the segments of the table: all, or those that the page speaks of first."""
    segments = content.segments
    if len(segments) <= MOST_ROWS:
        return segments
    spoken = {pick.segment for system in content.systems for pick in system.examples}
    spoken |= {n for each in content.comparisons for n in [*each.better, *each.worse]}
    for system in content.systems:
        for rows in system.faults.values():
            spoken |= set(rows[:8])
        if system.search_errors:
            spoken |= set(system.search_errors.segments[:8])
        spoken |= {heat.segment for heat in system.alignments}
    spoken |= set(content.test_set.unseen_segments[:12])
    others = [s.number for s in segments if s.number not in spoken]
    room = max(MOST_ROWS - len(spoken), 0)
    even = {others[place * len(others) // room] for place in range(room)}
    return [segment for segment in segments if segment.number in spoken | even]


def _columns(content: Report) -> list[Column]:
    """Choose the scores that stand beside each segment."""
    systems = content.systems
    metrics = [m for m in content.metrics if m != "ter"]
    if len(systems) > 1:
        metrics = [m for m in metrics if m != "bleu"]

    def value(place: int, metric: str, segment: Segment) -> float:
        return segment.translations[place].scores[metric]

    def gain(metric: str, segment: Segment) -> float:
        return value(1, metric, segment) - value(0, metric, segment)

    found: list[Column] = []
    for metric in metrics:
        for place, system in enumerate(systems):
            name = metric_name(metric)
            if len(systems) > 1:
                name = f"{name} {system.name}"
            found.append((name, partial(value, place, metric)))
        if len(systems) == 2:
            found.append((f"{metric_name(metric)} gain", partial(gain, metric)))
    return found


def _shown(fine: set[str], value: float, name: str) -> str:
    """Write a segment's score to the digits that its column needs."""
    digits = 3 if name in fine else 1
    return (
        format_signed(value, digits)
        if name.endswith(" gain")
        else f"{value:.{digits}f}"
    )


def _fine(columns: list[Column], content: Report) -> set[str]:
    """Find the columns whose numbers are small, such as COMET's."""
    return {
        name
        for name, value in columns
        if all(abs(value(segment)) < 2 for segment in content.segments)
    }


def _faulty(content: Report) -> list[dict[int, list[str]]]:
    """List the faults of every system's segments."""
    found: list[dict[int, list[str]]] = []
    for system in content.systems:
        kinds: dict[int, list[str]] = {}
        for kind, numbers in system.faults.items():
            for number in numbers:
                kinds.setdefault(number, []).append(kind)
        found.append(kinds)
    return found


def _sections(
    content: Report, inside: bool, story: bool, *, whole: bool
) -> list[tuple[str, str]]:
    compared = bool(content.comparisons)
    found = [
        ("scores", "Scores", True),
        ("comparison", "Is one better?", compared),
        ("where", "Where it is hard", True),
        ("faults", "What goes wrong", True),
        ("examples", "Examples", whole or not compared),
        ("inside", "Inside the model", inside),
        ("story", "How it was trained", story),
        ("segments", "All segments", True),
        ("how", "How this was made", True),
    ]
    return [(anchor, name) for anchor, name, there in found if there]
