"""Measurements and translations as TensorBoard shows them, while training goes on.

Knows steps, numbers, lines and TensorBoard's writer; not Lightning's hooks or what the
numbers mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seq2seq.errors import InputError


class Board:
    """Event files in a folder.

    Args:
        folder: Where they go; made when training begins.

    Raises:
        InputError: If TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                "train.tensorboard: true needs a package that is not installed: "
                "pip install 'seq2seq[tensorboard]', or set it to false."
            ) from error
        self.folder = folder
        self._writer_of: Any = SummaryWriter
        self._writer: Any = None

    def begin(self, step: int) -> None:
        """Open a file; what a killed run wrote after this step is not shown."""
        self._writer = self._writer_of(str(self.folder), purge_step=step + 1)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add numbers, a curve for each name."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def translations(
        self, step: int, rows: Sequence[Mapping[str, float | str]]
    ) -> None:
        """Add translations beside their references, as text and not as Markdown."""
        lines = [f"    {row['reference']}\n    {row['hypothesis']}" for row in rows]
        self._writer.add_text("translations", "\n    \n".join(lines), step)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
