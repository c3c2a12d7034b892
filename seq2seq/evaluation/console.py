"""The report on a terminal: scores, warnings and five examples."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from seq2seq.evaluation import summary
from seq2seq.evaluation.buckets import NUM_EXAMPLES, Example
from seq2seq.evaluation.schema import Report, metric_meaning, metric_name
from seq2seq.evaluation.summary import escape_control_chars
from seq2seq.evaluation.words import diff_spans
from seq2seq.utils.console import print_table


def print_summary(report: Report, console: Console) -> None:
    """Print a summary; text is never parsed as markup."""
    names = [metric_name(metric) for metric in report.metrics]
    rows = []
    for system in report.systems:
        cells = [escape_control_chars(system.name)]
        for metric in report.metrics:
            score, digits = system.scores[metric], summary.score_digits(report, metric)
            interval = summary.format_interval(score.interval, digits)
            cells.append(f"{score.score:.{digits}f}\n{interval}")
        rows.append(cells)
    title = f"{summary.language_pair(report)}, {report.test_set.name}"
    print_table(console, title, ("system", *names), rows, numeric=names)
    for metric in report.metrics:
        print_metric(metric, report.systems[0].scores[metric].signature, console)
    for line in summary.summary_lines(report):
        console.print(Text(f"- {escape_control_chars(line)}"))
    for warning in report.all_warnings:
        console.print(Text(escape_control_chars(warning), style="yellow"))
    for example in _examples(report):
        _print_segment(report, example, console)


def print_metric(metric: str, signature: str, console: Console) -> None:
    """Print what a metric counts, and its signature."""
    for line in (f"{metric_name(metric)}: {metric_meaning(metric)}", f"  {signature}"):
        console.print(Text(escape_control_chars(line), style="dim"))


def _examples(report: Report) -> list[Example]:
    """Choose a single system's examples, or those where the first two differ most."""
    if not report.comparisons:
        return report.systems[0].examples
    first = report.comparisons[0]
    better = [Example(n, f"{first.system} gains most") for n in first.better]
    worse = [Example(n, f"{first.system} loses most") for n in first.worse]
    num_better = NUM_EXAMPLES - min(len(worse), NUM_EXAMPLES // 2)
    return [*better[:num_better], *worse][:NUM_EXAMPLES]


def _print_segment(report: Report, example: Example, console: Console) -> None:
    segment = report.segments[example.segment - 1]
    console.print()
    reason = escape_control_chars(example.reason)
    console.print(Text(f"segment {example.segment}: {reason}", style="bold"))
    lines = [] if segment.source is None else [("source", segment.source)]
    lines += [("reference", line) for line in segment.references]
    for label, line in lines:
        text = Text(f"{label:>12}  {escape_control_chars(line)}")
        console.print(text)
    for translation in segment.translations:
        text = Text(f"{escape_control_chars(translation.system)[:12]:>12}  ")
        for span in diff_spans(translation.text, segment.references[0]):
            shown = escape_control_chars(span.text)
            if span.edit == "deletion":  # In brackets, since colours may be off.
                text.append(f" [-{shown}-]", style="dim")
            else:
                text.append(shown, "reverse" if span.edit == "insertion" else "")
        text.append(f"  chrF {translation.scores['chrf']:.0f}", style="dim")
        console.print(text)
