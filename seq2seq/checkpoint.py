"""Checkpoints that are whole or not there, and that hold nothing but plain values.

Knows files and torch's own format; not what is in a checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO

from seq2seq.errors import InputError
from seq2seq.text.lines import atomic_file
from seq2seq.weights import read_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write beside the target and rename; read without running what a file brings."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any | None = None,
    ) -> None:
        """Write a checkpoint, fsynced, under its name only once it is whole.

        Raises:
            InputError: If the disk is full or the folder cannot be written.
        """
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:
            raise InputError(f"{path}: cannot be written: {error}") from error

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint; pickled code is refused whatever is asked."""
        return read_checkpoint(Path(path))
