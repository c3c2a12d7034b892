"""A trained run: its recipe, tokenizers and network, read from the run folder."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import Recipe
from seq2seq.runs.checkpoint_reader import network_weights, read_checkpoint
from seq2seq.runs.run_folder import RunFolder
from seq2seq.utils.files import sha256_file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A run folder's contents, without the weights.

    Attributes:
        folder: The run folder.
        checkpoint: The file to load weights from.
        recipe: The resolved recipe.
        source: The source tokenizer.
        target: The target tokenizer.
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
            checkpoint: best or last; if best does not exist, last is used.

        Raises:
            UserError: If this is no run, or its files are damaged.
        """
        path = Path(path)
        is_checkpoint = path.suffix == ".ckpt"
        folder = RunFolder(path.parent.parent if is_checkpoint else path)
        recipe = folder.read_recipe()
        source, target = folder.read_tokenizers()
        if not is_checkpoint:
            path = folder.best if checkpoint == "best" else folder.last
            if not path.is_file() and folder.last.is_file():
                path = folder.last
        log.debug("run %s, weights of %s", folder.path, path.name)
        return cls(folder, path, recipe, source, target)

    def network(self) -> EncoderDecoder:
        """Build the network and load its weights.

        Raises:
            UserError: If the checkpoint is missing, damaged or of another network.
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
        """Hash what determines translations: weights, tokenizers and recipe."""
        digest = hashlib.sha256()
        for path in (
            self.checkpoint,
            self.folder.tokenizer("source"),
            self.folder.tokenizer("target"),
            self.folder.recipe,
        ):
            digest.update(sha256_file(path).encode())
        return digest.hexdigest()

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
