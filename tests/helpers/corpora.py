"""Hostile sentence pairs, the files that hold them, and samplers over lengths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from seq2seq.data.batch_sampler import PlannedBatch, TokenBatchSampler
from seq2seq.data.corpora import ParallelCorpus, SentencePair, open_corpus
from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions, TokenizerOptions
from seq2seq.utils.files import write_lines

PAIRS = [
    SentencePair("A dog.", "Ein Hund."),
    SentencePair('He said "no".', '"Nein", sagte er.'),
    SentencePair("", "NA"),
    SentencePair("a\u2028b\u0085c\rd\x00e", "x\x0by"),
]
CHARACTERS = TokenizerOptions(model_type="char", vocab_size=60)
FLAT = [
    {"en": source, "de": target, "id": i} for i, (source, target) in enumerate(PAIRS)
]
NESTED = [
    {"id": i, "translation": {"en": s, "de": t}} for i, (s, t) in enumerate(PAIRS)
]


def opened(path: Path | str, **options: Any) -> ParallelCorpus:
    defaults = {"source": "en", "target": "de", "split": "train"}
    return open_corpus(str(path), **defaults | options)


def pairs(path: Path | str, **options: Any) -> list[SentencePair]:
    return list(opened(path, **options).read())


def complaint(path: Path | str, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        pairs(path, **options)
    return str(caught.value)


def write_parallel(folder: Path, split: str = "train", suffix: str = "") -> None:
    write_lines(folder / f"{split}.en{suffix}", [pair.source for pair in PAIRS])
    write_lines(folder / f"{split}.de{suffix}", [pair.target for pair in PAIRS])


def write_json(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_lines(path, [json.dumps(row) for row in rows])


def write_parquet(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), path)


def write_split(folder: Path, split: str, pairs: list[tuple[str, str]]) -> Path:
    folder.mkdir(exist_ok=True)
    for side, language in enumerate(("en", "de")):
        text = "".join(pair[side] + "\n" for pair in pairs)
        (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


def data_options(path: object, **options: Any) -> DataOptions:
    return DataOptions.model_validate(
        {"path": str(path), "source": "en", "target": "de", **options}
    )


def make_sampler(lengths: list[tuple[int, int]], **options: Any) -> TokenBatchSampler:
    source, target = np.array(lengths).T
    return TokenBatchSampler(source, target, **options)


def indices_of(batches: list[PlannedBatch]) -> list[list[int]]:
    return [batch.indices.tolist() for batch in batches]


def caption_lengths(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Lengths like those of captions: targets near 15, sources near their targets."""
    random = np.random.default_rng(0)
    target = np.clip(np.rint(random.lognormal(2.65, 0.35, count)), 3, 60)
    source = np.clip(np.rint(target * random.lognormal(0.0, 0.18, count)), 2, 70)
    return source.astype(np.int64), target.astype(np.int64)
