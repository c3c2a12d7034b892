"""Parallel corpora: local files, datasets of the Hugging Face Hub, the phrasebook.

Every corpus is a stream that can be read repeatedly in constant memory.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, cast

from seq2seq.data import hub
from seq2seq.data.folders import (
    file_error,
    find_split,
    has_dataset_files,
    list_splits,
    missing_files_error,
)
from seq2seq.data.readers import PairReader, TextPair, dataset_pairs
from seq2seq.data.split_names import MissingSplitError, find_alias
from seq2seq.data.tables import TableOptions
from seq2seq.errors import UserError
from seq2seq.utils.files import sha256_file
from seq2seq.utils.similar_paths import similar_path

PHRASEBOOK_PAIRS = {"train": 120_000, "valid": 500, "test": 500}
"""Pairs of each split of the phrasebook, unless max_pairs sets another number."""

_PHRASEBOOK_SEED = 0
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


class SentencePair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


@dataclass(frozen=True)
class ParallelCorpus:
    """One split of a parallel corpus.

    Attributes:
        name: Its files or its dataset, as messages call it.
        split: Its name there, which may be another than the one that was opened: val
            where there is no valid.
        languages: Source and target language.
        content: SHA-256 of what it is read from, in hexadecimal; equal where the same
            text is opened under two names.
        fingerprint: SHA-256 of content, languages and max_pairs, in hexadecimal;
            changes when the pairs may change.
        read: Returns a new stream of the pairs. It raises UserError where the content
            is at fault; that two parallel files differ in length shows at their end.
        tag: The tag of its sources; None if they have none.
        hub_dataset: What it is on the Hub; None if it is of local files.
    """

    name: str
    split: str
    languages: tuple[str, str]
    content: str
    fingerprint: str
    read: Callable[[], Iterator[SentencePair]]
    tag: str | None = None
    hub_dataset: hub.HubDataset | None = None


def open_corpus(
    path: str,
    *,
    source: str,
    target: str,
    split: str,
    config: str | None = None,
    revision: str | None = None,
    max_pairs: int | None = None,
    streaming: bool = False,
    header: bool | None = None,
    quoted: bool | None = None,
) -> ParallelCorpus:
    """Open one split of a corpus, as `datasets.load_dataset` would, but more strictly.

    A folder is searched for, in this order: parallel files `train.en` and `train.de`;
    TSV `train.en-de.tsv`, `train.de-en.tsv` or `train.tsv`; `train.jsonl` and
    `train.parquet`, there or in `data/`, also in shards such as
    `train-00000-of-00002.parquet`; then by the conventions of the Hub. All but Parquet
    may end in .gz, .xz or .zst.

    Args:
        path: "phrasebook", a folder, or the id of a dataset on the Hugging Face Hub.
        source: The language to translate from, as files or columns name it.
        target: The language to translate into.
        split: "train", or any other split of the corpus.
        config: Configuration of a Hub dataset.
        revision: Branch, tag or commit of a Hub dataset.
        max_pairs: Number of pairs to read from the start; all if None.
        streaming: Whether `datasets` streams a dataset instead of copying it.
        header: Whether the first line of a TSV file names its columns; None: refuse to
            read one that may.
        quoted: Whether quotes around the cells of a TSV file are none of their text;
            None: refuse to read such a file.

    Returns:
        The corpus; an empty one is not an error.

    Raises:
        MissingSplitError: If there is no such split, and not one other name of it:
            valid, validation, val and dev are one split, and so are train and training,
            test and testing.
        UserError: If there is no such corpus or language, or if several files could be
            the split.
    """
    open_exact = partial(
        _open_exact,
        path,
        (source, target),
        config,
        revision,
        max_pairs,
        streaming,
        TableOptions(header, quoted),
    )
    try:
        return open_exact(split)
    except MissingSplitError as error:
        alias = find_alias(split, error.splits)
        if alias is None:
            raise
        return open_exact(alias)


def _open_exact(
    path: str,
    languages: tuple[str, str],
    config: str | None,
    revision: str | None,
    max_pairs: int | None,
    streaming: bool,
    table: TableOptions,
    split: str,
) -> ParallelCorpus:
    """Open the split of exactly this name."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        table.refuse_for(path)
    if path == "phrasebook":
        _check_hub_only("the phrasebook", config=config, revision=revision)
        _check_hub_only("the phrasebook", streaming=streaming or None)
        return _open_phrasebook(languages, split, max_pairs)
    if folder.is_dir():
        _check_hub_only(f"{path}, a folder", revision=revision)
        return _open_folder(
            folder, languages, split, config, max_pairs, streaming, table
        )
    if folder.exists():
        raise file_error(folder)
    # Only a dataset of the Hub has a revision or a configuration.
    if not (revision or config or streaming) and (similar := similar_path(folder)):
        message = f"There is no folder {path}, but {similar}: -o data.path={similar}"
        if _HUB_ID.fullmatch(path):
            message += " (For a dataset of the Hub: -o data.revision=main)"
        raise UserError(message)
    if not _HUB_ID.fullmatch(path):
        raise UserError(
            f"There is no folder {folder.resolve()}. Correct data.path, or make the "
            "folder."
        )
    loaded = hub.load_hub(
        path, split=split, config=config, revision=revision, streaming=streaming
    )
    return _dataset_corpus(path, split, loaded, languages, max_pairs)


def _check_hub_only(name: str, **options: str | bool | None) -> None:
    """Refuse options that only a Hub dataset has, instead of ignoring them."""
    for key, value in options.items():
        if value is not None:
            raise UserError(
                f"data.{key} is {value!r}, but only datasets of the Hub have one, not "
                f"{name}. Remove data.{key}."
            )


def _open_phrasebook(
    languages: tuple[str, str], split: str, max_pairs: int | None
) -> ParallelCorpus:
    if sorted(languages) != ["de", "en"]:
        raise UserError(
            "The phrasebook translates between en and de, not from "
            f"{languages[0]} to {languages[1]}: -o data.source=en -o data.target=de, "
            "or choose another data.path."
        )
    if split not in PHRASEBOOK_PAIRS:
        raise MissingSplitError("The phrasebook", split, PHRASEBOOK_PAIRS)
    from seq2seq.data.phrasebook.corpus import VERSION

    count = PHRASEBOOK_PAIRS[split] if max_pairs is None else max_pairs
    pairs = partial(_read_phrasebook, languages, split, count)
    content = ["phrasebook", VERSION, split, count, _PHRASEBOOK_SEED]
    name = f"phrasebook, split {split}"
    corpus = _make_corpus(name, split, content, pairs, languages, count)
    return replace(corpus, content=name)


def _read_phrasebook(
    languages: tuple[str, str], split: str, count: int
) -> Iterator[TextPair]:
    from seq2seq.data.phrasebook.corpus import phrase_pairs

    name = cast(Literal["train", "valid", "test"], split)
    for english, german in phrase_pairs(name, count=count, seed=_PHRASEBOOK_SEED):
        yield (english, german) if languages[0] == "en" else (german, english)


def _open_folder(
    folder: Path,
    languages: tuple[str, str],
    split: str,
    config: str | None,
    max_pairs: int | None,
    streaming: bool,
    table: TableOptions,
) -> ParallelCorpus:
    # Only the conventions of the Hub have configurations.
    if config is None and (files := find_split(folder, languages, split, table)):
        _check_hub_only(
            f"{folder}, which is streamed in any case", streaming=streaming or None
        )
        paths = files.paths
        content = [files.kind, *map(sha256_file, paths)]
        name = " and ".join(map(str, paths))
        if len(paths) > 2:
            name = f"{paths[0]} and {len(paths) - 1} more"
        return _make_corpus(name, split, content, files.pairs, languages, max_pairs)
    splits = list_splits(folder, languages)
    if config is None and find_alias(split, splits):
        raise MissingSplitError(str(folder), split, splits)
    if has_dataset_files(folder):
        table.refuse_for(f"what `datasets` reads of {folder}")
        loaded = hub.load_folder(
            folder,
            split=split,
            config=config,
            known_splits=splits,
            streaming=streaming,
        )
        return _dataset_corpus(str(folder), split, loaded, languages, max_pairs)
    _check_hub_only(f"{folder}, a folder of text files", config=config)
    raise missing_files_error(folder, languages, split)


def _dataset_corpus(
    path: str,
    split: str,
    loaded: hub.LoadedSplit,
    languages: tuple[str, str],
    max_pairs: int | None,
) -> ParallelCorpus:
    name = f"{path}, split {split}"
    pairs = partial(dataset_pairs, loaded.dataset, languages, name)
    content = ["dataset", loaded.fingerprint]
    corpus = _make_corpus(name, split, content, pairs, languages, max_pairs)
    return replace(corpus, hub_dataset=loaded.hub)


def _make_corpus(
    name: str,
    split: str,
    content: Sequence[object],
    pairs: PairReader,
    languages: tuple[str, str],
    max_pairs: int | None,
) -> ParallelCorpus:
    """Make a corpus whose fingerprint covers content, languages and max_pairs."""
    return ParallelCorpus(
        name,
        split,
        languages,
        # The first says how the text is read, not which it is.
        content=_sha256(content[1:]),
        fingerprint=_sha256([*content, *languages, max_pairs]),
        read=partial(_read, pairs, max_pairs),
    )


def _sha256(parts: Iterable[object]) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def _read(pairs: PairReader, max_pairs: int | None) -> Iterator[SentencePair]:
    return map(SentencePair._make, islice(pairs(), max_pairs))
