"""Splits of a recipe: training corpora, and the pairs to validate and evaluate on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import islice, product
from pathlib import Path
from typing import NamedTuple

from seq2seq.data.corpora import ParallelCorpus, SentencePair, open_corpus
from seq2seq.data.split_names import MissingSplitError
from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions
from seq2seq.utils.text import is_blank

log = logging.getLogger(__name__)


def open_split(
    data: DataOptions, split: str, *, max_pairs: int | None = None
) -> ParallelCorpus:
    """Open one split of a recipe's data.

    Raises:
        UserError: If it is missing or cannot be read; the message about a missing split
            names the override to set, and no split that has another role.
    """
    try:
        return _open(data, split, max_pairs)
    except MissingSplitError as error:
        raise error.with_roles(data.splits.model_dump()) from None


def _open(data: DataOptions, split: str, max_pairs: int | None) -> ParallelCorpus:
    return open_corpus(
        data.path,
        source=data.source,
        target=data.target,
        split=split,
        config=data.config,
        revision=data.revision,
        max_pairs=max_pairs,
        streaming=data.streaming,
        header=data.header,
        quoted=data.quoted,
    )


def training_corpora(data: DataOptions) -> list[ParallelCorpus]:
    """Open the training split and the corpora mixed into it."""
    mixed = [
        replace(_open(mixed, split, None), tag=corpus.tag)
        for (mixed, split), corpus in zip(_mixed(data), data.mix, strict=True)
    ]
    return [open_split(data, data.splits.train, max_pairs=data.max_pairs), *mixed]


def pair_corpora(data: DataOptions) -> list[ParallelCorpus]:
    """Open the training corpora of the languages of data.source and data.target."""
    languages = (data.source, data.target)
    return [c for c in training_corpora(data) if c.languages == languages]


def _mixed(data: DataOptions) -> list[tuple[DataOptions, str]]:
    """Return the options and the split of each corpus of data.mix."""
    keys = {"path", "config", "revision", "streaming", "header", "quoted"}
    return [
        (
            data.model_copy(
                update={
                    **extra.model_dump(include=keys),
                    "source": extra.source or data.source,
                    "target": extra.target or data.target,
                }
            ),
            extra.split,
        )
        for extra in data.mix
    ]


def load_eval_pairs(data: DataOptions, split: str) -> list[SentencePair]:
    """Load a validation or test split whole and unfiltered.

    Raises:
        UserError: If there is none, it is empty, or a reference is blank.
    """
    corpus = open_split(data, split)
    if line := alias_line(corpus, split):
        _warn_once(line)
    pairs = list(corpus.read())
    if not pairs:
        raise UserError(f"{corpus.name} has no sentence pairs; add some.")
    if blank := _blank_lines([pair.target for pair in pairs], "references"):
        raise UserError(
            f"{corpus.name}: {blank}, and no translation can match them; fill or "
            "remove these pairs."
        )
    if blank := _blank_lines([pair.source for pair in pairs], "sources"):
        _warn_once(f"{corpus.name}: {blank}; their translations are scored as blank")
    return pairs


def _blank_lines(texts: Sequence[str], noun: str) -> str:
    """Return how many texts are blank, and which; nothing if none is."""
    blank = [number for number, text in enumerate(texts, 1) if is_blank(text)]
    if not blank:
        return ""
    lines = ", ".join(map(str, blank[:5])) + (", ..." if len(blank) > 5 else "")
    verb = "is" if len(blank) == 1 else "are"
    return f"{len(blank):,} of {len(texts):,} {noun} {verb} blank (line {lines})"


@cache
def _warn_once(line: str) -> None:
    """Log a warning, once in a process: a report reads a split twice."""
    log.warning(line)


def alias_line(corpus: ParallelCorpus, split: str) -> str:
    """Return a line that says which split stands for a missing one, or nothing."""
    if corpus.split == split:
        return ""
    return f"there is no split {split!r}: {corpus.split!r} is read, {corpus.name}"


def refuse_shared_splits(data: DataOptions) -> None:
    """Refuse a recipe that trains, validates or tests on the same text twice.

    The pairs are compared, in any order and whatever holds them; datasets that cannot
    be opened by their names. Other errors are left to those who read the text.

    Raises:
        UserError: If two of the splits are the same.
    """
    names = data.splits
    train = _Role.open("data.splits.train", data, names.train)
    valid = _Role.open("data.splits.valid", data, names.valid)
    test = _Role.open("data.splits.test", data, names.test)
    mixed = [_Role.open("data.mix", mix, split) for mix, split in _mixed(data)]
    for role, other in [(test, valid), *product((valid, test), (train, *mixed))]:
        if _have_same_text(role, other):
            raise UserError(
                f"{role.key} ({role.split}) and {other.key} ({other.split}) are the "
                "same text, and scores on what a model was trained or chosen on say "
                "nothing about other text. Name another split, or move pairs into one "
                f"of their own: -o {role.key}=NAME"
            )


class _Role(NamedTuple):
    """A key of the recipe, the split that it names, where it is, and its text."""

    key: str
    split: str
    origin: tuple[str, str | None, str | None]
    corpus: ParallelCorpus | None

    @classmethod
    def open(cls, key: str, data: DataOptions, split: str) -> _Role:
        corpus = None
        with suppress(UserError):
            corpus = _open(data, split, None)
        return cls(key, split, (data.path, data.config, data.revision), corpus)


def _have_same_text(held_out: _Role, other: _Role) -> bool:
    """Return whether a held-out split is all of another, or of the training data."""
    if held_out.corpus is None or other.corpus is None:
        is_folder = Path(held_out.origin[0]).expanduser().is_dir()
        same = (held_out.origin, held_out.split) == (other.origin, other.split)
        return same and not is_folder
    if held_out.corpus.content == other.corpus.content:
        return True
    try:
        pairs = _sorted_pairs(held_out.corpus.read())
        return pairs == _sorted_pairs(islice(other.corpus.read(), len(pairs) + 1))
    except UserError:
        return False


def _sorted_pairs(pairs: Iterable[SentencePair]) -> list[tuple[str, str]]:
    return sorted((pair.source.strip(), pair.target.strip()) for pair in pairs)
