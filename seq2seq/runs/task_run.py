"""A trained run of any task: its recipe, what its ids mean, and its network."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe
from seq2seq.runs.checkpoint_reader import network_weights, read_checkpoint
from seq2seq.runs.run_folder import RunFolder
from seq2seq.runs.safetensors import read_safetensors
from seq2seq.tasks import open_task
from seq2seq.tasks.task import Task
from seq2seq.utils.checksums import require_checksums
from seq2seq.utils.files import sha256_file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskRun:
    """A run folder's contents, without the weights.

    Attributes:
        folder: The run folder.
        checkpoint: The file to load weights from.
        task: The task, with the resolved recipe.
    """

    folder: RunFolder
    checkpoint: Path
    task: Task

    @classmethod
    def open(cls, path: str | Path, *, checkpoint: str = "best") -> TaskRun:
        """Read recipe and vocabularies.

        Args:
            path: A run folder, or a checkpoint in one.
            checkpoint: best or last; if best does not exist, last is used.

        Raises:
            UserError: If this is no run, or its files are damaged.
        """
        path = Path(path)
        is_checkpoint = path.suffix == ".ckpt"
        folder = RunFolder(path.parent.parent if is_checkpoint else path)
        recipe = folder.read_recipe()
        files = folder.read_vocabularies()
        try:
            task = open_task(recipe, files)
        except UserError as error:
            raise UserError(f"{folder.vocabulary_folder}: {error}") from error
        if not is_checkpoint:
            path = folder.best if checkpoint == "best" else folder.last
            if not path.is_file() and folder.last.is_file():
                path = folder.last
        log.debug("run %s, weights of %s", folder.path, path.name)
        return cls(folder, path, task)

    @property
    def recipe(self) -> BaseRecipe:
        """The resolved recipe."""
        return self.task.recipe

    def network(self) -> Any:
        """Build the network and load its weights.

        Raises:
            UserError: If the checkpoint is missing, damaged or of another network.
        """
        network = self.task.network()
        try:
            network.load_state_dict(self.weights())
        except RuntimeError as error:
            raise UserError(
                f"{self.checkpoint} does not fit {self.folder.settings[0]}: "
                f"{str(error).splitlines()[-1].strip()}"
            ) from error
        return network

    def weights(self) -> dict[str, Tensor]:
        """Read the network's state dict.

        Raises:
            UserError: If it is missing or damaged.
        """
        if self.folder.is_model:
            require_checksums(self.folder.path, [self.checkpoint.name])
            return read_safetensors(self.checkpoint)
        return network_weights(read_checkpoint(self.checkpoint))

    def fingerprint(self) -> str:
        """Hash what determines answers: weights, vocabularies and recipe."""
        digest = hashlib.sha256()
        files = (
            self.checkpoint,
            *self.folder.vocabularies,
            *self.folder.settings,
        )
        for path in files:
            digest.update(sha256_file(path).encode())
        return digest.hexdigest()
