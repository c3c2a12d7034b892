"""Corpora in folders: which files are a split, and what is wrong where none are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from seq2seq.data.readers import (
    PairReader,
    json_pairs,
    parallel_pairs,
    parquet_pairs,
)
from seq2seq.data.split_names import ALIASES, MissingSplitError
from seq2seq.data.tables import SPREADSHEETS, TableOptions, tsv_pairs
from seq2seq.errors import UserError
from seq2seq.utils.files import COMPRESSIONS

_COMPRESSION = r"(?:\.gz|\.xz|\.zst)?"
_ROW_FILE = re.compile(
    # A number alone is no shard: test-2016.jsonl is a split of its own.
    r"(?P<split>.+?)(?:-(?P<shard>\d+)-of-(?P<shards>\d+)(?:-[0-9a-f]+)?)?"
    rf"(?P<kind>\.jsonl{_COMPRESSION}|\.parquet)"
)
_TEXT_FILE = re.compile(
    rf"(?P<split>.+)\.(?P<language>(?!gz$|xz$|zst$)\w[\w-]*){_COMPRESSION}"
)
_LANGUAGE = r"\w+(?:-[A-Z]\w*)?"  # en, zh-CN
_TABLE = re.compile(
    rf"(?P<split>.+?)(?:\.(?P<first>{_LANGUAGE})-(?P<second>{_LANGUAGE}))?\.tsv"
    rf"{_COMPRESSION}"
)
_NO_LANGUAGES = {"csv", "xlsx", "xls", "ods", "json", "md", "txt", "yaml", "py"}


class SplitFiles(NamedTuple):
    """The files of one split.

    Attributes:
        paths: The files.
        kind: How they are read; part of the corpus's fingerprint.
        pairs: Returns a new stream of their pairs.
    """

    paths: list[Path]
    kind: str
    pairs: PairReader


def find_split(
    folder: Path, languages: tuple[str, str], split: str, table: TableOptions
) -> SplitFiles | None:
    """Find the files that are named exactly after the split.

    Raises:
        UserError: If several could be meant, one of several shards is missing, or
            `table` has options, but the files are no TSV.
    """
    source, target = languages
    source_path = find_text_file(folder, f"{split}.{source}")
    target_path = find_text_file(folder, f"{split}.{target}")
    if source_path and target_path:
        table.refuse_for(str(source_path))
        pairs = partial(parallel_pairs, source_path, target_path)
        return SplitFiles([source_path, target_path], "parallel", pairs)
    for suffix, swapped in (
        (f".{source}-{target}", False),
        (f".{target}-{source}", True),
        ("", False),
    ):
        if path := find_text_file(folder, f"{split}{suffix}.tsv"):
            kind = ("swapped tsv" if swapped else "tsv") + table.kind
            pairs = partial(tsv_pairs, path, languages, swapped, table)
            return SplitFiles([path], kind, pairs)
    if paths := _find_row_files(folder, split):
        table.refuse_for(str(paths[0]))
        reader = parquet_pairs if paths[0].suffix == ".parquet" else json_pairs
        return SplitFiles(paths, "rows", partial(reader, paths, languages))
    return None


def find_text_file(folder: Path, name: str) -> Path | None:
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


def has_dataset_files(folder: Path) -> bool:
    """Return whether there are files that `datasets` reads faithfully, at any depth."""
    names = re.compile(rf".+\.(?:jsonl?{_COMPRESSION}|parquet|arrow)")
    return any(names.fullmatch(path.name) for path in folder.rglob("*.*"))


def list_splits(folder: Path, languages: tuple[str, str]) -> list[str]:
    """List the splits that `find_split` would find."""
    there: dict[str, set[str]] = defaultdict(set)
    splits = set()
    for split, file_languages, _ in _named_files(folder):
        if len(file_languages) == 1:
            there[split] |= file_languages
        elif file_languages in (set(), set(languages)):
            splits.add(split)
    splits |= {split for split in there if set(languages) <= there[split]}
    return sorted(splits)


def _named_files(folder: Path) -> Iterator[tuple[str, set[str], Path]]:
    """Yield the split of each file and the languages in its name, two, one or none."""
    for path in _list_files(folder, folder / "data"):
        if match := _ROW_FILE.fullmatch(path.name):
            yield match["split"], set(), path
        elif path.parent != folder:
            continue
        elif match := _TABLE.fullmatch(path.name):
            yield match["split"], {match["first"], match["second"]} - {None}, path
            continue
        match = _TEXT_FILE.fullmatch(path.name)
        if match and match["language"] not in _NO_LANGUAGES:
            yield match["split"], {match["language"]}, path


def _list_languages(folder: Path) -> dict[str, dict[str, Path]]:
    """List the languages of each split in the names of files, each with a file."""
    languages: dict[str, dict[str, Path]] = defaultdict(dict)
    for split, file_languages, path in _named_files(folder):
        languages[split] |= dict.fromkeys(file_languages, path)
    return languages


def missing_files_error(
    folder: Path, languages: tuple[str, str], split: str
) -> UserError:
    """Return the error about a folder without files of the split, and the reason.

    Either the split is there in other languages, or there is no such split.
    """
    there = _list_languages(folder)
    splits = list_splits(folder, languages)
    names = next((names for names in ALIASES.values() if split in names), (split,))
    for name in (split, *names):
        if name in there and name not in splits:
            return _missing_language_error(folder, languages, name, there[name])
    unread = [p.name for p in _list_files(folder) if p.suffix.lower() in SPREADSHEETS]
    if not splits and not unread:
        # No split has both languages: of the fullest, one is a misprint perhaps.
        fullest = max(there, key=lambda name: len(there[name]), default=None)
        if fullest is not None and len(there[fullest]) > 1:
            return _missing_language_error(folder, languages, fullest, there[fullest])
    return MissingSplitError(str(folder), split, splits, unread=unread)


def _missing_language_error(
    folder: Path, languages: tuple[str, str], split: str, there: dict[str, Path]
) -> UserError:
    """Return the error about a split's files in other languages."""
    missing = [language for language in languages if language not in there]
    files = ", ".join(sorted({path.name for path in there.values()}))
    if not missing:  # Each stands in a file with a third.
        return UserError(
            f"{folder} has no files of split {split!r} with {languages[0]} and "
            f"{languages[1]} together, only {files}. Join them line by line."
        )
    message = (
        f"{folder} has no files of split {split!r} in {' and '.join(missing)}, only "
        f"{files}. "
    )
    free = sorted(there.keys() - set(languages))
    if len(free) < len(missing):
        return UserError(f"{message}Add the missing file.")
    if len(free) == len(missing) == 1:
        key = "source" if missing[0] == languages[0] else "target"
        return UserError(f"{message}If you mean {free[0]}: -o data.{key}={free[0]}")
    first, second = free[:2]
    source = first if languages[0] in missing else languages[0]
    target = languages[1]
    if languages[1] in missing:
        target = second if languages[0] in missing else first
    return UserError(
        f"{message}The languages there are {', '.join(sorted(there))}: for example -o "
        f"data.source={source} -o data.target={target}"
    )


def file_error(path: Path) -> UserError:
    """Return the error about a file where a folder is needed."""
    suffix = path.suffix.lower()
    formats = (
        f"{path} is a file; data.path is a folder with the files of all splits: "
        "train.en and train.de, a sentence a line, train.en-de.tsv, train.jsonl or "
        "train.parquet, and the same for valid and test."
    )
    if suffix in SPREADSHEETS:
        return UserError(
            f"{formats} A {suffix[1:].upper()} file is not read: save it as "
            "tab-separated text in UTF-8, such as train.en-de.tsv, in a folder of its "
            "own (-o data.header=true if its first line names the columns)."
        )
    name = path.name
    for ending in (*COMPRESSIONS, suffix):
        name = name.removesuffix(ending)
    row_file, table = _ROW_FILE.fullmatch(path.name), _TABLE.fullmatch(path.name)
    match = row_file or table or _TEXT_FILE.fullmatch(path.name)
    split = match["split"] if match else name
    if any(split in names for names in ALIASES.values()):
        return UserError(f"{formats} The folder of this: -o data.path={path.parent}")
    if table:
        return UserError(
            f"{formats} To train on it: mkdir my-data && cp {path} "
            f"my-data/train{path.name.removeprefix(split)}, and -o data.path=my-data"
        )
    return UserError(formats)
