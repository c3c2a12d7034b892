"""From files of sentence pairs to a corpus with splits and a recipe for it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seq2seq.data.folders import list_splits
from seq2seq.data.split_names import find_alias, role_of
from seq2seq.errors import UserError
from seq2seq.prepare.chosen_recipe import CorpusSize, choose_recipe, require_enough
from seq2seq.prepare.clean import clean_corpus
from seq2seq.prepare.corpus_reader import read_corpus, read_data_file
from seq2seq.prepare.corpus_writer import write_corpus
from seq2seq.prepare.import_files import import_files
from seq2seq.prepare.raw_pairs import ImportOptions
from seq2seq.prepare.split import split_corpus
from seq2seq.recipe.loader import read_recipe, show_recipe
from seq2seq.utils.files import atomic_file, sha256_file, temp_path
from seq2seq.utils.similar_paths import missing_error

HELD_OUT = 500
"""Pairs to validate and to test on, each; a tenth where the corpus is small."""

SEED = 1
LEFT_OUT = "left_out.tsv"


@dataclass(frozen=True)
class Workspace:
    """Where a translator's corpus, recipe and run are kept.

    Attributes:
        name: The name that they share.
    """

    name: str

    @property
    def corpus(self) -> Path:
        """The folder of splits."""
        return Path("data") / self.name

    @property
    def recipe(self) -> Path:
        """The recipe."""
        return Path(f"{self.name}.yaml")

    @property
    def run(self) -> Path:
        """The run folder."""
        return Path("runs") / self.name

    @classmethod
    def of(cls, files: Sequence[Path], name: str | None) -> Workspace:
        """Return the workspace, called after the first file unless it has a name.

        Raises:
            UserError: If the name is none of a file.
        """
        if name is None:
            stem = files[0].resolve().name.split(".")[0]
            return cls(re.sub(r"[^\w-]+", "-", stem).strip("-") or "corpus")
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise UserError(f"--name {name}: use letters, digits, - and _ alone.")
        return cls(name)


def prepare(
    files: Sequence[Path], workspace: Workspace, options: ImportOptions
) -> Iterator[str]:
    """Make what a workspace lacks of corpus and recipe.

    Args:
        files: Files of sentence pairs, or one folder of such or of splits.
        workspace: Where corpus and recipe are, or will be.
        options: What the user says about the files.

    Yields:
        What was found out, chosen and left out, a sentence each.

    Raises:
        UserError: If files are not sound, have changed, or are too few, or the recipe
            that is there is of another corpus.
    """
    for path in files:
        if not path.exists():
            raise missing_error(path, "Name a file of sentence pairs.")
    corpus, given = workspace.corpus, False
    if len(files) == 1 and files[0].is_dir():
        folder = files[0]
        if any(path.name.startswith("train") for path in folder.iterdir()):
            corpus, given = folder, True
        files = sorted(
            path
            for path in folder.iterdir()
            if path.is_file() and not path.name.startswith(".")
        )
        if not files:
            raise UserError(f"{folder} is empty. Put a file of sentence pairs there.")
    if not given and corpus.exists():
        _check_unchanged(corpus, files)
        yield f"{corpus} is there already, made of the same files"
    elif not given:
        yield from _make_corpus(files, corpus, options)
    if not workspace.recipe.exists():
        _write_recipe(workspace, corpus, options)
    recipe = read_recipe(str(workspace.recipe))
    if recipe.data.path != str(corpus):
        raise UserError(
            f"{workspace.recipe} is there already, and is for {recipe.data.path}. Add "
            "--name NAME, another name for what is made."
        )
    yield (
        f"{workspace.recipe} is the recipe: {recipe.description}. It is yours to keep; "
        "comments in it say why"
    )


def _make_corpus(
    files: Sequence[Path], folder: Path, options: ImportOptions
) -> Iterator[str]:
    """Import files and split their pairs, and write both as a corpus."""
    imported = import_files(files, options)
    yield from imported.notes
    yield imported.summary()
    cleaned = clean_corpus(imported.pairs)
    yield cleaned.summary()
    pairs = cleaned.pairs
    require_enough(len(pairs), str(files[0]))
    held_out = min(HELD_OUT, len(pairs) // 10)
    parts = split_corpus(pairs, valid=held_out, test=held_out, seed=SEED)
    rows = {"train": parts.train, "valid": parts.valid, "test": parts.test}
    left_out = [(raw.origin, raw.reason, *raw[1:3]) for raw in imported.left_out]
    left_out += [
        (f"pair {row}", f"{rule} {detail}", first, second)
        for row, rule, first, second, detail in cleaned.dropped
    ]
    write_corpus(
        folder,
        imported.languages,
        {name: [pairs[row] for row in part] for name, part in rows.items()},
        origin={"made_by": "start", "files": imported.files},
        tables={LEFT_OUT: [("row", "reason", *imported.languages), *left_out]},
    )
    yield f"{folder}: {parts.summary()}"
    if left_out:
        shown = " ".join(map(shlex.quote, map(str, files)))
        yield (
            f"{folder / LEFT_OUT} has each row that was left out and its reason; "
            f"seq2seq data inspect {shown} shows more"
        )


def _check_unchanged(corpus: Path, files: Sequence[Path]) -> None:
    """Refuse a corpus that was made of other files.

    Raises:
        UserError: If it was.
    """
    made_of = read_data_file(corpus).get("files", {})
    if sorted(made_of.values()) != sorted(map(sha256_file, files)):
        raise UserError(
            f"{corpus} is there already, and not made of {files[0]} as it is now. Add "
            "--name NAME, another name for what is made."
        )


def _write_recipe(workspace: Workspace, folder: Path, options: ImportOptions) -> None:
    """Write the recipe that fits the corpus's size, in full, with its reasons.

    Raises:
        UserError: If there are too few pairs, the languages or splits are not clear, or
            it cannot be written.
    """
    corpus = read_corpus(folder, "train", options)
    splits = {}
    names = list_splits(folder, corpus.languages)
    for role in ("valid", "test"):
        alike = [name for name in names if role_of(name) == role]
        if role in names or find_alias(role, names):
            continue
        if len(alike) != 1:
            shown = shlex.quote(str(folder))
            raise UserError(
                f"{folder} has train, but no {role} split. Name one {role}, or make "
                f"splits: seq2seq data split {shown} {shown}-split"
            )
        splits[role] = alike[0]
    size = CorpusSize.of(pair[:2] for pair in corpus.pairs)
    source, target = corpus.languages
    text = choose_recipe(
        size, path=str(folder), source=source, target=target, splits=splits
    )
    temporary = temp_path(Path()).with_suffix(".yaml")
    try:
        temporary.write_text(text, encoding="utf-8")
        full = show_recipe(str(temporary))
    finally:
        temporary.unlink(missing_ok=True)
    with atomic_file(workspace.recipe) as file:
        file.write(full.encode())
