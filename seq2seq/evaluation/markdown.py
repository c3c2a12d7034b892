"""The report as Markdown, with its table of scores in LaTeX.

Text is escaped for Markdown, and for LaTeX in that table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from seq2seq.evaluation import summary
from seq2seq.evaluation.buckets import Bucket
from seq2seq.evaluation.error_detectors import RULES
from seq2seq.evaluation.schema import (
    LOWER_IS_BETTER,
    Report,
    metric_meaning,
    metric_name,
)
from seq2seq.evaluation.summary import (
    escape_control_chars,
    format_p_value,
    format_signed,
)
from seq2seq.evaluation.training_history import Trained
from seq2seq.metrics.sacrebleu_scores import Score
from seq2seq.metrics.significance import Interval
from seq2seq.utils.text import with_noun

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


def render_markdown(report: Report) -> str:
    """Write the report as Markdown."""
    test_set = report.test_set
    several = test_set.references != 1
    references = f"{test_set.references} references" if several else "one reference"
    blocks = [
        f"# {escape_text(summary.report_title(report))}",
        f"{escape_text(summary.language_pair(report))}, "
        f"{escape_text(summary.test_set_title(report))}, "
        f"{with_noun(test_set.segments, 'segment')}, {references} each. "
        f"Made on {report.date}.",
        "\n".join(f"- {escape_text(line)}" for line in summary.summary_lines(report)),
        *(f"**{escape_text(line)}**" for line in report.all_warnings),
        "## Scores",
        _scores(report),
        f"In brackets the 95% interval of {report.n_bootstrap:,} bootstrap resamples.",
        _metrics(report),
        *_comparisons(report),
        *_analyses(report),
        "## Errors",
        table(
            ["error", *(escape_text(s.name) for s in report.systems), "what it is"],
            [
                [name, *(f"{len(s.errors[name]):,}" for s in report.systems), rule]
                for name, rule in RULES.items()
            ],
        ),
        *_examples(report),
        *histories(report.systems),
        "## LaTeX",
        f"```latex\n{latex(report)}```",
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def latex(report: Report) -> str:
    """Write the table of scores for a paper, the best of each column in bold."""
    metrics = report.metrics
    digits = {metric: summary.score_digits(report, metric, 1) for metric in metrics}
    best = {
        metric: (min if metric in LOWER_IS_BETTER else max)(
            round(system.scores[metric].score, digits[metric])
            for system in report.systems
        )
        for metric in metrics
    }

    def cell(metric: str, result: Score) -> str:
        text = f"{result.score:.{digits[metric]}f}"
        if len(report.systems) > 1 and float(text) == best[metric]:
            text = rf"\textbf{{{text}}}"
        interval = _interval(result.interval, digits[metric])
        return rf"{text} {{\small {interval}}}"

    arrows = {m: r"$\downarrow$" if m in LOWER_IS_BETTER else "" for m in metrics}
    heads = [f"{_latex(metric_name(metric))}{arrows[metric]}" for metric in metrics]
    rows = [
        [_latex(system.name), *(cell(m, system.scores[m]) for m in metrics)]
        for system in report.systems
    ]
    signatures = [
        f"% {metric_name(metric)}: {escape_control_chars(score.signature)}"
        for metric, score in report.systems[0].scores.items()
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


def _scores(report: Report) -> str:
    rows = [
        [
            escape_text(system.name),
            *(
                _score(system.scores[metric], summary.score_digits(report, metric))
                for metric in report.metrics
            ),
            f"{system.length_ratio:.3f}",
        ]
        for system in report.systems
    ]
    heads = ["system", *(escape_text(metric_name(m)) for m in report.metrics), "length"]
    return table(heads, rows)


def _score(result: Score | Bucket, digits: int = 2) -> str:
    return f"{result.score:.{digits}f} {_interval(result.interval, digits)}"


def _interval(interval: Interval, digits: int) -> str:
    return f"[{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def _metrics(report: Report) -> str:
    """Explain each metric, and list each signature once, since systems share them."""
    lines = []
    for metric in report.metrics:
        signatures = dict.fromkeys(s.scores[metric].signature for s in report.systems)
        codes = ", ".join(map(_code, signatures))
        meaning = escape_text(metric_meaning(metric))
        lines.append(f"- {escape_text(metric_name(metric))}: {meaning}. {codes}")
    return "\n".join(lines)


def _comparisons(report: Report) -> Iterable[str]:
    if report.groups:
        yield "### Seeds"
        yield table(
            ["system", "seeds", *(escape_text(metric_name(m)) for m in report.metrics)],
            [
                [
                    escape_text(group.name),
                    str(len(group.members)),
                    *(
                        f"{group.means[m]:.{digits}f} ± {group.spreads[m]:.{digits}f}"
                        for m in report.metrics
                        for digits in (summary.score_digits(report, m),)
                    ),
                ]
                for group in report.groups
            ],
        )
    for comparison in report.comparisons:
        names = map(escape_text, (comparison.system, comparison.baseline))
        yield f"## {' against '.join(names)}"
        if comparison.identical:
            yield "All translations are the same."
            continue
        yield table(
            ["metric", "difference", "p, bootstrap", "p, randomization", "so"],
            [
                [
                    escape_text(metric_name(metric)),
                    f"{format_signed(test.difference, digits)} "
                    f"[{format_signed(test.interval.low, digits)}, "
                    f"{format_signed(test.interval.high, digits)}]",
                    format_p_value(test.bootstrap_p),
                    format_p_value(test.randomization_p),
                    summary.significance_label(comparison, metric),
                ]
                for metric, test in comparison.tests.items()
                for digits in (summary.score_digits(report, metric),)
            ],
        )


def _analyses(report: Report) -> Iterable[str]:
    yield f"## BLEU by length of the {report.test_set.length_side}, in words"
    yield table(
        ["system", "words", "segments", "BLEU"],
        [
            [
                escape_text(system.name),
                summary.format_range(bucket.label),
                f"{bucket.segments:,}",
                _score(bucket),
            ]
            for system in report.systems
            for bucket in system.by_length
        ],
    )


def _examples(report: Report) -> Iterable[str]:
    for index, system in enumerate(report.systems):
        yield f"## Examples of {escape_text(system.name)}"
        for example in system.examples:
            segment = report.segments[example.segment - 1]
            lines = [f"Segment {example.segment}, {example.reason}:", ""]
            if segment.source is not None:
                lines.append(f"- source: {escape_text(segment.source)}")
            lines += [
                f"- reference: {escape_text(line)}" for line in segment.references
            ]
            lines.append(
                f"- translation: {escape_text(segment.translations[index].text)}"
            )
            yield "\n".join(lines)


def histories(systems: Iterable[Trained]) -> Iterator[str]:
    """Write how systems were trained, those of them that were."""
    for system in systems:
        history = system.training_history
        if history is None:
            continue
        yield f"## Training of {escape_text(system.name)}"
        yield table(
            ["", ""], [[label, escape_text(text)] for label, text in history.facts]
        )
        changed = [value for value in history.settings if value.base is not None]
        if changed:
            yield f"What differs from {escape_text(history.base)}:"
            yield table(
                ["key", "here", "there"],
                [[_code(v.key), _code(v.value), _code(v.base or "")] for v in changed],
            )
        data = [[label, escape_text(text)] for label, text in history.data]
        yield table(["data", ""], data)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table; "" without rows."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


def escape_text(text: str) -> str:
    """Escape what Markdown, or HTML inside it, would parse as markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#$~&!()])", r"\\\1", escape_control_chars(text))


def _code(text: str) -> str:
    """Quote as code that nothing inside can end; a pipe would end a table's cell."""
    code = escape_control_chars(text)
    if "`" in code:
        code = code.replace("|", "¦")
    runs = [len(run) for run in re.findall("`+", code)]
    fence = "`" * (max(runs, default=0) + 1)
    space = " " if runs else ""
    return f"{fence}{space}{code}{space}{fence}".replace("|", r"\|")


def _latex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in escape_control_chars(text))
