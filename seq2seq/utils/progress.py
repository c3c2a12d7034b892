"""How far the preparing of data is. Knows terminals; not data.

Training's own progress is told by training/callbacks/metrics_logger.py.
"""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)


class PreprocessingProgress:
    """Show how many pairs a stage is done with; how many there are, no stream knows.

    Args:
        console: Where to show it; nothing is shown where it is no terminal.
    """

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description} {task.completed:,} pairs"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=console.quiet or not console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> PreprocessingProgress:
        """Begin to show."""
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave no trace of it."""
        self.progress.stop()

    def __call__(self, stage: str, pairs: int) -> None:
        """Take in that a stage is done with so many more pairs."""
        if stage not in self.tasks:
            self.tasks[stage] = self.progress.add_task(stage, total=None)
        self.progress.advance(self.tasks[stage], pairs)
