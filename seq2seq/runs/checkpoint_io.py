"""Lightning's CheckpointIO with atomic writes, checksums and one backup.

The previous checkpoint is kept beside the last one, so at every moment one valid
checkpoint exists on disk. Reading never unpickles code.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO

from seq2seq.errors import UserError
from seq2seq.runs.checkpoint_reader import (
    COMMENT_LENGTH,
    COMMENT_PREFIX,
    read_checkpoint,
)
from seq2seq.utils.files import atomic_file, temp_path

log = logging.getLogger(__name__)

# The entries that Lightning resumes training from.
_TRAINING_STATE = {
    "callbacks": dict,
    "global_step": int,
    "loops": dict,
    "lr_schedulers": list,
    "optimizer_states": list,
    "pytorch-lightning_version": str,
}

# The entries that `load_from_checkpoint` needs.
_WEIGHTS = (
    "epoch",
    "global_step",
    "hyper_parameters",
    "pytorch-lightning_version",
    "state_dict",
)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write to a temporary file and rename it; read with weights_only.

    Args:
        backups: Maps a checkpoint's path to the path that the old file is moved to when
            it is replaced; without an entry it is overwritten.
        inference: Paths that get no more than weights and hyperparameters.
    """

    def __init__(
        self, backups: dict[Path, Path], *, inference: Collection[Path] = ()
    ) -> None:
        super().__init__()
        self.backups = backups
        self.inference = inference

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any | None = None,
    ) -> None:
        """Write and fsync a checkpoint; it gets its name only once it is complete.

        Raises:
            UserError: If the disk is full or the folder cannot be written.
        """
        path = Path(path)
        log.debug("writing %s", path)
        if path in self.inference:
            checkpoint = {key: checkpoint[key] for key in _WEIGHTS if key in checkpoint}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                write_checkpoint(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
                if path in self.backups and path.is_file():
                    _backup(path, self.backups[path])
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
        """Read a checkpoint to the CPU; pickled code is refused in any case."""
        return read_checkpoint(Path(path))


def write_checkpoint(checkpoint: dict[str, Any], file: BinaryIO) -> None:
    """Write a checkpoint and its SHA-256, the format of `read_checkpoint`."""
    writer = _HashingWriter(file)
    stream: Any = writer  # torch calls write and flush, whatever its type says.
    torch.save(checkpoint, stream)
    # torch leaves the comment empty: the last two bytes are its length.
    assert writer.tail == b"\0\0"
    file.write(COMMENT_LENGTH + COMMENT_PREFIX + writer.digest.hexdigest().encode())


def latest_valid_checkpoint(
    paths: tuple[Path, ...], log: Callable[[str], None]
) -> Path | None:
    """Choose the checkpoint to resume from.

    Args:
        paths: Checkpoints, the latest first; they need not exist.
        log: Called with a warning for each invalid one that is skipped.

    Returns:
        The first valid one; None if none exists.

    Raises:
        UserError: If some exist, but none is valid.
    """
    errors = []
    for path in paths:
        if not path.exists():
            continue
        try:
            read_training_state(path)
        except UserError as error:
            errors.append(str(error))
            continue
        for message in errors:
            log(f"{message} Going back to {path}.")
        return path
    if errors:
        raise UserError(
            f"{' '.join(errors)} No state is left to continue from: restore one, or "
            "remove the folder to train anew."
        )
    return None


def read_training_state(path: Path) -> dict[str, Any]:
    """Read a checkpoint that training can resume from.

    Raises:
        UserError: If it is missing, damaged, or lacks optimizer or loop state.
    """
    checkpoint = read_checkpoint(path)
    for name, expected_type in _TRAINING_STATE.items():
        if not isinstance(checkpoint.get(name), expected_type):
            raise UserError(
                f"{path} is no training state ({name} is missing); use another one."
            )
    return checkpoint


class _HashingWriter:
    """Hash and forward all bytes except the last two, which are held back in `tail`.

    They are the length of the zip comment, which the checksum will replace.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.tail = b""

    def write(self, data: Any) -> int:
        """Write all bytes so far except the last two."""
        view = memoryview(data).cast("B")
        if len(view) < 2:
            view = memoryview(self.tail + bytes(view))
            self.tail = b""
        for block in (self.tail, view[:-2]):
            self.digest.update(block)
            self.file.write(block)
        self.tail = bytes(view[-2:])
        return len(memoryview(data))

    def flush(self) -> None:
        """Flush the file; the tail stays held back."""
        self.file.flush()


def _backup(path: Path, backup: Path) -> None:
    """Give the file at `path` the name `backup` as well, in one step."""
    link = temp_path(backup.parent)
    try:
        os.link(path, link)
        link.replace(backup)
    except OSError:
        # Without hard links, for a moment only the backup exists.
        path.replace(backup)
    finally:
        # Renaming one name of a file to another of its names does nothing.
        link.unlink(missing_ok=True)
