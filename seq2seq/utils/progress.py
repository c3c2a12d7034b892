"""Progress display of preprocessing: one rich task per stage.

Progress of training is shown by training/callbacks/metrics_logger.py.
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
    """A rich `Progress` of pairs per stage, without totals: a stream has no length.

    Args:
        console: Where to display it; nothing is displayed unless it is a terminal.
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
        """Start the display."""
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the display and erase it."""
        self.progress.stop()

    def __call__(self, stage: str, pairs: int) -> None:
        """Advance the task of this stage by so many pairs."""
        if stage not in self.tasks:
            self.tasks[stage] = self.progress.add_task(stage, total=None)
        self.progress.advance(self.tasks[stage], pairs)
