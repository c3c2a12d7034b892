"""What commands print: how much of it (-q, -v), hints, tables that a pipe can read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_package = logging.getLogger("seq2seq")


def set_verbosity(*, quiet: bool, verbose: bool) -> None:
    """Set how much the package prints.

    Args:
        quiet: Only results, warnings and errors: no progress, no hints.
        verbose: Also debug log lines, on standard error.
    """
    _package.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else 0)
    if verbose:
        handler = logging.StreamHandler()
        handler.addFilter(lambda record: record.levelno < logging.INFO)
        form = "%(asctime)s %(name)s: %(message)s"
        handler.setFormatter(logging.Formatter(form, "%H:%M:%S"))
        _package.addHandler(handler)


def is_quiet() -> bool:
    """Return whether progress and hints are not wanted."""
    return _package.level >= logging.WARNING


def print_hint(text: str) -> None:
    """Print what to do next, unless -q is given."""
    if not is_quiet():
        print(text)


def print_warning(text: str) -> None:
    """Print a warning on standard error."""
    make_console(stderr=True).print(text, style="yellow", markup=False)


def make_console(*, stderr: bool = False) -> Console:
    """Make a rich console that leaves the wrapping of lines to the terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def print_table(
    console: Console,
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numeric: Iterable[str] = (),
) -> None:
    """Print a table: drawn on a terminal, else a line of tab-separated cells per row.

    Args:
        console: Where to print.
        title: What the table shows.
        columns: Names of the columns.
        rows: Cells of each row; line feeds in a cell become spaces in a pipe.
        numeric: Names of the columns that are aligned right.
    """
    if not console.is_terminal:
        for cells in ([title], columns, *rows):
            line = "\t".join(" ".join(cell.split()) for cell in cells)
            console.file.write(line + "\n")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title))
    right = set(numeric)
    for name in columns:
        justify = "right" if name in right else "left"
        table.add_column(Text(name), justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
