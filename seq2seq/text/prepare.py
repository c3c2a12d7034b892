"""From a corpus to encoded pairs on disk: cleaning, tokenizer, Arrow cache.

Knows pairs, pieces and files; not tensors or models. What is prepared is kept under a
name made of its content, so that the same data and options are prepared once.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout

from seq2seq.errors import InputError
from seq2seq.recipe import DataOptions, TokenizerOptions
from seq2seq.text.corpus import Corpus, Pair, open_corpus
from seq2seq.text.lines import atomic_file, remove_leftovers
from seq2seq.text.sums import LIST, find_damage, write_sums
from seq2seq.text.tokenizer import Tokenizer, train_tokenizer

FORMAT = 2  # Raise it when the cache's content or the meaning of an option changes.
FILES = ("source.model", "target.model", "counts.json", "pairs.arrow")
CHUNK = 10_000  # Pairs encoded and written at a time.

Tell = Callable[[str], None]


@dataclass
class Counts:
    """What became of a corpus's pairs."""

    read: int = 0
    kept: int = 0
    blank: int = 0
    duplicate: int = 0
    copied: int = 0
    too_long: int = 0
    ratio: int = 0

    def sentence(self, options: DataOptions) -> str:
        """Say it in one line."""
        reasons = {
            "blank": self.blank,
            "duplicates": self.duplicate,
            "copies of the source": self.copied,
            f"too long (>{options.max_length} pieces)": self.too_long,
            f"of unlike lengths (>{options.max_length_ratio:g}x)": self.ratio,
        }
        dropped = [f"{count:,} {reason}" for reason, count in reasons.items() if count]
        line = f"kept {self.kept:,} of {self.read:,} pairs"
        return f"{line}: {', '.join(dropped)}" if dropped else line


@dataclass(frozen=True)
class Tokenizers:
    """One tokenizer for each side; the same one twice where they are joint."""

    source: Tokenizer
    target: Tokenizer


@dataclass(frozen=True)
class Prepared:
    """A training set, ready to be batched.

    Attributes:
        tokenizers: What cut the text.
        path: The Arrow file with the columns source and target, lists of ids.
        counts: What was kept and dropped.
        fingerprint: Changes with the data, the options or the tokenizers.
    """

    tokenizers: Tokenizers
    path: Path
    counts: Counts
    fingerprint: str


def cache_folder() -> Path:
    """Where prepared data is kept: $SEQ2SEQ_CACHE, or seq2seq in the user's cache."""
    if named := os.environ.get("SEQ2SEQ_CACHE"):
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "seq2seq"


def open_split(data: DataOptions, split: str, *, limit: int | None = None) -> Corpus:
    """Open one split of a recipe's data."""
    return open_corpus(
        data.path,
        source=data.source,
        target=data.target,
        split=split,
        config=data.config,
        revision=data.revision,
        limit=limit,
    )


def scored_pairs(data: DataOptions, split: str) -> list[Pair]:
    """Read a validation or test split whole, as it is: nothing is dropped from it.

    Raises:
        InputError: If there is none, it is empty, or a reference is blank.
    """
    corpus = open_split(data, split)
    pairs = list(corpus.read())
    if not pairs:
        raise InputError(f"{corpus.name} has no sentence pairs; add some.")
    blank = [number for number, pair in enumerate(pairs, 1) if not pair.target.strip()]
    if blank:
        lines = ", ".join(map(str, blank[:5])) + (", ..." if len(blank) > 5 else "")
        raise InputError(
            f"{corpus.name}: {len(blank)} of {len(pairs):,} references are blank (line "
            f"{lines}), and no translation can match them; fill or remove these pairs."
        )
    return pairs


def prepare(data: DataOptions, options: TokenizerOptions, tell: Tell) -> Prepared:
    """Clean, cut and encode the training split, or find it done before.

    Args:
        data: Where the pairs are and which to keep.
        options: How to cut them.
        tell: Is given a line for people at each stage.

    Raises:
        InputError: If the data cannot be read or nothing of it is left.
    """
    corpus = open_split(data, data.splits.train, limit=data.limit)
    identity = [
        FORMAT,
        corpus.fingerprint,
        data.max_length,
        data.max_length_ratio,
        data.drop_duplicates,
        data.drop_copies,
        options.model_dump(),
    ]
    fingerprint = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    folder = cache_folder() / fingerprint[:32]
    found = _found(folder, fingerprint, lambda line: None)
    if found is None:
        with _alone(folder, tell):
            # Somebody else may have prepared it while we waited.
            found = _found(folder, fingerprint, tell)
            if found is None:
                return _prepare(corpus, data, options, tell, folder, fingerprint)
    tell(f"{corpus.name}: {found.counts.sentence(data)} (prepared before)")
    return found


def _found(folder: Path, fingerprint: str, tell: Tell) -> Prepared | None:
    """Return what was prepared before, if it is there and whole."""
    if not (folder / LIST).is_file():
        return None
    if fault := find_damage(folder, FILES):
        tell(f"{fault}; preparing it anew")
        return None
    source, target, counts, pairs = (folder / name for name in FILES)
    return Prepared(
        Tokenizers(Tokenizer.load(source), Tokenizer.load(target)),
        pairs,
        Counts(**json.loads(counts.read_text())),
        fingerprint,
    )


@contextmanager
def _alone(folder: Path, tell: Tell) -> Iterator[None]:
    """Let one process at a time prepare a folder.

    The system takes the lock back when a process ends, however it ends.
    """
    lock = FileLock(folder.with_name(folder.name + ".lock"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            tell("waiting for another training that prepares the same data")
            lock.acquire()
    except OSError as error:
        raise InputError(
            f"{folder}: the cache cannot be written: {error.strerror}. "
            "Set SEQ2SEQ_CACHE to a folder that can."
        ) from error
    try:
        remove_leftovers(folder)
        yield
    finally:
        lock.release()


def _prepare(
    corpus: Corpus,
    data: DataOptions,
    options: TokenizerOptions,
    tell: Tell,
    folder: Path,
    fingerprint: str,
) -> Prepared:
    """Do it, and write the list of sums last: it says that all is there."""
    (folder / LIST).unlink(missing_ok=True)
    counts_file, pairs_file = folder / "counts.json", folder / "pairs.arrow"
    tell(f"training a {options.kind} tokenizer of {options.vocab_size:,} pieces")
    tokenizers = _train_tokenizers(corpus, data, options)
    counts = Counts()
    encoded = _encoded(_cleaned(corpus, data, counts), data, tokenizers, counts)
    tell(f"encoding {corpus.name}")
    _write(pairs_file, encoded, max(len(tokenizers.source), len(tokenizers.target)))
    if counts.kept == 0:
        pairs_file.unlink()
        raise InputError(
            f"{corpus.name}: nothing is left to train on: {counts.sentence(data)}. "
            "Add text, or keep more of it in the recipe's data section."
        )
    tokenizers.source.save(folder / "source.model")
    tokenizers.target.save(folder / "target.model")
    with atomic_file(counts_file) as file:
        file.write(json.dumps(asdict(counts)).encode())
    write_sums(folder, FILES)
    tell(f"{corpus.name}: {counts.sentence(data)}")
    return Prepared(tokenizers, pairs_file, counts, fingerprint)


def _cleaned(corpus: Corpus, data: DataOptions, counts: Counts) -> Iterator[Pair]:
    """Yield what can be trained on as far as text alone tells, and count the rest."""
    seen: set[int] = set()
    for pair in corpus.read():
        counts.read += 1
        source, target = pair.source.strip(), pair.target.strip()
        if not source or not target:
            counts.blank += 1
            continue
        if data.drop_copies and source == target:
            counts.copied += 1
            continue
        if data.drop_duplicates:
            # 8 bytes instead of the text; a chance of 1 in 10^6 that two of 5 million
            # pairs share them.
            joined = f"{source}\0{target}".encode()
            digest = hashlib.blake2b(joined, digest_size=8).digest()
            key = int.from_bytes(digest, "little")
            if key in seen:
                counts.duplicate += 1
                continue
            seen.add(key)
        yield Pair(source, target)


def _train_tokenizers(
    corpus: Corpus, data: DataOptions, options: TokenizerOptions
) -> Tokenizers:
    """Train on the cleaned pairs, both sides together or each alone."""
    pairs = lambda: _cleaned(corpus, data, Counts())  # noqa: E731
    try:
        if options.joint:
            both = train_tokenizer((line for pair in pairs() for line in pair), options)
            return Tokenizers(both, both)
        return Tokenizers(
            train_tokenizer((pair.source for pair in pairs()), options),
            train_tokenizer((pair.target for pair in pairs()), options),
        )
    except InputError as error:
        raise InputError(f"{corpus.name}: {error}") from error


Encoded = tuple[list[int], list[int]]


def _encoded(
    pairs: Iterator[Pair], data: DataOptions, tokenizers: Tokenizers, counts: Counts
) -> Iterator[list[Encoded]]:
    """Encode chunk by chunk, dropping what is too long or too unlike in length."""
    while chunk := list(islice(pairs, CHUNK)):
        sources = tokenizers.source.encode([pair.source for pair in chunk])
        targets = tokenizers.target.encode([pair.target for pair in chunk])
        kept: list[Encoded] = []
        for source, target in zip(sources, targets, strict=True):
            shorter, longer = sorted((len(source), len(target)))
            if longer > data.max_length:
                counts.too_long += 1
            elif longer > data.max_length_ratio * shorter + 10:
                counts.ratio += 1
            else:
                kept.append((source, target))
        counts.kept += len(kept)
        yield kept


def _write(path: Path, chunks: Iterator[list[Encoded]], pieces: int) -> None:
    """Write the columns source and target, with the smallest ids that fit."""
    number = pa.uint16() if pieces <= np.iinfo(np.uint16).max + 1 else pa.int32()
    ids = pa.large_list(number)
    schema = pa.schema([("source", ids), ("target", ids)])
    with (
        atomic_file(path) as file,
        pa.ipc.new_file(file, schema) as writer,
    ):
        for chunk in chunks:
            columns = [pa.array([pair[side] for pair in chunk], ids) for side in (0, 1)]
            writer.write_batch(pa.record_batch(columns, schema=schema))
