"""Trained runs as engines. Knows run folders and checkpoints; not lines or search."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import Recipe
from seq2seq.runs.checkpoint_reader import network_weights, read_checkpoint
from seq2seq.runs.run_folder import RunFolder
from seq2seq.utils.files import sha256_file


@dataclass(frozen=True)
class Run:
    """What a run folder says about itself, weights aside.

    Attributes:
        folder: The run folder.
        checkpoint: The file with the weights to use.
        recipe: What the run was trained from.
        source: The source side's tokenizer.
        target: The target side's tokenizer.
    """

    folder: RunFolder
    checkpoint: Path
    recipe: Recipe
    source: Tokenizer
    target: Tokenizer

    @classmethod
    def open(cls, path: str | Path, *, checkpoint: str = "best") -> Run:
        """Read recipe and tokenizers.

        Args:
            path: A run folder, or a checkpoint in one.
            checkpoint: best or last; of a run without the best, the last.

        Raises:
            InputError: If there is no run, or its files are damaged.
        """
        path = Path(path)
        inside = path.suffix == ".ckpt"
        folder = RunFolder(path.parent.parent if inside else path)
        recipe = folder.read_recipe()
        source, target = folder.read_tokenizers()
        chosen = folder.best if checkpoint == "best" else folder.last
        if not chosen.is_file() and folder.last.is_file():
            chosen = folder.last
        return cls(folder, path if inside else chosen, recipe, source, target)

    def network(self) -> EncoderDecoder:
        """Build the network and load its weights.

        Raises:
            InputError: If the checkpoint is missing, damaged or of another network.
        """
        network = EncoderDecoder(
            self.recipe.model,
            source_vocab_size=len(self.source),
            target_vocab_size=len(self.target),
        )
        try:
            network.load_state_dict(network_weights(read_checkpoint(self.checkpoint)))
        except RuntimeError as error:
            raise UserError(
                f"{self.checkpoint} does not fit {self.folder.recipe}: "
                f"{str(error).splitlines()[-1].strip()}"
            ) from error
        return network

    def fingerprint(self) -> str:
        """Sum up what decides on translations: weights, tokenizers and recipe."""
        total = hashlib.sha256()
        for path in (
            self.checkpoint,
            self.folder.tokenizer("source"),
            self.folder.tokenizer("target"),
            self.folder.recipe,
        ):
            total.update(sha256_file(path).encode())
        return total.hexdigest()

    def require_same_tokenizers(self, other: Run) -> None:
        """Check that ids mean the same to both runs.

        Raises:
            InputError: If a tokenizer differs by a byte.
        """
        for side in ("source", "target"):
            one, two = getattr(self, side).model, getattr(other, side).model
            if one != two:
                raise UserError(
                    f"{self.folder.path} and {other.folder.path} have different "
                    f"{side} tokenizers, so their pieces mean different things. Use "
                    "runs that were trained on the same data with the same tokenizer "
                    "options."
                )
