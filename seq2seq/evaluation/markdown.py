"""The report as Markdown, for a model card or a paper's appendix, LaTeX included.

Knows the content; not how it was computed. Text is escaped for Markdown, and for LaTeX
in its table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from seq2seq.evaluation import summary
from seq2seq.evaluation.error_detectors import RULES
from seq2seq.evaluation.escaping import (
    escape_control_chars,
    format_p_value,
    format_signed,
)
from seq2seq.evaluation.schema import (
    LOWER_IS_BETTER,
    Report,
    ScoreValue,
    SystemValue,
    metric_name,
)

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def render_markdown(content: Report) -> str:
    """Write the report as Markdown."""
    test_set = content.test_set
    references = (
        "one reference"
        if test_set.references == 1
        else (f"{test_set.references} references")
    )
    parts = [
        f"# {_text(summary.report_title(content))}",
        f"{_text(summary.language_pair(content))}, {_text(test_set.name)}, "
        f"{test_set.segments:,} segments, {references} each. Made on {content.made}.",
        "\n".join(f"- {_text(line)}" for line in summary.summary_lines(content)),
        *(f"**{_text(line)}**" for line in _warnings(content)),
        "## Scores",
        _scores(content),
        f"In brackets the 95% interval of {content.samples:,} bootstrap resamples. Of "
        "TER less is better.",
        _signatures(content),
        *_comparisons(content),
        *_analyses(content),
        "## Faults",
        _table(
            ["fault", *(_text(s.name) for s in content.systems), "what it is"],
            [
                [kind, *(f"{len(s.faults[kind]):,}" for s in content.systems), rule]
                for kind, rule in RULES.items()
            ],
        ),
        *_examples(content),
        *_stories(content),
        "## LaTeX",
        f"```latex\n{latex(content)}```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(content: Report) -> str:
    """Write the table of scores for a paper, the best of each column in bold."""
    metrics = content.metrics
    best = {
        metric: (min if metric in LOWER_IS_BETTER else max)(
            round(system.scores[metric].score, 1) for system in content.systems
        )
        for metric in metrics
    }

    def cell(metric: str, value: ScoreValue) -> str:
        text = f"{value.score:.1f}"
        if len(content.systems) > 1 and round(value.score, 1) == best[metric]:
            text = rf"\textbf{{{text}}}"
        return rf"{text} {{\small [{value.low:.1f}, {value.high:.1f}]}}"

    arrows = {m: r"$\downarrow$" if m in LOWER_IS_BETTER else "" for m in metrics}
    heads = [f"{_latex(metric_name(metric))}{arrows[metric]}" for metric in metrics]
    rows = [
        [_latex(system.name), *(cell(m, system.scores[m]) for m in metrics)]
        for system in content.systems
    ]
    signatures = [
        f"% {metric_name(metric)}: {escape_control_chars(value.signature)}"
        for metric, value in content.systems[0].scores.items()
    ]
    return "\n".join(
        [
            *signatures,
            rf"\begin{{tabular}}{{l{'r' * len(metrics)}}}",
            r"\hline",
            " & ".join(["System", *heads]) + r" \\",
            r"\hline",
            *(" & ".join(row) + r" \\" for row in rows),
            r"\hline",
            r"\end{tabular}",
            "",
        ]
    )


def _warnings(content: Report) -> list[str]:
    return [*content.warnings, *(w for s in content.systems for w in s.warnings)]


def _scores(content: Report) -> str:
    rows = [
        [
            _text(system.name),
            *(_interval(system.scores[metric]) for metric in content.metrics),
            f"{system.length_ratio:.3f}",
        ]
        for system in content.systems
    ]
    heads = ["system", *(_text(metric_name(m)) for m in content.metrics), "length"]
    return _table(heads, rows)


def _interval(value: ScoreValue) -> str:
    return f"{value.score:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _signatures(content: Report) -> str:
    """List each signature once, since systems share them."""
    return "\n".join(
        f"- {_text(metric_name(metric))}: {_code(signature)}"
        for metric in content.metrics
        for signature in dict.fromkeys(
            system.scores[metric].signature for system in content.systems
        )
    )


def _comparisons(content: Report) -> Iterable[str]:
    if content.groups:
        yield "### Seeds"
        yield _table(
            ["system", "seeds", *(_text(metric_name(m)) for m in content.metrics)],
            [
                [
                    _text(group.name),
                    str(len(group.members)),
                    *(
                        f"{group.means[m]:.2f} ± {group.spreads[m]:.2f}"
                        for m in content.metrics
                    ),
                ]
                for group in content.groups
            ],
        )
    for each in content.comparisons:
        yield f"## {_text(each.system)} against {_text(each.baseline)}"
        yield _table(
            ["metric", "difference", "p, bootstrap", "p, randomization", "so"],
            [
                [
                    _text(metric_name(metric)),
                    f"{format_signed(test.difference)} [{format_signed(test.low)}, "
                    f"{format_signed(test.high)}]",
                    format_p_value(test.bootstrap_p),
                    format_p_value(test.randomization_p),
                    summary.significance_label(each, metric),
                ]
                for metric, test in each.tests.items()
            ],
        )


def _analyses(content: Report) -> Iterable[str]:
    yield "## BLEU by length of the sentence, in words"
    yield _table(
        ["system", "words", "segments", "BLEU"],
        [
            [
                _text(system.name),
                bucket.label,
                f"{bucket.segments:,}",
                f"{bucket.score:.2f} [{bucket.low:.2f}, {bucket.high:.2f}]",
            ]
            for system in content.systems
            for bucket in system.by_length
        ],
    )


def _examples(content: Report) -> Iterable[str]:
    for place, system in enumerate(content.systems):
        yield f"## Examples of {_text(system.name)}"
        for pick in system.examples:
            segment = content.segments[pick.segment - 1]
            lines = [f"Segment {pick.segment}, {pick.reason}:", ""]
            if segment.source is not None:
                lines.append(f"- source: {_text(segment.source)}")
            lines += [f"- reference: {_text(line)}" for line in segment.references]
            lines.append(f"- translation: {_text(segment.translations[place].text)}")
            yield "\n".join(lines)


def _stories(content: Report) -> Iterable[str]:
    for system in content.systems:
        if system.story is not None:
            yield f"## Training of {_text(system.name)}"
            yield from _story(system)


def _story(system: SystemValue) -> Iterable[str]:
    assert system.story is not None
    story = system.story
    yield _table(["", ""], [[label, _text(text)] for label, text in story.facts])
    changed = [each for each in story.settings if each.base is not None]
    if changed:
        yield f"What differs from {_text(story.base)}:"
        yield _table(
            ["key", "here", "there"],
            [[_code(s.key), _code(s.value), _code(s.base or "")] for s in changed],
        )
    if story.data:
        yield _table(["data", ""], [[label, _text(text)] for label, text in story.data])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


def _text(text: str) -> str:
    """Escape what Markdown, or HTML inside it, would take for more than text."""
    return re.sub(r"([\\`*_{}\[\]<>|#$~&!()])", r"\\\1", escape_control_chars(text))


def _code(text: str) -> str:
    """Quote as code that nothing inside can end; a pipe would end a table's cell."""
    shown = (
        escape_control_chars(text).replace("|", "¦")
        if "`" in text
        else escape_control_chars(text)
    )
    runs = [len(run) for run in re.findall("`+", shown)]
    fence = "`" * (max(runs, default=0) + 1)
    space = " " if runs else ""
    return f"{fence}{space}{shown}{space}{fence}".replace("|", r"\|")


def _latex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in escape_control_chars(text))
