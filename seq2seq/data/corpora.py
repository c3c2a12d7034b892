"""Where sentence pairs come from: folders, Hub datasets and the built-in phrasebook.

Knows names of files, splits and languages; not how text is cleaned, cut into pieces or
batched. Every corpus is read as a stream, as often as wanted, in constant memory.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice, zip_longest
from pathlib import Path
from typing import Literal, NamedTuple, cast

from seq2seq.data import hub
from seq2seq.data.readers import dataset_pairs, json_pairs, parquet_pairs
from seq2seq.errors import UserError
from seq2seq.utils.files import COMPRESSIONS, read_lines, sha256_file

PHRASEBOOK_PAIRS = {"train": 120_000, "valid": 500, "test": 500}
"""How many pairs a split of the phrasebook has unless a max_pairs says otherwise."""

_PHRASEBOOK_SEED = 0
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_COMPRESSION = r"(?:\.gz|\.xz|\.zst)?"
_ROW_FILE = re.compile(
    # A number alone is no shard: test-2016.jsonl is a split of its own.
    r"(?P<split>.+?)(?:-(?P<shard>\d+)-of-(?P<shards>\d+)(?:-[0-9a-f]+)?)?"
    rf"(?P<kind>\.jsonl{_COMPRESSION}|\.parquet)"
)

Pairs = Callable[[], Iterator[tuple[str, str]]]


class SentencePair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


@dataclass(frozen=True)
class ParallelCorpus:
    """One split of a parallel corpus, readable again and again.

    Attributes:
        name: What people call it: its files or its dataset.
        fingerprint: SHA-256 over content, languages and max_pairs, in hexadecimal;
            changes when the pairs may change.
        read: Starts a new stream of the pairs. It raises InputError where the content
            is at fault, such as two parallel files of unequal length, which shows at
            their end.
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
    """Find one split of a corpus, as `datasets.load_dataset` would, and more strictly.

    A folder is searched for, in this order: parallel files `train.en` and `train.de`;
    TSV `train.en-de.tsv`, `train.de-en.tsv` or `train.tsv`; `train.jsonl` and
    `train.parquet`, there or in `data/`, also in shards such as
    `train-00000-of-00002.parquet`; then by the conventions of the Hub. All but Parquet
    may end in .gz, .xz or .zst.

    Args:
        path: "phrasebook", a folder, or the id of a dataset on the Hugging Face Hub.
        source: The language to translate from, as files or columns name it.
        target: The language to translate into.
        split: Which part: "train", or any other name that the corpus has.
        config: A Hub dataset's configuration.
        revision: A Hub dataset's branch, tag or commit.
        max_pairs: Read the first so many pairs only.
        streaming: Have `datasets` read a dataset each time instead of copying it.

    Returns:
        The corpus; an empty one is not an error.

    Raises:
        InputError: If there is no such corpus, split or language, or several files
            claim to be the same.
    """
    languages = source, target
    folder = Path(path).expanduser()
    if path == "phrasebook":
        _refuse("the phrasebook", config=config, revision=revision)
        _refuse("the phrasebook", streaming=streaming or None)
        return _open_phrasebook(languages, split, max_pairs)
    if folder.is_dir():
        _refuse(f"{path}, a folder", revision=revision)
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
    name = f"{path}, split {split}"
    return _dataset_corpus(name, loaded, languages, max_pairs)


def _refuse(name: str, **options: str | bool | None) -> None:
    """An option that would be ignored is a misunderstanding."""
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
    pairs = partial(_phrasebook_pairs, languages, split, count)
    content = ["phrasebook", VERSION, split, count, _PHRASEBOOK_SEED]
    return _corpus(f"phrasebook, split {split}", content, pairs, languages, count)


def _phrasebook_pairs(
    languages: tuple[str, str], split: str, count: int
) -> Iterator[tuple[str, str]]:
    from seq2seq.data.phrasebook.corpus import phrase_pairs

    known = cast(Literal["train", "valid", "test"], split)
    for english, german in phrase_pairs(known, count=count, seed=_PHRASEBOOK_SEED):
        yield (english, german) if languages[0] == "en" else (german, english)


def _open_folder(
    folder: Path,
    languages: tuple[str, str],
    split: str,
    config: str | None,
    max_pairs: int | None,
    streaming: bool,
) -> ParallelCorpus:
    # A configuration is a thing of the Hub's conventions.
    if config is None and (found := _find_files(folder, languages, split)):
        _refuse(f"{folder}, which is streamed in any case", streaming=streaming or None)
        files, kind, pairs = found
        content = [kind, *map(sha256_file, files)]
        name = " and ".join(map(str, files[:2]))
        if len(files) > 2:
            name = f"{files[0]} and {len(files) - 1} more"
        return _corpus(name, content, pairs, languages, max_pairs)
    splits = _splits(folder, languages)
    if _has_row_files(folder):
        loaded = hub.load_folder(
            folder,
            split=split,
            config=config,
            known_splits=splits,
            streaming=streaming,
        )
        return _dataset_corpus(f"{folder}, split {split}", loaded, languages, max_pairs)
    _refuse(f"{folder}, a folder of text files", config=config)
    others = [path.name for path in _files(folder) if path.name.startswith(f"{split}.")]
    if others:
        raise UserError(
            f"{folder} has no files of split {split!r} for {languages[0]} and "
            f"{languages[1]}, only {', '.join(others)}. Check data.source and "
            "data.target, or name another split in data.splits."
        )
    raise UserError(hub.missing_split_error(str(folder), split, splits))


class _Found(NamedTuple):
    files: list[Path]
    kind: str
    pairs: Pairs


def _find_files(folder: Path, languages: tuple[str, str], split: str) -> _Found | None:
    """Find the files that bear the split's very name."""
    source, target = languages
    source_file = _only(folder, f"{split}.{source}")
    target_file = _only(folder, f"{split}.{target}")
    if source_file and target_file:
        pairs = partial(_parallel_pairs, source_file, target_file)
        return _Found([source_file, target_file], "parallel", pairs)
    for languages_in_name, swapped in (
        (f".{source}-{target}", False),
        (f".{target}-{source}", True),
        ("", False),
    ):
        if file := _only(folder, f"{split}{languages_in_name}.tsv"):
            kind = "swapped tsv" if swapped else "tsv"
            return _Found([file], kind, partial(_tsv_pairs, file, swapped))
    if files := _row_files(folder, split):
        read = parquet_pairs if files[0].suffix == ".parquet" else json_pairs
        return _Found(files, "rows", partial(read, files, languages))
    return None


def _only(folder: Path, name: str) -> Path | None:
    """Find a file, compressed or not; two of them leave it open which is meant."""
    paths = [folder / f"{name}{suffix}" for suffix in ("", *COMPRESSIONS)]
    found = [path for path in paths if path.is_file()]
    if len(found) > 1:
        raise UserError(_ambiguous(folder, found))
    return found[0] if found else None


def _row_files(folder: Path, split: str) -> list[Path]:
    """Find the JSONL or Parquet files of a split, all of its shards in order."""
    groups: dict[tuple[Path, str, str | None], dict[int, Path]] = {}
    for path in _files(folder, folder / "data"):
        match = _ROW_FILE.fullmatch(path.name)
        if match and match["split"] == split:
            shards = groups.setdefault(
                (path.parent, match["kind"], match["shards"]), {}
            )
            shard = int(match["shard"] or 0)
            if shard in shards:
                raise UserError(_ambiguous(folder, [shards[shard], path]))
            shards[shard] = path
    if len(groups) > 1:
        raise UserError(_ambiguous(folder, [min(g.values()) for g in groups.values()]))
    for (_, _, count), shards in groups.items():
        missing = [i for i in range(int(count or 1)) if i not in shards]
        if missing:
            raise UserError(
                f"{folder} has {len(shards)} of the {int(count or 1)} files of split "
                f"{split!r}; number {missing[0]} is missing. Fetch it, or remove all "
                "of them."
            )
        return [shards[shard] for shard in sorted(shards)]
    return []


def _ambiguous(folder: Path, paths: Iterable[Path]) -> str:
    names = " and ".join(str(path.relative_to(folder)) for path in paths)
    return f"{folder} has both {names}, and either may be meant. Remove one."


def _files(*folders: Path) -> list[Path]:
    """List the files right in these folders, in a fixed order."""
    return [
        path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]


def _has_row_files(folder: Path) -> bool:
    """Say whether `datasets` may find what it reads faithfully, at any depth."""
    suffixes = re.compile(rf".+\.(?:jsonl?{_COMPRESSION}|parquet|arrow)")
    return any(suffixes.fullmatch(path.name) for path in folder.rglob("*.*"))


def _splits(folder: Path, languages: tuple[str, str]) -> list[str]:
    """List the splits that _find_files would find."""
    source, target = map(re.escape, languages)
    names = [path.name for path in _files(folder)]
    sides = [
        {m[1] for n in names if (m := re.fullmatch(rf"(.+)\.{s}{_COMPRESSION}", n))}
        for s in (source, target)
    ]
    pair = rf"(?:\.{source}-{target}|\.{target}-{source})"
    tsv = re.compile(rf"(.+?){pair}?\.tsv{_COMPRESSION}")
    tables = {match[1] for name in names if (match := tsv.fullmatch(name))}
    other_languages = {name for name in tables if re.search(r"\.\w+-\w+$", name)}
    rows = {
        match["split"]
        for path in _files(folder, folder / "data")
        if (match := _ROW_FILE.fullmatch(path.name))
    }
    return sorted((sides[0] & sides[1]) | (tables - other_languages) | rows)


def _parallel_pairs(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    """Read two files in step; the counts are compared at their end."""
    sides = read_lines(source), read_lines(target)
    for count, (first, second) in enumerate(zip_longest(*sides)):
        if first is None or second is None:
            longer = count + 1 + sum(1 for side in sides for _ in side)
            counts = (count, longer) if first is None else (longer, count)
            lines = f"{counts[0]:,} line{'' if counts[0] == 1 else 's'}"
            raise UserError(
                f"{source} has {lines} but {target.name} has {counts[1]:,}; line i of "
                "one must translate line i of the other."
            )
        yield first, second


def _tsv_pairs(path: Path, swapped: bool) -> Iterator[tuple[str, str]]:
    """Read the first two columns; quotes are plain text."""
    for number, line in enumerate(read_lines(path), 1):
        first, tab, rest = line.partition("\t")
        if not tab:
            raise UserError(
                f"{path}:{number}: there is no tab. Every line of a TSV file must hold "
                "a sentence, a tab and its translation."
            )
        second = rest.partition("\t")[0]
        yield (second, first) if swapped else (first, second)


def _dataset_corpus(
    name: str,
    loaded: hub.LoadedSplit,
    languages: tuple[str, str],
    max_pairs: int | None,
) -> ParallelCorpus:
    pairs = partial(dataset_pairs, loaded.dataset, languages, name)
    return _corpus(name, ["dataset", loaded.fingerprint], pairs, languages, max_pairs)


def _corpus(
    name: str,
    content: Iterable[object],
    pairs: Pairs,
    languages: tuple[str, str],
    max_pairs: int | None,
) -> ParallelCorpus:
    parts = "\0".join(map(str, (*content, *languages, max_pairs)))
    fingerprint = hashlib.sha256(parts.encode()).hexdigest()
    return ParallelCorpus(name, fingerprint, partial(_read, pairs, max_pairs))


def _read(pairs: Pairs, max_pairs: int | None) -> Iterator[SentencePair]:
    return map(SentencePair._make, islice(pairs(), max_pairs))
