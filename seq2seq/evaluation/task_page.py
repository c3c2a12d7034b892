"""A task's report as one HTML page, in the form of `html`, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from seq2seq.evaluation import markdown
from seq2seq.evaluation.html import TEMPLATES, render_page, training_figures
from seq2seq.evaluation.task_report import TaskReport
from seq2seq.evaluation.task_sections import Cell, Table, sections, summary_lines


def render_task_html(report: TaskReport) -> str:
    """Render the page."""
    content = sections(report)
    context = {
        "svg": Markup,
        "histories": training_figures(report.systems, target=report.target),
        "report": report,
        "sections": content,
        "subtitle": subtitle(report),
        "summary": list(summary_lines(report)),
        "systems": report.systems[:1],
        "task_css": Markup((TEMPLATES / "task.css").read_text(encoding="utf-8")),
    }
    return render_page("task.html.j2", report.title, kind(report), context)


def kind(report: TaskReport) -> str:
    """Return the task for people."""
    return report.task.replace("_", " ")


def subtitle(report: TaskReport) -> str:
    """Name the data."""
    return f"{report.data}, fingerprint {report.fingerprint}"


def render_task_markdown(report: TaskReport) -> str:
    """Write the report as Markdown, without pictures."""
    text = markdown.escape_text
    blocks = [
        f"# {text(report.title)}",
        f"{text(kind(report))}, {text(subtitle(report))}. Made on {report.date}.",
        "\n".join(f"- {text(line)}" for line in summary_lines(report)),
    ]
    for section in sections(report):
        blocks.append(f"## {section.title}")
        for table in section.tables:
            blocks += _table(table)
        for title, lines in section.passages:
            blocks.append(f"### {text(title)}")
            blocks.append("> " + "\\\n> ".join(map(text, lines)))
        blocks.append(text(section.note))
        for card in section.cards:
            pair = ("reference", card.reference), ("caption", card.hypothesis)
            blocks.append(f"### {text(card.title)}")
            blocks.append("\n".join(f"- {name}: {text(line)}" for name, line in pair))
    blocks += markdown.histories(report.systems)
    return "\n\n".join(filter(None, blocks)) + "\n"


def _table(table: Table) -> Iterator[str]:
    text = markdown.escape_text
    yield f"### {text(table.title)}" if table.title else ""
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    yield markdown.table(list(map(text, table.heads)), rows)
    yield text(table.note)


def _cell(cell: Cell) -> str:
    text = markdown.escape_text(" ".join(cell.text.split()))
    if cell.before or cell.after:
        before, after = map(markdown.escape_text, (cell.before, cell.after))
        text = f"{before} **{text}** {after}".strip()
    note = f" ({markdown.escape_text(cell.note)})" if cell.note else ""
    return text + note
