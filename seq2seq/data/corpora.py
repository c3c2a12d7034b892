"""Parallel corpora: local files, datasets of the Hugging Face Hub, the phrasebook.

Every corpus is a stream that can be read repeatedly in constant memory.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, cast

from seq2seq.data import hub
from seq2seq.data.readers import (
    TextPair,
    dataset_pairs,
    json_pairs,
    parallel_pairs,
    parquet_pairs,
    tsv_pairs,
)
from seq2seq.errors import UserError
from seq2seq.utils.files import COMPRESSIONS, sha256_file

PHRASEBOOK_PAIRS = {"train": 120_000, "valid": 500, "test": 500}
"""Pairs of each split of the phrasebook, unless max_pairs sets another number."""

_PHRASEBOOK_SEED = 0
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_COMPRESSION = r"(?:\.gz|\.xz|\.zst)?"
_ROW_FILE = re.compile(
    # A number alone is no shard: test-2016.jsonl is a split of its own.
    r"(?P<split>.+?)(?:-(?P<shard>\d+)-of-(?P<shards>\d+)(?:-[0-9a-f]+)?)?"
    rf"(?P<kind>\.jsonl{_COMPRESSION}|\.parquet)"
)

PairReader = Callable[[], Iterator[TextPair]]


class SentencePair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


@dataclass(frozen=True)
class ParallelCorpus:
    """One split of a parallel corpus.

    Attributes:
        name: Its files or its dataset, as messages call it.
        fingerprint: SHA-256 of content, languages and max_pairs, in hexadecimal;
            changes when the pairs may change.
        read: Returns a new stream of the pairs. It raises UserError where the content
            is at fault; that two parallel files differ in length shows at their end.
    """

    name: str
    fingerprint: str
    read: Callable[[], Iterator[SentencePair]]


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

    Returns:
        The corpus; an empty one is not an error.

    Raises:
        UserError: If there is no such corpus, split or language, or if several files
            could be the split.
    """
    languages = source, target
    folder = Path(path).expanduser()
    if path == "phrasebook":
        _check_hub_only("the phrasebook", config=config, revision=revision)
        _check_hub_only("the phrasebook", streaming=streaming or None)
        return _open_phrasebook(languages, split, max_pairs)
    if folder.is_dir():
        _check_hub_only(f"{path}, a folder", revision=revision)
        return _open_folder(folder, languages, split, config, max_pairs, streaming)
    if folder.exists():
        raise UserError(
            f"{path} is a file. data.path names the folder that holds the files of "
            "all splits."
        )
    if not _HUB_ID.fullmatch(path):
        raise UserError(
            f"There is no folder {folder.resolve()}. Correct data.path, or make the "
            "folder."
        )
    loaded = hub.load_hub(
        path, split=split, config=config, revision=revision, streaming=streaming
    )
    return _dataset_corpus(f"{path}, split {split}", loaded, languages, max_pairs)


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
            f"{languages[0]} to {languages[1]}. Set data.source and data.target to en "
            "and de, or choose another data.path."
        )
    if split not in PHRASEBOOK_PAIRS:
        raise UserError(
            hub.missing_split_error("The phrasebook", split, PHRASEBOOK_PAIRS)
        )
    from seq2seq.data.phrasebook.corpus import VERSION

    count = PHRASEBOOK_PAIRS[split] if max_pairs is None else max_pairs
    pairs = partial(_read_phrasebook, languages, split, count)
    content = ["phrasebook", VERSION, split, count, _PHRASEBOOK_SEED]
    return _make_corpus(f"phrasebook, split {split}", content, pairs, languages, count)


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
) -> ParallelCorpus:
    # Only the conventions of the Hub have configurations.
    if config is None and (files := _find_split(folder, languages, split)):
        _check_hub_only(
            f"{folder}, which is streamed in any case", streaming=streaming or None
        )
        paths = files.paths
        content = [files.kind, *map(sha256_file, paths)]
        name = " and ".join(map(str, paths))
        if len(paths) > 2:
            name = f"{paths[0]} and {len(paths) - 1} more"
        return _make_corpus(name, content, files.pairs, languages, max_pairs)
    splits = _list_splits(folder, languages)
    if _has_dataset_files(folder):
        loaded = hub.load_folder(
            folder,
            split=split,
            config=config,
            known_splits=splits,
            streaming=streaming,
        )
        return _dataset_corpus(f"{folder}, split {split}", loaded, languages, max_pairs)
    _check_hub_only(f"{folder}, a folder of text files", config=config)
    names = [path.name for path in _list_files(folder)]
    others = [name for name in names if name.startswith(f"{split}.")]
    if others:
        raise UserError(
            f"{folder} has no files of split {split!r} for {languages[0]} and "
            f"{languages[1]}, only {', '.join(others)}. Check data.source and "
            "data.target, or name another split in data.splits."
        )
    raise UserError(hub.missing_split_error(str(folder), split, splits))


class _SplitFiles(NamedTuple):
    paths: list[Path]
    kind: str
    pairs: PairReader


def _find_split(
    folder: Path, languages: tuple[str, str], split: str
) -> _SplitFiles | None:
    """Find the files that are named exactly after the split."""
    source, target = languages
    source_path = _find_text_file(folder, f"{split}.{source}")
    target_path = _find_text_file(folder, f"{split}.{target}")
    if source_path and target_path:
        pairs = partial(parallel_pairs, source_path, target_path)
        return _SplitFiles([source_path, target_path], "parallel", pairs)
    for suffix, swapped in (
        (f".{source}-{target}", False),
        (f".{target}-{source}", True),
        ("", False),
    ):
        if path := _find_text_file(folder, f"{split}{suffix}.tsv"):
            kind = "swapped tsv" if swapped else "tsv"
            return _SplitFiles([path], kind, partial(tsv_pairs, path, swapped))
    if paths := _find_row_files(folder, split):
        reader = parquet_pairs if paths[0].suffix == ".parquet" else json_pairs
        return _SplitFiles(paths, "rows", partial(reader, paths, languages))
    return None


def _find_text_file(folder: Path, name: str) -> Path | None:
    """Find a file, compressed or not; two of them are ambiguous."""
    candidates = [folder / f"{name}{suffix}" for suffix in ("", *COMPRESSIONS)]
    paths = [path for path in candidates if path.is_file()]
    if len(paths) > 1:
        raise _ambiguous_error(folder, paths)
    return paths[0] if paths else None


def _find_row_files(folder: Path, split: str) -> list[Path]:
    """Find the JSONL or Parquet files of a split, all of its shards in order."""
    groups: dict[tuple[Path, str, str | None], dict[int, Path]] = {}
    for path in _list_files(folder, folder / "data"):
        match = _ROW_FILE.fullmatch(path.name)
        if match and match["split"] == split:
            key = path.parent, match["kind"], match["shards"]
            shards = groups.setdefault(key, {})
            shard = int(match["shard"] or 0)
            if shard in shards:
                raise _ambiguous_error(folder, [shards[shard], path])
            shards[shard] = path
    if len(groups) > 1:
        raise _ambiguous_error(folder, [min(g.values()) for g in groups.values()])
    for (_, _, shard_count), shards in groups.items():
        count = int(shard_count or 1)
        missing = [i for i in range(count) if i not in shards]
        if missing:
            raise UserError(
                f"{folder} has {len(shards)} of the {count} files of split {split!r}; "
                f"number {missing[0]} is missing. Fetch it, or remove all of them."
            )
        return [shards[shard] for shard in sorted(shards)]
    return []


def _ambiguous_error(folder: Path, paths: Iterable[Path]) -> UserError:
    names = " and ".join(str(path.relative_to(folder)) for path in paths)
    return UserError(f"{folder} has both {names}, and either may be meant. Remove one.")


def _list_files(*folders: Path) -> list[Path]:
    """List the files directly in these folders, sorted by name."""
    return [
        path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]


def _has_dataset_files(folder: Path) -> bool:
    """Return whether there are files that `datasets` reads faithfully, at any depth."""
    names = re.compile(rf".+\.(?:jsonl?{_COMPRESSION}|parquet|arrow)")
    return any(names.fullmatch(path.name) for path in folder.rglob("*.*"))


def _list_splits(folder: Path, languages: tuple[str, str]) -> list[str]:
    """List the splits that _find_split would find."""
    source, target = map(re.escape, languages)
    names = [path.name for path in _list_files(folder)]
    sides = [
        {m[1] for n in names if (m := re.fullmatch(rf"(.+)\.{s}{_COMPRESSION}", n))}
        for s in (source, target)
    ]
    suffix = rf"(?:\.{source}-{target}|\.{target}-{source})"
    tsv = re.compile(rf"(.+?){suffix}?\.tsv{_COMPRESSION}")
    tables = {match[1] for name in names if (match := tsv.fullmatch(name))}
    other_languages = {name for name in tables if re.search(r"\.\w+-\w+$", name)}
    rows = {
        match["split"]
        for path in _list_files(folder, folder / "data")
        if (match := _ROW_FILE.fullmatch(path.name))
    }
    return sorted((sides[0] & sides[1]) | (tables - other_languages) | rows)


def _dataset_corpus(
    name: str,
    loaded: hub.LoadedSplit,
    languages: tuple[str, str],
    max_pairs: int | None,
) -> ParallelCorpus:
    pairs = partial(dataset_pairs, loaded.dataset, languages, name)
    content = ["dataset", loaded.fingerprint]
    return _make_corpus(name, content, pairs, languages, max_pairs)


def _make_corpus(
    name: str,
    content: Iterable[object],
    pairs: PairReader,
    languages: tuple[str, str],
    max_pairs: int | None,
) -> ParallelCorpus:
    """Make a corpus whose fingerprint covers content, languages and max_pairs."""
    identity = "\0".join(map(str, (*content, *languages, max_pairs)))
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()
    return ParallelCorpus(name, fingerprint, partial(_read, pairs, max_pairs))


def _read(pairs: PairReader, max_pairs: int | None) -> Iterator[SentencePair]:
    return map(SentencePair._make, islice(pairs(), max_pairs))
