"""Train a small GRU model with attention on two text files, line i of one the
translation of line i of the other.

    python examples/train_tiny.py corpus.en corpus.de runs/tiny
"""

from __future__ import annotations

import sys
from pathlib import Path

from seq2seq.recipe import Recipe
from seq2seq.training.train import train
from seq2seq.translate import Translator
from seq2seq.utils.files import read_lines, write_lines


def split_files(source: Path, target: Path, folder: Path, num_valid: int) -> None:
    """Write {train,valid}.{language}; the last `num_valid` pairs validate."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (source, target):
        lines = list(read_lines(path))
        write_lines(folder / f"train{path.suffix}", lines[:-num_valid])
        write_lines(folder / f"valid{path.suffix}", lines[-num_valid:])


def make_recipe(folder: Path, source: str, target: str, max_steps: int) -> Recipe:
    """The keys of a recipe, as in a YAML file; every mistake is reported at once."""
    return Recipe.model_validate(
        {
            "data": {"path": str(folder), "source": source, "target": target},
            "tokenizer": {"vocab_size": 300},
            "model": {
                "embedding_size": 64,
                "encoder": {"cell": "gru", "hidden_size": 64, "bidirectional": True},
                "decoder": {"cell": "gru", "hidden_size": 128},
                "attention": {"kind": "additive"},
            },
            "train": {
                "max_steps": max_steps,
                "batch_tokens": 512,
                "optimizer": {"kind": "adam", "learning_rate": 4e-3},
                "schedule": {"kind": "cosine"},
                "validate_every": max_steps,
            },
        }
    )


def main(source: Path, target: Path, output: Path, max_steps: int = 500) -> None:
    """Split the corpus, train, and translate the validation sentences.

    Args:
        source: Source sentences, one per line; the suffix is the language.
        target: Their translations.
        output: The run folder; the same call again resumes an interrupted training.
        max_steps: Optimizer steps.
    """
    folder = output.with_name(output.name + "-data")
    split_files(source, target, folder, num_valid=50)
    recipe = make_recipe(folder, source.suffix[1:], target.suffix[1:], max_steps)
    train(recipe, output)

    sources = list(read_lines(folder / f"valid{source.suffix}"))[:5]
    for line, translation in zip(
        sources, Translator.load(output)(sources), strict=True
    ):
        print(f"{line} -> {translation}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python examples/train_tiny.py SOURCE_FILE TARGET_FILE RUN")
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
