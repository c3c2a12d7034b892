"""The report in a terminal: the scores, what stands behind them, five examples.

Knows the content and rich; not how anything was computed.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seq2seq.evaluation import summary
from seq2seq.evaluation.escaping import escape_control_chars
from seq2seq.evaluation.schema import Example, Report, metric_name
from seq2seq.evaluation.words import diff_spans

EXAMPLES = 5


def print_summary(content: Report, console: Console) -> None:
    """Print a summary; text is never taken for markup."""
    table = Table(
        title=Text(f"{summary.language_pair(content)}, {content.test_set.name}")
    )
    table.add_column("system", overflow="fold")
    for metric in content.metrics:
        table.add_column(Text(metric_name(metric)), justify="right")
    for system in content.systems:
        cells = [
            Text.assemble(
                f"{value.score:.2f}", (f"\n{value.low:.2f} to {value.high:.2f}", "dim")
            )
            for value in (system.scores[metric] for metric in content.metrics)
        ]
        table.add_row(Text(escape_control_chars(system.name)), *cells)
    console.print(table)
    for metric in content.metrics:
        signature = content.systems[0].scores[metric].signature
        console.print(Text(f"{metric_name(metric)}: {signature}", style="dim"))
    for line in summary.summary_lines(content):
        console.print(Text(f"- {escape_control_chars(line)}"))
    for system in content.systems:
        for warning in system.warnings:
            console.print(Text(escape_control_chars(warning), style="yellow"))
    for warning in content.warnings:
        console.print(Text(escape_control_chars(warning), style="yellow"))
    for pick in _picks(content):
        _show_segment(content, pick, console)


def _picks(content: Report) -> list[Example]:
    """Choose the examples: of one system its own, of two where they differ most."""
    if not content.comparisons:
        return content.systems[0].examples[:EXAMPLES]
    first = content.comparisons[0]
    better = [Example(n, f"{first.system} gains most") for n in first.better]
    worse = [Example(n, f"{first.system} loses most") for n in first.worse]
    half = EXAMPLES // 2
    picks = [*better[: EXAMPLES - min(len(worse), half)], *worse]
    return picks[:EXAMPLES]


def _show_segment(content: Report, pick: Example, console: Console) -> None:
    segment = content.segments[pick.segment - 1]
    console.print()
    console.print(
        Text(
            f"segment {pick.segment}: {escape_control_chars(pick.reason)}", style="bold"
        )
    )
    lines = [] if segment.source is None else [("source", segment.source)]
    lines += [("reference", line) for line in segment.references]
    for label, line in lines:
        console.print(
            Text(f"{label:>12}  {escape_control_chars(line)}"), soft_wrap=True
        )
    for each in segment.translations:
        text = Text(f"{escape_control_chars(each.system)[:12]:>12}  ")
        for part in diff_spans(each.text, segment.references[0]):
            text.append(
                escape_control_chars(part.text), style="reverse" if part.differs else ""
            )
        text.append(f"  chrF++ {each.scores['chrf']:.0f}", style="dim")
        console.print(text, soft_wrap=True)
