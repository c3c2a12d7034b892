"""What lies in a run folder, and where. Knows names and checks; not training.

recipe.yaml            the resolved recipe
tokenizer/             source.model and target.model
checkpoints/           last.ckpt (the newest), previous.ckpt (the one before it),
                       best.ckpt (the best validation); each holds its own sum
SHA256SUMS             of the recipe and the tokenizers
metrics.csv            what was measured, step by step
translations.csv       some translations of every validation
train.log              what was said on the screen
data.json              fingerprints and counts of the data
versions.json          what it ran on
summary.json           written when the training is finished
evaluation/<split>/    hypotheses.txt, scores.json
tensorboard/, wandb/, mlflow/   the same for others, if the recipe asks for it
report/<split>/        report.html, report.json, report.md
word-counts.json.gz    how often the training text has each word
"""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import seq2seq
from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError
from seq2seq.recipe import Recipe
from seq2seq.recipe.loader import read_recipe
from seq2seq.utils.checksums import LIST, require_checksums, write_checksums
from seq2seq.utils.files import atomic_file

PACKAGES = ("torch", "lightning", "sentencepiece", "datasets", "sacrebleu", "numpy")


@dataclass(frozen=True)
class RunFolder:
    """The places in one run's folder."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The checkpoint before the newest."""
        return self.path / "checkpoints" / "previous.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint of the best validation."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def metrics(self) -> Path:
        """What was measured, step by step."""
        return self.path / "metrics.csv"

    @property
    def log(self) -> Path:
        """What was said on the screen."""
        return self.path / "train.log"

    @property
    def summary(self) -> Path:
        """How the training ended; there once it has."""
        return self.path / "summary.json"

    def tokenizer(self, side: str) -> Path:
        """The tokenizer of a side, source or target."""
        return self.path / "tokenizer" / f"{side}.model"

    def evaluation(self, split: str) -> Path:
        """The folder of a split's translations and scores.

        Raises:
            InputError: If the name could lead out of the run folder.
        """
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", split):
            raise UserError(
                f"{split!r} is no name of a split; it may hold letters, digits, dots, "
                "hyphens and underscores, and starts with a letter or digit."
            )
        return self.path / "evaluation" / split

    def read_recipe(self) -> Recipe:
        """Read the resolved recipe.

        Raises:
            InputError: If this is no run folder, or its recipe is damaged.
        """
        if not self.recipe.is_file():
            raise UserError(
                f"{self.path} is no run folder: it has no recipe.yaml. Name a folder "
                "that `seq2seq train` made, such as runs/quickstart."
            )
        self._check("recipe.yaml")
        return read_recipe(str(self.recipe))

    def read_tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """Load the source's and the target's tokenizer.

        Raises:
            InputError: If one is missing or damaged.
        """
        self._check(*_TOKENIZERS)
        source, target = (Tokenizer.load(self.tokenizer(s)) for s in _SIDES)
        return source, target

    def write_tokenizers(self, source: Tokenizer, target: Tokenizer) -> None:
        """Keep both tokenizers with the run."""
        for side, tokenizer in zip(_SIDES, (source, target), strict=True):
            self.tokenizer(side).parent.mkdir(parents=True, exist_ok=True)
            tokenizer.save(self.tokenizer(side))

    def write_checksums(self) -> None:
        """Sum up what is written once, when it is."""
        write_checksums(self.path, ["recipe.yaml", *_TOKENIZERS])

    def _check(self, *names: str) -> None:
        # Runs from before there were sums have none.
        if (self.path / LIST).exists():
            require_checksums(self.path, names)


_SIDES = ("source", "target")
_TOKENIZERS = [f"tokenizer/{side}.model" for side in _SIDES]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write plain values as JSON, whole or not at all."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    with atomic_file(path) as file:
        file.write(text.encode() + b"\n")


def hardware_info() -> str:
    """Name the accelerator, or the processor and its cores."""
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    name = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            models = [line for line in file if line.startswith("model name")]
        name = models[0].split(":", 1)[1].strip()
    except (OSError, IndexError):
        pass  # Only Linux says more.
    return f"{name}, {os.cpu_count()} cores"


def package_versions() -> dict[str, str]:
    """Tell what the program runs on."""
    found = {package: version(package) for package in PACKAGES}
    return {
        "seq2seq": seq2seq.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "hardware": hardware_info(),
        **found,
    }
