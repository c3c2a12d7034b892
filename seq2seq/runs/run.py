"""A trained run of a translation: its recipe, tokenizers and network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import BaseRecipe, Recipe
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks.translation import Translation


@dataclass(frozen=True)
class Run(TaskRun):
    """A run folder that translates, without the weights.

    Attributes:
        task: Its task.
    """

    task: Translation

    @classmethod
    def open(cls, path: str | Path, *, checkpoint: str = "best") -> Run:
        """Read recipe and tokenizers.

        Args:
            path: A run folder, or a checkpoint in one.
            checkpoint: best or last; if best does not exist, last is used.

        Raises:
            UserError: If this is no run of a translation, or its files are damaged.
        """
        run = TaskRun.open(path, checkpoint=checkpoint)
        require_translation(run.recipe, run.folder.path)
        assert isinstance(run.task, Translation)
        return cls(run.folder, run.checkpoint, run.task)

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return self.task.recipe

    @property
    def source(self) -> Tokenizer:
        """The source tokenizer."""
        return self.task.tokenizers.source

    @property
    def target(self) -> Tokenizer:
        """The target tokenizer."""
        return self.task.tokenizers.target

    def network(self) -> EncoderDecoder:
        """Build the network and load its weights, as `TaskRun.network` does."""
        network: EncoderDecoder = super().network()
        return network

    def require_same_tokenizers(self, other: Run) -> None:
        """Check that both runs share their vocabularies.

        Raises:
            UserError: If a tokenizer differs by a byte.
        """
        for side in ("source", "target"):
            if getattr(self, side).model != getattr(other, side).model:
                raise UserError(
                    f"{self.folder.path} and {other.folder.path} have different "
                    f"{side} tokenizers, so their token ids mean different things. Use "
                    "runs that were trained on the same data with the same tokenizer "
                    "options."
                )


def require_translation(recipe: BaseRecipe, path: Path) -> Recipe:
    """Return the recipe of a run that translates.

    Raises:
        UserError: If the run has another task.
    """
    if isinstance(recipe, Recipe):
        return recipe
    raise UserError(
        f"{path} is a run of task: {recipe.task}, and this command needs one that "
        f"translates. For its scores: seq2seq evaluate {path}"
    )
