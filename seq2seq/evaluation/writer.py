"""The files of a report: report.html, report.json, report.md. Knows files and dates."""

from __future__ import annotations

import time
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.evaluation.builder import Tell, build_report
from seq2seq.evaluation.html import render_html
from seq2seq.evaluation.markdown import render_markdown
from seq2seq.evaluation.schema import Report, report_json
from seq2seq.evaluation.systems import ReportRequest
from seq2seq.utils.files import atomic_file

FILES = ("report.json", "report.md", "report.html")


def write_report(
    asked: ReportRequest,
    output: Path,
    *,
    whole: bool,
    tell: Tell,
    made: str | None = None,
) -> Report:
    """Compute a report and write it as HTML, JSON and Markdown.

    Args:
        asked: The systems and what they are measured against.
        output: The folder to write to; made if it is not there.
        whole: Whether to look at models and tell how runs came about.
        tell: Is given a line for people before what may take long.
        made: The date to print; today's if None.

    Returns:
        What the report says.

    Raises:
        InputError: If something cannot be used or written; nothing is written then.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file. Name a folder for the report.")
    content = build_report(
        asked, made=made or time.strftime("%Y-%m-%d"), whole=whole, tell=tell
    )
    tell("drawing")
    texts = (
        report_json(content),
        render_markdown(content),
        render_html(content, whole=whole),
    )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{output}: cannot be made: {error.strerror}.") from error
    for name, text in zip(FILES, texts, strict=True):
        with atomic_file(output / name) as file:
            file.write(text.encode("utf-8", "replace"))
    return content
