"""Data larger than memory: bounded memory, any number of threads, streams."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from seq2seq.data import filtering, preprocessing
from seq2seq.data.corpora import ParallelCorpus, SentencePair
from seq2seq.data.preprocessing import preprocess
from seq2seq.errors import UserError
from tests.helpers.corpora import CHARACTERS, data_options, write_split


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))


def made_corpus(count: int) -> ParallelCorpus:
    """A corpus of sentences of one length that are generated as they are read."""

    def read() -> Any:
        for number in range(count):
            yield SentencePair(
                f"sentence {number:07} of many", f"Satz {number:07} von allen"
            )

    return ParallelCorpus(
        f"{count} made pairs",
        "train",
        ("en", "de"),
        content=str(count),
        fingerprint=str(count),
        read=read,
    )


def peak_memory(monkeypatch: pytest.MonkeyPatch, count: int) -> int:
    """Measure the peak memory of preprocessing, without SentencePiece's own."""
    monkeypatch.setattr(
        preprocessing, "training_corpora", lambda _: [made_corpus(count)]
    )
    tracemalloc.start()
    try:
        preprocessed = preprocess(
            data_options("any"), CHARACTERS, lambda line: None, threads=1
        )
        assert preprocessed.stats.kept == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "CHUNK_SIZE", 200)
    monkeypatch.setattr("seq2seq.data.tokenizer.MAX_LINES", 400)
    # It reads the files back, a MiB at a time, and these are smaller.
    monkeypatch.setattr(preprocessing, "write_checksums", lambda *_: None)
    peak_memory(monkeypatch, 100)  # What is imported on the way.
    small, large = (peak_memory(monkeypatch, count) for count in (1000, 6_000))
    # Hashes take 8 bytes, and for a moment of merging three times as many; Arrow's
    # footer has some bytes for each chunk.
    assert large - small < 5_000 * 40


def test_any_number_of_threads_writes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(f"a small house {i * 7919 % 1000}", f"Haus {i}") for i in range(300)]
    folder = write_split(tmp_path / "corpus", "train", pairs)
    monkeypatch.setattr(filtering, "CHUNK_SIZE", 64)
    contents = []
    for threads in (1, 2, 5):
        monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / f"cache{threads}"))
        calls: list[tuple[str, int]] = []
        preprocessed = preprocess(
            data_options(folder),
            CHARACTERS,
            lambda line: None,
            progress=lambda *call: calls.append(call),  # noqa: B023
            threads=threads,
        )
        for stage in ("reading", "encoding"):
            assert sum(count for name, count in calls if name == stage) == 300
        contents.append(preprocessed.path.read_bytes())
    assert contents[0] == contents[1] == contents[2]


def test_a_stream_gives_what_the_copy_gives(tmp_path: Path) -> None:
    rows = [{"translation": {"en": f"a dog {i}", "de": f"ein Hund {i}"}} for i in "bcd"]
    # A name that only the Hub's conventions know.
    folder = tmp_path / "set"
    (folder / "train").mkdir(parents=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "train" / "part.jsonl").write_text(text)
    copied, streamed = (
        preprocess(
            data_options(folder, streaming=streaming), CHARACTERS, lambda line: None
        )
        for streaming in (False, True)
    )
    assert copied.fingerprint != streamed.fingerprint
    assert copied.path.read_bytes() == streamed.path.read_bytes()
    (folder / "train" / "part.jsonl").write_text(text + text.replace("dog", "cat"))
    again = preprocess(
        data_options(folder, streaming=True), CHARACTERS, lambda line: None
    )
    assert again.stats.kept == 6


def test_streaming_of_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    folder = write_split(tmp_path / "corpus", "train", [("a", "b")])
    for path in (folder, "phrasebook"):
        with pytest.raises(UserError, match=r"data\.streaming is True, but only"):
            preprocess(
                data_options(path, streaming=True), CHARACTERS, lambda line: None
            )
