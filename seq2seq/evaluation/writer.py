"""The files of a report: report.html, report.json, report.md. Knows files and dates."""

from __future__ import annotations

import time
from pathlib import Path

from seq2seq.errors import InputError
from seq2seq.evaluation.builder import Tell, gather
from seq2seq.evaluation.html import page
from seq2seq.evaluation.markdown import markdown
from seq2seq.evaluation.schema import Content, content_json
from seq2seq.evaluation.systems import Asked
from seq2seq.utils.files import atomic_file

FILES = ("report.json", "report.md", "report.html")


def make_report(
    asked: Asked, output: Path, *, whole: bool, tell: Tell, made: str | None = None
) -> Content:
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
        raise InputError(f"{output} is a file. Name a folder for the report.")
    content = gather(
        asked, made=made or time.strftime("%Y-%m-%d"), whole=whole, tell=tell
    )
    tell("drawing")
    texts = (content_json(content), markdown(content), page(content, whole=whole))
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be made: {error.strerror}.") from error
    for name, text in zip(FILES, texts, strict=True):
        with atomic_file(output / name) as file:
            file.write(text.encode("utf-8", "replace"))
    return content
