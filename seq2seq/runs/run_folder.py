"""The files of a run folder.

recipe.yaml            the resolved recipe
tokenizer/             what ids mean: source.model and target.model, or a task's own
checkpoints/           last.ckpt, previous.ckpt (the one before the last) and
                       best.ckpt (best validation); each holds its own SHA-256
SHA256SUMS             checksums of the recipe and the tokenizers
metrics.csv            metrics by step
samples.csv            example answers of every validation
train.log              console output
data.json              fingerprints and counts of the data
versions.json          package versions and hardware
summary.json           written when training has finished
outcome.json           why a sweep or a search gave the training up: failed, pruned
evaluation/<split>/    hypotheses.txt, scores.json
tensorboard/, wandb/, mlflow/   experiment logs, if the recipe enables them
report/<split>/        report.html, report.json, report.md
word-counts.json.gz    word frequencies of the training text
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import seq2seq
from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe
from seq2seq.recipe.loader import read_recipe
from seq2seq.runs.model_folder import (
    CONFIG,
    DEMO,
    GENERATION,
    SNAPSHOTS,
    WEIGHTS,
    read_config,
)
from seq2seq.utils.checksums import (
    CHECKSUM_FILE,
    listed_names,
    require_checksums,
    write_checksums,
)
from seq2seq.utils.files import atomic_file
from seq2seq.utils.similar_paths import missing_error

PACKAGES = ("torch", "lightning", "sentencepiece", "datasets", "sacrebleu", "numpy")


@dataclass(frozen=True)
class RunFolder:
    """Paths of the files in a run folder."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def is_model(self) -> bool:
        """Whether this is a model folder: an export to hand on, without training."""
        return (self.path / CONFIG).is_file() and not self.recipe.is_file()

    @property
    def is_shared(self) -> bool:
        """Whether nothing may be written here: demo, and models in the Hub's cache."""
        shipped = Path(seq2seq.__file__).parent / DEMO
        path = self.path.absolute()
        return path == shipped or (self.is_model and path.parent.name == SNAPSHOTS)

    def require_own(self) -> None:
        """Check that a command may write here.

        Raises:
            UserError: If this is a shared copy.
        """
        if self.is_shared:
            raise UserError(
                f"{self.path} is shared, so nothing is written into it. Make your own "
                f"copy: seq2seq export {self.path} --to NAME"
            )

    @property
    def settings(self) -> list[Path]:
        """The files with the resolved recipe."""
        if not self.is_model:
            return [self.recipe]
        names = (CONFIG, GENERATION)
        return [self.path / name for name in names if (self.path / name).is_file()]

    @property
    def last(self) -> Path:
        """The last checkpoint."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The checkpoint before the last."""
        return self.path / "checkpoints" / "previous.ckpt"

    @property
    def has_training_state(self) -> bool:
        """Whether there is a training to continue."""
        return self.last.is_file() or self.previous.is_file()

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation score; the weights of a model."""
        if self.is_model:
            return self.path / WEIGHTS
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def metrics(self) -> Path:
        """Metrics by step."""
        return self.path / "metrics.csv"

    @property
    def log(self) -> Path:
        """Console output."""
        return self.path / "train.log"

    @property
    def data(self) -> Path:
        """Fingerprints and counts of the data."""
        return self.path / "data.json"

    @property
    def summary(self) -> Path:
        """The final scores and counts; exists once training has finished."""
        return self.path / "summary.json"

    @property
    def outcome(self) -> Path:
        """Why a sweep or a search gave the training up; exists only where one did."""
        return self.path / "outcome.json"

    @property
    def inputs(self) -> list[Path]:
        """What translating reads: files, and folders of files."""
        names = ["recipe.yaml", CHECKSUM_FILE, "tokenizer", "checkpoints"]
        names += [CONFIG, GENERATION, WEIGHTS]
        exports = self.path.glob("onnx*")
        return [*(self.path / name for name in names), *exports]

    @property
    def vocabulary_folder(self) -> Path:
        """The folder of the files that say what the network's ids mean."""
        return self.path / "tokenizer"

    def evaluation(self, split: str) -> Path:
        """The folder with the translations and scores of a split.

        Raises:
            UserError: If the name could lead out of the run folder.
        """
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", split):
            raise UserError(
                f"{split!r} is no name of a split; it may hold letters, digits, dots, "
                "hyphens and underscores, and starts with a letter or digit."
            )
        return self.path / "evaluation" / split

    def read_recipe(self) -> BaseRecipe:
        """Read the resolved recipe.

        Raises:
            UserError: If this is no run folder, or its recipe is damaged.
        """
        need = (
            "Name a folder that `seq2seq train` made, such as runs/quickstart, or one "
            "that `seq2seq export --to` made."
        )
        if not self.path.exists():
            if len(self.path.parts) == 2 and not self.path.parent.exists():
                need += f" A model on the Hub is hf://{self.path.as_posix()}"
            raise missing_error(self.path, need)
        if self.path.is_file():
            raise UserError(f"{self.path} is a file, not a run folder. {need}")
        if self.is_model:
            return read_config(self.path)[0]
        if not self.recipe.is_file():
            raise UserError(
                f"{self.path} is no run folder: it has no recipe.yaml. {need}"
            )
        self._verify("recipe.yaml")
        return read_recipe(str(self.recipe))

    @property
    def vocabularies(self) -> list[Path]:
        """The files that say what the network's ids mean, such as tokenizers."""
        folder = self.vocabulary_folder
        names = listed_names(self.path) or [
            f"tokenizer/{path.name}" for path in folder.glob("[!.]*")
        ]
        return [self.path / n for n in sorted(names) if n.startswith("tokenizer/")]

    def read_vocabularies(self) -> dict[str, bytes]:
        """Read these files.

        Returns:
            Their contents by their names.

        Raises:
            UserError: If one is missing or damaged.
        """
        paths = self.vocabularies
        self._verify(*(f"tokenizer/{path.name}" for path in paths))
        try:
            return {path.name: path.read_bytes() for path in paths}
        except OSError as error:
            raise UserError(
                f"{error.filename}: cannot be read: {error.strerror}."
            ) from error

    def multi_sentence_share(self) -> float | None:
        """Return the share of training sources that hold more than one sentence.

        None where data.json does not have it: runs of earlier versions, or copies
        without that file.
        """
        try:
            if self.is_model:
                return float(read_config(self.path)[1]["multi_sentence_share"])
            counts = json.loads(self.data.read_bytes())["train"]
            return float(counts["multi_sentence"] / counts["kept"])
        except (OSError, ValueError, LookupError, TypeError, ZeroDivisionError):
            return None

    def write_vocabularies(self, files: Mapping[str, bytes]) -> None:
        """Write what `read_vocabularies` reads."""
        folder = self.vocabulary_folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with atomic_file(folder / name) as file:
                file.write(content)

    def write_checksums(self) -> None:
        """Write the checksums of the recipe and the vocabularies."""
        names = sorted(path.name for path in self.vocabulary_folder.glob("[!.]*"))
        files = ["recipe.yaml", *(f"tokenizer/{name}" for name in names)]
        write_checksums(self.path, files)

    def _verify(self, *names: str) -> None:
        # Runs written before checksums were added have none.
        if (self.path / CHECKSUM_FILE).exists():
            require_checksums(self.path, names)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write plain values as JSON, atomically."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    with atomic_file(path) as file:
        file.write(text.encode() + b"\n")


def hardware_info(device: str = "cpu") -> str:
    """Return the name of a GPU (cuda:0), or the CPU and its number of cores."""
    if device != "cpu":
        import torch

        return str(torch.cuda.get_device_name(device))
    name = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            models = [line for line in file if line.startswith("model name")]
        name = models[0].split(":", 1)[1].strip()
    except (OSError, IndexError):
        pass  # Only Linux has this file.
    return f"{name}, {os.cpu_count()} cores"


def package_versions(device: str = "cpu") -> dict[str, str]:
    """Return the versions of packages, Python and system, and the device's name."""
    return {
        "seq2seq": seq2seq.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "hardware": hardware_info(device),
        **{package: version(package) for package in PACKAGES},
    }
