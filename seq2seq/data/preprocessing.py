"""From a corpus to encoded pairs on disk: cleaning, tokenizer, Arrow cache.

Knows pairs, pieces and files; not tensors or models. What is prepared is kept under a
name made of its content, so that the same data and options are prepared once.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout

from seq2seq.data.corpora import ParallelCorpus, SentencePair, open_corpus
from seq2seq.data.duplicates import Deduplicator
from seq2seq.data.filtering import FilterStats, filter_pairs
from seq2seq.data.tokenizer import Tokenizer, train_tokenizer
from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions, TokenizerOptions
from seq2seq.utils.checksums import LIST, find_corruption, write_checksums
from seq2seq.utils.files import atomic_file, remove_temp_files

FORMAT = 2  # Raise it when the cache's content or the meaning of an option changes.
FILES = ("source.model", "target.model", "counts.json", "pairs.arrow")

Tell = Callable[[str], None]
Step = Callable[[str, int], None]
"""Is given the stage and so many more pairs that it is done with."""


@dataclass(frozen=True)
class Tokenizers:
    """One tokenizer for each side; the same one twice where they are joint."""

    source: Tokenizer
    target: Tokenizer


@dataclass(frozen=True)
class PreprocessedData:
    """A training set, ready to be batched.

    Attributes:
        tokenizers: What cut the text.
        path: The Arrow file with the columns source and target, lists of ids.
        counts: What was kept and dropped.
        fingerprint: Changes with the data, the options or the tokenizers.
    """

    tokenizers: Tokenizers
    path: Path
    counts: FilterStats
    fingerprint: str


def cache_dir() -> Path:
    """Where prepared data is kept: $SEQ2SEQ_CACHE, or seq2seq in the user's cache."""
    if named := os.environ.get("SEQ2SEQ_CACHE"):
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "seq2seq"


def open_split(
    data: DataOptions, split: str, *, limit: int | None = None
) -> ParallelCorpus:
    """Open one split of a recipe's data."""
    return open_corpus(
        data.path,
        source=data.source,
        target=data.target,
        split=split,
        config=data.config,
        revision=data.revision,
        limit=limit,
        streaming=data.streaming,
    )


def training_corpora(data: DataOptions) -> list[ParallelCorpus]:
    """Open the training split, and what is mixed into it."""
    corpora = [open_split(data, data.splits.train, limit=data.max_pairs)]
    for mixed in data.mix:
        changes = mixed.model_dump(include={"path", "config", "revision", "streaming"})
        corpora.append(open_split(data.model_copy(update=changes), mixed.split))
    return corpora


def _digests(tokenizers: Tokenizers) -> list[str]:
    both = (tokenizers.source, tokenizers.target)
    return [hashlib.sha256(each.model).hexdigest() for each in both]


def _names(corpora: Sequence[ParallelCorpus]) -> str:
    more = f" and {len(corpora) - 1} more" if len(corpora) > 1 else ""
    return corpora[0].name + more


def load_eval_pairs(data: DataOptions, split: str) -> list[SentencePair]:
    """Read a validation or test split whole, as it is: nothing is dropped from it.

    Raises:
        InputError: If there is none, it is empty, or a reference is blank.
    """
    corpus = open_split(data, split)
    pairs = list(corpus.read())
    if not pairs:
        raise UserError(f"{corpus.name} has no sentence pairs; add some.")
    blank = [number for number, pair in enumerate(pairs, 1) if not pair.target.strip()]
    if blank:
        lines = ", ".join(map(str, blank[:5])) + (", ..." if len(blank) > 5 else "")
        raise UserError(
            f"{corpus.name}: {len(blank)} of {len(pairs):,} references are blank (line "
            f"{lines}), and no translation can match them; fill or remove these pairs."
        )
    return pairs


def preprocess(
    data: DataOptions,
    options: TokenizerOptions,
    tell: Tell,
    *,
    step: Step = lambda stage, pairs: None,
    threads: int | None = None,
    tokenizers: Tokenizers | None = None,
) -> PreprocessedData:
    """Clean, cut and encode the training split, or find it done before.

    Pairs are streamed, ten thousand at a time; 8 bytes of each stay in memory.

    Args:
        data: Where the pairs are and which to keep.
        options: How to cut them.
        tell: Is given a line for people at each stage.
        step: Is told of progress.
        threads: Threads that encode, which changes nothing but time; None for all
            cores.
        tokenizers: Trained ones to cut with; None to train them on these pairs.

    Raises:
        InputError: If the data cannot be read or nothing of it is left.
    """
    corpora = training_corpora(data)
    identity = [
        FORMAT,
        corpora[0].fingerprint,
        data.max_length,
        data.max_length_ratio,
        data.drop_duplicates,
        data.drop_copies,
        options.model_dump(),
        # Not how often they are taken: that is decided when batches are planned.
        *(corpus.fingerprint for corpus in corpora[1:]),
        *(_digests(tokenizers) if tokenizers else []),
    ]
    fingerprint = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    folder = cache_dir() / fingerprint[:32]
    found = _found(folder, fingerprint, lambda line: None)
    if found is None:
        with _alone(folder, tell):
            # Somebody else may have prepared it while we waited.
            found = _found(folder, fingerprint, tell)
            if found is None:
                if tokenizers is None:
                    tell(
                        f"training a {options.model_type} tokenizer of "
                        f"{options.vocab_size:,} pieces"
                    )
                    tokenizers = _train_tokenizers(corpora, data, options, step)
                counts = _prepare(
                    corpora,
                    data,
                    tokenizers,
                    tell,
                    folder,
                    step=step,
                    threads=threads or _cores(),
                )
                place = folder / "pairs.arrow"
                return PreprocessedData(tokenizers, place, counts, fingerprint)
    tell(f"{_names(corpora)}: {found.counts.sentence(data)} (prepared before)")
    return found


def _found(folder: Path, fingerprint: str, tell: Tell) -> PreprocessedData | None:
    """Return what was prepared before, if it is there and whole."""
    if not (folder / LIST).is_file():
        return None
    if fault := find_corruption(folder, FILES):
        tell(f"{fault}; preparing it anew")
        return None
    source, target, counts, pairs = (folder / name for name in FILES)
    return PreprocessedData(
        Tokenizers(Tokenizer.load(source), Tokenizer.load(target)),
        pairs,
        FilterStats(**json.loads(counts.read_text())),
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
        raise UserError(
            f"{folder}: the cache cannot be written: {error.strerror}. "
            "Set SEQ2SEQ_CACHE to a folder that can."
        ) from error
    try:
        remove_temp_files(folder)
        yield
    finally:
        lock.release()


def _prepare(
    corpora: Sequence[ParallelCorpus],
    data: DataOptions,
    tokenizers: Tokenizers,
    tell: Tell,
    folder: Path,
    *,
    step: Step,
    threads: int,
) -> FilterStats:
    """Do it, and write the list of sums last: it says that all is there."""
    (folder / LIST).unlink(missing_ok=True)
    counts_file, pairs_file = folder / "counts.json", folder / "pairs.arrow"
    counts = FilterStats()
    encoded = _encoded(corpora, data, tokenizers, counts, step, threads)
    tell(f"encoding {_names(corpora)}")
    _write(pairs_file, encoded, max(len(tokenizers.source), len(tokenizers.target)))
    if counts.kept == 0:
        pairs_file.unlink()
        raise UserError(
            f"{_names(corpora)}: nothing is left to train on: {counts.sentence(data)}. "
            "Add text, or keep more of it in the recipe's data section."
        )
    tokenizers.source.save(folder / "source.model")
    tokenizers.target.save(folder / "target.model")
    with atomic_file(counts_file) as file:
        file.write(json.dumps(asdict(counts)).encode())
    write_checksums(folder, FILES)
    tell(f"{_names(corpora)}: {counts.sentence(data)}")
    return counts


def _cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _train_tokenizers(
    corpora: Sequence[ParallelCorpus],
    data: DataOptions,
    options: TokenizerOptions,
    step: Step,
) -> Tokenizers:
    """Train on the cleaned pairs, both sides together or each alone."""

    def pairs() -> Iterator[SentencePair]:
        seen = Deduplicator()
        for corpus in corpora:
            for chunk in filter_pairs(corpus, data, FilterStats(), seen):
                step("reading", len(chunk))
                yield from chunk

    try:
        if options.joint:
            both = train_tokenizer((line for pair in pairs() for line in pair), options)
            return Tokenizers(both, both)
        return Tokenizers(
            train_tokenizer((pair.source for pair in pairs()), options),
            train_tokenizer((pair.target for pair in pairs()), options),
        )
    except UserError as error:
        raise UserError(f"{_names(corpora)}: {error}") from error


Encoded = tuple[list[int], list[int]]


def _encoded(
    corpora: Sequence[ParallelCorpus],
    data: DataOptions,
    tokenizers: Tokenizers,
    counts: FilterStats,
    step: Step,
    threads: int,
) -> Iterator[list[Encoded]]:
    """Encode chunk by chunk, dropping what is too long or too unlike in length."""
    seen = Deduplicator()
    for corpus in corpora:
        before = counts.kept
        for chunk in filter_pairs(corpus, data, counts, seen):
            sources = tokenizers.source.encode([p.source for p in chunk], threads)
            targets = tokenizers.target.encode([p.target for p in chunk], threads)
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
            step("encoding", len(chunk))
            yield kept
        if len(corpora) > 1:
            counts.parts.append(counts.kept - before)


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
            columns = [_column([pair[side] for pair in chunk], ids) for side in (0, 1)]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _column(lists: list[list[int]], ids: pa.DataType) -> pa.Array:
    """Join lists of ids; Arrow's own way is ten times as slow."""
    offsets = np.cumsum([0, *map(len, lists)])
    kind = ids.value_type.to_pandas_dtype()
    values = np.fromiter(chain.from_iterable(lists), kind, count=int(offsets[-1]))
    return pa.LargeListArray.from_arrays(offsets, values, type=ids)
