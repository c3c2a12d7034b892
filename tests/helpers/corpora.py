"""Sentence pairs that are hard to keep whole, and folders that hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from seq2seq.data.corpora import ParallelCorpus, SentencePair, open_corpus
from seq2seq.errors import UserError
from seq2seq.utils.files import write_lines

PAIRS = [
    SentencePair("A dog.", "Ein Hund."),
    SentencePair('He said "no".', '"Nein", sagte er.'),
    SentencePair("", "NA"),
    SentencePair("a\u2028b\u0085c\rd\x00e", "x\x0by"),
]
FLAT = [
    {"en": source, "de": target, "id": i} for i, (source, target) in enumerate(PAIRS)
]
NESTED = [
    {"id": i, "translation": {"en": s, "de": t}} for i, (s, t) in enumerate(PAIRS)
]


def opened(path: Path | str, **options: Any) -> ParallelCorpus:
    wanted = {"source": "en", "target": "de", "split": "train"} | options
    return open_corpus(str(path), **wanted)


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
