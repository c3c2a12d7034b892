"""The files of a report: what they are called, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.utils.files import atomic_file
from seq2seq.utils.overwriting import check_overwrites_no_input

FILES = ("report.json", "report.md", "report.html")


def check_report_folder(output: Path, inputs: Sequence[Path], *, replace: bool) -> None:
    """Check that a report can be written to a folder.

    Args:
        output: The folder.
        inputs: Files that the report is made of.
        replace: Whether to overwrite a report in that folder.

    Raises:
        UserError: If it cannot.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file. Name a folder for the report.")
    check_overwrites_no_input([output / name for name in FILES], inputs)
    if not replace and any((output / name).exists() for name in FILES):
        raise UserError(
            f"{output} holds a report already. Name another folder, such as "
            f"--output {output}-2, or remove it first."
        )


def write_texts(output: Path, texts: Sequence[str]) -> None:
    """Write report.json, report.md and report.html into a folder.

    Raises:
        UserError: If the folder cannot be made.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{output}: cannot be made: {error.strerror}.") from error
    for name, text in zip(FILES, texts, strict=True):
        with atomic_file(output / name) as file:
            file.write(text.encode("utf-8", "replace"))
