"""Checkpoints that are whole or not there, and that hold nothing but plain values.

Knows files, torch's own format and its sum; not what is in a checkpoint. The newest one
and the one before it are kept, so that there is never a moment without a good one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO

from seq2seq.errors import UserError
from seq2seq.runs.checkpoint_reader import LENGTH, MARK, read_checkpoint
from seq2seq.utils.files import atomic_file, temp_path

# What Lightning restores a training from.
_STATE = {
    "callbacks": dict,
    "global_step": int,
    "loops": dict,
    "lr_schedulers": list,
    "optimizer_states": list,
    "pytorch-lightning_version": str,
}


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write beside the target and rename; read without running what a file brings.

    Args:
        kept: Where a checkpoint goes that is replaced, by its place; a place that is
            not named is overwritten.
    """

    def __init__(self, kept: dict[Path, Path]) -> None:
        super().__init__()
        self.kept = kept

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
                write_checkpoint(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
                if path in self.kept and path.is_file():
                    _keep(path, self.kept[path])
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise UserError(
                f"{path} cannot be written: {reason}. What was there before is "
                "whole; mend that and give the same command again."
            ) from error

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint; pickled code is refused whatever is asked."""
        return read_checkpoint(Path(path))


def write_checkpoint(checkpoint: dict[str, Any], file: BinaryIO) -> None:
    """Write a checkpoint with its sum, as `weights.read_checkpoint` reads it."""
    summing = _HashingWriter(file)
    stream: Any = summing  # torch calls write and flush, whatever its type says.
    torch.save(checkpoint, stream)
    # torch leaves the comment empty: the last two bytes are its length.
    assert summing.held == b"\0\0"
    file.write(LENGTH + MARK + summing.total.hexdigest().encode())


def latest_valid_checkpoint(
    places: tuple[Path, ...], say: Callable[[str], None]
) -> Path | None:
    """Choose what to continue from.

    Args:
        places: Training states, the newest first; they need not exist.
        say: Is told what is passed over, and why.

    Returns:
        The first that is whole; None where there is none at all.

    Raises:
        InputError: If there are some, but none is whole.
    """
    faults = []
    for place in places:
        if not place.exists():
            continue
        try:
            read_training_state(place)
        except UserError as error:
            faults.append(str(error))
            continue
        for fault in faults:
            say(f"{fault} Going back to {place}.")
        return place
    if faults:
        raise UserError(
            f"{' '.join(faults)} No state is left to continue from: restore one, or "
            "remove the folder to train anew."
        )
    return None


def read_training_state(path: Path) -> dict[str, Any]:
    """Read a checkpoint that a training can continue from.

    Raises:
        InputError: If it is missing, damaged or holds less than that.
    """
    found = read_checkpoint(path)
    for name, kind in _STATE.items():
        if not isinstance(found.get(name), kind):
            raise UserError(
                f"{path} is no training state ({name} is missing); use another one."
            )
    return found


class _HashingWriter:
    """Sum up what passes, but for the last two bytes, which are about to change."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.total = hashlib.sha256()
        self.held = b""

    def write(self, data: Any) -> int:
        """Write what came before the last two bytes of all that was given."""
        view = memoryview(data).cast("B")
        if len(view) < 2:
            view = memoryview(self.held + bytes(view))
            self.held = b""
        for part in (self.held, view[:-2]):
            self.total.update(part)
            self.file.write(part)
        self.held = bytes(view[-2:])
        return len(memoryview(data))

    def flush(self) -> None:
        """Hand what was written on."""
        self.file.flush()


def _keep(path: Path, place: Path) -> None:
    """Give the file at `path` the name `place` as well, in one step."""
    linked = temp_path(place.parent)
    try:
        os.link(path, linked)
        linked.replace(place)
    except OSError:
        # A file system without hard links: for a moment only the previous one is there.
        path.replace(place)
    finally:
        # Renaming one name of a file to another of its names does nothing.
        linked.unlink(missing_ok=True)
