"""Splits of a recipe: training corpora, and the pairs to validate and evaluate on."""

from __future__ import annotations

import logging
from itertools import product
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
    mixed = [_open(mixed, split, None) for mixed, split in _mixed(data)]
    return [open_split(data, data.splits.train, max_pairs=data.max_pairs), *mixed]


def _mixed(data: DataOptions) -> list[tuple[DataOptions, str]]:
    """Return the options and the split of each corpus of data.mix."""
    keys = {"path", "config", "revision", "streaming", "header", "quoted"}
    return [
        (data.model_copy(update=extra.model_dump(include=keys)), extra.split)
        for extra in data.mix
    ]


def load_eval_pairs(data: DataOptions, split: str) -> list[SentencePair]:
    """Load a validation or test split whole and unfiltered.

    Raises:
        UserError: If there is none, it is empty, or a reference is blank.
    """
    corpus = open_split(data, split)
    if line := alias_line(corpus, split):
        log.warning(line)
    pairs = list(corpus.read())
    if not pairs:
        raise UserError(f"{corpus.name} has no sentence pairs; add some.")
    blank = [number for number, pair in enumerate(pairs, 1) if is_blank(pair.target)]
    if blank:
        lines = ", ".join(map(str, blank[:5])) + (", ..." if len(blank) > 5 else "")
        raise UserError(
            f"{corpus.name}: {len(blank)} of {len(pairs):,} references are blank (line "
            f"{lines}), and no translation can match them; fill or remove these pairs."
        )
    return pairs


def alias_line(corpus: ParallelCorpus, split: str) -> str:
    """Return a line that says which split stands for a missing one, or nothing."""
    if corpus.split == split:
        return ""
    return f"there is no split {split!r}: {corpus.split!r} is read, {corpus.name}"


def refuse_shared_splits(data: DataOptions) -> None:
    """Refuse a recipe that trains, validates or tests on the same text twice.

    Files are compared by their content, datasets of the Hub by their names. What cannot
    be opened is left to those who read it.

    Raises:
        UserError: If two of the splits are the same.
    """
    names = data.splits
    train = _Role("data.splits.train", names.train, _identity(data, names.train))
    valid = _Role("data.splits.valid", names.valid, _identity(data, names.valid))
    test = _Role("data.splits.test", names.test, _identity(data, names.test))
    mixed = [
        _Role("data.mix", split, _identity(mix, split)) for mix, split in _mixed(data)
    ]
    for role, other in [(test, valid), *product((valid, test), (train, *mixed))]:
        if role.identity is not None and role.identity == other.identity:
            raise UserError(
                f"{role.key} ({role.split}) and {other.key} ({other.split}) are the "
                "same text, and scores on what a model was trained or chosen on say "
                "nothing about other text. Name another split, or move pairs into one "
                f"of their own: -o {role.key}=NAME"
            )


class _Role(NamedTuple):
    """A key of the recipe, the split that it names, and the identity of its text."""

    key: str
    split: str
    identity: str | None


def _identity(data: DataOptions, split: str) -> str | None:
    """Return what identifies the text of a split; None if it cannot be opened."""
    if data.path != "phrasebook" and not Path(data.path).expanduser().is_dir():
        return f"{data.path} {data.config} {data.revision} {split}"
    try:
        return _open(data, split, None).content
    except UserError:
        return None
