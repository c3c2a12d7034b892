"""Preprocessing: filter a corpus, train tokenizers, write encoded pairs to a cache.

The cache is addressed by content: the same data and options are preprocessed once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout

from seq2seq.data.control_tokens import control_tokens, require_control_tokens
from seq2seq.data.corpora import ParallelCorpus, SentencePair
from seq2seq.data.filtering import Deduplicator, FilterStats, Hashes, filter_pairs
from seq2seq.data.overlap import HASH_COLUMNS, fold_hashes
from seq2seq.data.sentences import split_sentences
from seq2seq.data.splits import alias_line, training_corpora
from seq2seq.data.tokenizer import Tokenizer, Tokenizers, train_tokenizer
from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions, TokenizerOptions
from seq2seq.utils.checksums import CHECKSUM_FILE, find_corruption, write_checksums
from seq2seq.utils.files import atomic_file, remove_temp_files

FORMAT = 6  # Raise it when the cache's content or the meaning of an option changes.
CACHE_FILES = ("source.model", "target.model", "counts.json", "pairs.arrow")

Log = Callable[[str], None]
ProgressCallback = Callable[[str, int], None]
"""Is called with a stage and the number of pairs that it has finished since."""


@dataclass(frozen=True)
class PreprocessedData:
    """A training set of token ids, ready to be batched.

    Attributes:
        tokenizers: The tokenizers of both sides.
        path: The Arrow file with the columns source and target, lists of ids, and
            `overlap.HASH_COLUMNS`.
        stats: Number of pairs kept and dropped.
        fingerprint: Changes with the data, the options or the tokenizers.
    """

    tokenizers: Tokenizers
    path: Path
    stats: FilterStats
    fingerprint: str


def cache_dir() -> Path:
    """Return the cache folder: $SEQ2SEQ_CACHE, or seq2seq in the user's cache."""
    if path := os.environ.get("SEQ2SEQ_CACHE"):
        return Path(path)
    user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(user_cache) / "seq2seq"


def preprocess(
    data: DataOptions,
    options: TokenizerOptions,
    log: Log,
    *,
    progress: ProgressCallback = lambda stage, pairs: None,
    threads: int | None = None,
    tokenizers: Tokenizers | None = None,
) -> PreprocessedData:
    """Filter, tokenize and encode the training split, or return the cached result.

    Pairs are streamed, ten thousand at a time; 8 bytes of each stay in memory.

    Args:
        data: The recipe's data section.
        options: The recipe's tokenizer section.
        log: Is called with a line of text at each stage.
        progress: Is called after each chunk of pairs.
        threads: Threads that encode; None for all cores. The result is the same.
        tokenizers: Trained ones to encode with; None to train them on these pairs.

    Raises:
        UserError: If the data cannot be read or no pair is left after filtering.
    """
    corpora = training_corpora(data)
    control = control_tokens(data)
    if tokenizers is not None:
        require_control_tokens(tokenizers.source, control)
    if line := alias_line(corpora[0], data.splits.train):
        log(line)
    fingerprint = _fingerprint(corpora, data, options, tokenizers)
    folder = cache_dir() / fingerprint[:32]
    cached = _load_cached(folder, fingerprint, log=lambda line: None)
    cache = "made before" if cached else "to be made"
    logging.getLogger(__name__).debug("encoded pairs in %s, %s", folder, cache)
    if cached is None:
        with _cache_lock(folder, log):
            # Another process may have finished it while this one waited.
            cached = _load_cached(folder, fingerprint, log)
            if cached is None:
                if tokenizers is None:
                    log(
                        f"training a {options.model_type} tokenizer of "
                        f"{options.vocab_size:,} tokens"
                    )
                    tokenizers = _train_tokenizers(
                        corpora, data, options, control, progress
                    )
                threads = threads or available_cores()
                stats = FilterStats()
                log(f"encoding {_names(corpora)}")
                encoded = _encode(corpora, data, tokenizers, stats, progress, threads)
                _write_cache(folder, encoded, tokenizers, stats)
                if stats.kept == 0:
                    raise UserError(
                        f"{_names(corpora)}: nothing is left to train on: "
                        f"{stats.summary(data)}. Add text, or keep more of it in the "
                        "recipe's data section."
                    )
                log(f"{_names(corpora)}: {stats.summary(data)}")
                _log_empty_corpora(corpora, stats, log)
                path = folder / "pairs.arrow"
                return PreprocessedData(tokenizers, path, stats, fingerprint)
    log(f"{_names(corpora)}: {cached.stats.summary(data)} (from the cache)")
    _log_empty_corpora(corpora, cached.stats, log)
    return cached


def _log_empty_corpora(
    corpora: Sequence[ParallelCorpus], stats: FilterStats, log: Log
) -> None:
    """Log which corpora of a mixture add nothing, since all of it was dropped."""
    if stats.kept_per_corpus:
        for corpus, kept in zip(corpora, stats.kept_per_corpus, strict=True):
            if kept == 0:
                log(
                    f"warning: {corpus.name}: none of its pairs is trained on; all "
                    "were dropped, as duplicates of the corpora before it or for the "
                    "reasons above"
                )


def _fingerprint(
    corpora: Sequence[ParallelCorpus],
    data: DataOptions,
    options: TokenizerOptions,
    tokenizers: Tokenizers | None,
) -> str:
    """Return a SHA-256 over all that the cache's content depends on."""
    trained = (tokenizers.source, tokenizers.target) if tokenizers else ()
    identity = [
        FORMAT,
        corpora[0].fingerprint,
        data.max_length,
        data.max_length_ratio,
        data.drop_duplicates,
        data.drop_copies,
        options.model_dump(),
        # Without the weights of a mixture, which apply when the dataset is opened.
        *(corpus.fingerprint for corpus in corpora[1:]),
        *(hashlib.sha256(tokenizer.model).hexdigest() for tokenizer in trained),
    ]
    if control := control_tokens(data):
        identity += [control, [corpus.tag for corpus in corpora]]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _names(corpora: Sequence[ParallelCorpus]) -> str:
    more = f" and {len(corpora) - 1} more" if len(corpora) > 1 else ""
    return corpora[0].name + more


def _load_cached(folder: Path, fingerprint: str, log: Log) -> PreprocessedData | None:
    """Return the cached result, or None if it is missing, unfinished or corrupted."""
    if not (folder / CHECKSUM_FILE).is_file():
        return None
    if corruption := find_corruption(folder, CACHE_FILES):
        log(f"{corruption}; preprocessing again")
        return None
    source, target, counts, pairs = (folder / name for name in CACHE_FILES)
    return PreprocessedData(
        Tokenizers(Tokenizer.load(source), Tokenizer.load(target)),
        pairs,
        FilterStats(**json.loads(counts.read_bytes())),
        fingerprint,
    )


@contextmanager
def _cache_lock(folder: Path, log: Log) -> Iterator[None]:
    """Let one process at a time write a cache folder.

    The operating system releases the lock when a process ends, however it ends.
    """
    lock = FileLock(folder.with_name(folder.name + ".lock"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log("waiting for another training that preprocesses the same data")
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


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _train_tokenizers(
    corpora: Sequence[ParallelCorpus],
    data: DataOptions,
    options: TokenizerOptions,
    control: Sequence[str],
    progress: ProgressCallback,
) -> Tokenizers:
    """Train on the filtered pairs, one tokenizer for both sides or one for each."""

    def pairs() -> Iterator[SentencePair]:
        known: dict[tuple[str, str], Deduplicator] = defaultdict(Deduplicator)
        for corpus in corpora:
            deduplicator = known[corpus.languages]
            for chunk in filter_pairs(corpus, data, FilterStats(), deduplicator):
                progress("reading", len(chunk))
                yield from chunk

    try:
        if options.joint:
            joint = train_tokenizer(chain.from_iterable(pairs()), options, control)
            return Tokenizers(joint, joint)
        return Tokenizers(
            train_tokenizer((pair.source for pair in pairs()), options, control),
            train_tokenizer((pair.target for pair in pairs()), options),
        )
    except UserError as error:
        raise UserError(f"{_names(corpora)}: {error}") from error


class _EncodedPairs(NamedTuple):
    """Pairs as rows of the cache: ids and hashes of their source and target sides."""

    ids: tuple[list[list[int]], list[list[int]]]
    hashes: tuple[Hashes, Hashes]


def _encode(
    corpora: Sequence[ParallelCorpus],
    data: DataOptions,
    tokenizers: Tokenizers,
    stats: FilterStats,
    progress: ProgressCallback,
    threads: int,
) -> Iterator[_EncodedPairs]:
    """Encode chunk by chunk, and filter by length and length ratio in tokens."""
    known: dict[tuple[str, str], Deduplicator] = defaultdict(Deduplicator)
    for corpus in corpora:
        kept_before = stats.kept
        source_language, target_language = corpus.languages
        tokenizer = tokenizers.source.for_target(target_language, corpus.tag)
        for chunk in filter_pairs(corpus, data, stats, known[corpus.languages]):
            sources = tokenizer.encode([p.source for p in chunk], threads)
            targets = tokenizers.target.encode([p.target for p in chunk], threads)
            rows = []
            for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
                num_tokens = len(source) - len(tokenizer.prefix)
                shorter, longer = sorted((num_tokens, len(target)))
                if longer > data.max_length:
                    stats.too_long += 1
                elif longer > data.max_length_ratio * shorter + 10:
                    stats.length_ratio += 1
                else:
                    rows.append(row)
                    sentences = split_sentences(chunk[row].source, source_language)
                    stats.multi_sentence += len(sentences) > 1
            stats.kept += len(rows)
            progress("encoding", len(chunk))
            yield _EncodedPairs(
                ([sources[row] for row in rows], [targets[row] for row in rows]),
                (
                    fold_hashes(chunk[row].source for row in rows),
                    fold_hashes(chunk[row].target for row in rows),
                ),
            )
        if len(corpora) > 1:
            stats.kept_per_corpus.append(stats.kept - kept_before)


def _write_cache(
    folder: Path,
    chunks: Iterator[_EncodedPairs],
    tokenizers: Tokenizers,
    stats: FilterStats,
) -> None:
    """Write all files, the checksums last, which mark the cache as complete.

    `stats` is complete once `chunks` are consumed; if no pair is kept, nothing stays.
    """
    (folder / CHECKSUM_FILE).unlink(missing_ok=True)
    vocab_size = max(len(tokenizers.source), len(tokenizers.target))
    _write_arrow(folder / "pairs.arrow", chunks, vocab_size)
    if stats.kept == 0:
        (folder / "pairs.arrow").unlink()
        return
    tokenizers.source.save(folder / "source.model")
    tokenizers.target.save(folder / "target.model")
    with atomic_file(folder / "counts.json") as file:
        file.write(json.dumps(asdict(stats)).encode())
    write_checksums(folder, CACHE_FILES)


def _write_arrow(path: Path, chunks: Iterator[_EncodedPairs], vocab_size: int) -> None:
    """Write the columns of ids, in the smallest type that fits, and of hashes."""
    small = vocab_size <= np.iinfo(np.uint16).max + 1
    ids = pa.large_list(pa.uint16() if small else pa.int32())
    hashes = [(name, pa.uint64()) for name in HASH_COLUMNS]
    schema = pa.schema([("source", ids), ("target", ids), *hashes])
    with atomic_file(path) as file, pa.ipc.new_file(file, schema) as writer:
        for chunk in chunks:
            columns = [_column(side, ids) for side in chunk.ids]
            columns += [pa.array(side) for side in chunk.hashes]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _column(lists: list[list[int]], ids: pa.DataType) -> pa.Array:
    """Make an Arrow column from lists of ids; pa.array is ten times as slow."""
    offsets = np.cumsum([0, *map(len, lists)])
    dtype = ids.value_type.to_pandas_dtype()
    values = np.fromiter(chain.from_iterable(lists), dtype, count=int(offsets[-1]))
    return pa.LargeListArray.from_arrays(offsets, values, type=ids)
