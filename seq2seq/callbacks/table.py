"""Measurements as a CSV file that a continued run goes on with.

Knows columns, steps and files; not Lightning's hooks or what the numbers mean.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from seq2seq.text.lines import atomic_file


class Table:
    """Rows of numbers and text; one column is the optimizer step.

    Args:
        path: The CSV file; its folder must exist.
        columns: What every row may hold, "step" among them.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = columns

    def begin(self, step: int) -> None:
        """Open the file, or drop the rows after a step, which is where training is.

        A killed run wrote them after its last checkpoint; the same steps are taken
        again.
        """
        kept: list[dict[str, str]] = []
        if self.path.is_file():
            with self.path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns)
        writer.writeheader()
        writer.writerows(kept)
        # Whole or not at all: a run killed right here would lose what it had measured.
        with atomic_file(self.path) as stream:
            stream.write(text.getvalue().encode())

    def add(self, row: Mapping[str, float | str]) -> None:
        """Write a row; columns that it does not name stay empty."""
        text = {
            name: f"{value:.6g}" if isinstance(value, float) else value
            for name, value in row.items()
        }
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self.columns, restval="").writerow(text)
