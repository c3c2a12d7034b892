"""A CSV file of measurements, one row a step, that a resumed run continues."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from seq2seq.utils.files import atomic_file


class CSVLog:
    """A table of numbers and text; one column is the optimizer step.

    Args:
        path: The CSV file; its folder must exist.
        columns: Names of the columns, "step" among them.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = columns

    def truncate_after(self, step: int) -> None:
        """Open the file; drop the rows after a step, which will be repeated.

        A killed run wrote them after its last checkpoint; the same steps are taken
        again. Rows that are not whole, as a power cut leaves them, go as well.
        """
        rows: list[dict[str, str]] = []
        if self.path.is_file():
            text = self.path.read_text(encoding="utf-8", errors="replace")
            for row in csv.DictReader(io.StringIO(text, newline="")):
                number = row.get("step") or ""
                whole = None not in row and None not in row.values()
                if whole and number.isdecimal() and int(number) <= step:
                    rows.append(row)
        self._write(rows)

    def _write(self, rows: list[dict[str, str]]) -> None:
        self._before = rows
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        # Whole or not at all: a run killed right here would lose what it had measured.
        with atomic_file(self.path) as stream:
            stream.write(text.getvalue().encode())

    def append(self, row: Mapping[str, float | str]) -> None:
        """Write a row; columns that it does not name stay empty.

        It replaces a row of the same step with the same columns: a run that was killed
        amid a validation repeats it.
        """
        text = {
            name: f"{value:.6g}" if isinstance(value, float) else value
            for name, value in row.items()
        }
        others = [old for old in self._before if not _same(old, text)]
        if len(others) < len(self._before):
            self._write(others)
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self.columns, restval="").writerow(text)


def _same(old: Mapping[str, str], new: Mapping[str, object]) -> bool:
    filled = {name for name, value in old.items() if value}
    return old["step"] == str(new["step"]) and filled == new.keys()
