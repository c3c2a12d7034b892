"""Data larger than memory: bounded memory, any number of threads, streams, mixtures."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.data import filtering as cleaning
from seq2seq.data import preprocessing as room
from seq2seq.data.corpora import ParallelCorpus, SentencePair
from seq2seq.data.dataset import (
    ParallelDataset,
    mixture_indices,
    open_dataset,
    temperature_weights,
)
from seq2seq.data.filtering import Deduplicator, text_hashes
from seq2seq.data.preprocessing import PreprocessedData, preprocess
from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions, TokenizerOptions
from seq2seq.recipe.loader import read_recipe, recipe_yaml

CHARACTERS = TokenizerOptions(model_type="char", vocab_size=60)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(folder))
    return folder


def write(folder: Path, split: str, pairs: list[tuple[str, str]]) -> Path:
    folder.mkdir(exist_ok=True)
    for side, language in enumerate(("en", "de")):
        text = "".join(pair[side] + "\n" for pair in pairs)
        (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


def data(path: object, **options: Any) -> DataOptions:
    return DataOptions.model_validate(
        {"path": str(path), "source": "en", "target": "de", **options}
    )


def sources(found: PreprocessedData, pairs: ParallelDataset) -> list[str]:
    ids, _ = pairs.get_pairs(np.arange(len(pairs)))
    return found.tokenizers.source.decode([np.asarray(each).tolist() for each in ids])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=12))
def test_what_came_before_is_known(batches: list[list[int]]) -> None:
    seen, before = Deduplicator(), set[int]()
    for batch in batches:
        expected = []
        for value in batch:
            expected.append(value not in before)
            before.add(value)
        found = seen.is_new(np.array(batch, dtype=np.uint64))
        assert found.tolist() == expected
        assert len(seen) == len(before)


def test_texts_that_differ_have_other_hashes() -> None:
    found = text_hashes(["a", "b", "a", ""])
    assert found.dtype == np.uint64
    assert found[0] == found[2]
    assert len(set(found.tolist())) == 3


def generated(count: int) -> ParallelCorpus:
    """A corpus that is nowhere: sentences of one length, made as they are read."""

    def read() -> Any:
        for number in range(count):
            yield SentencePair(
                f"sentence {number:07} of many", f"Satz {number:07} von allen"
            )

    return ParallelCorpus(f"{count} made pairs", str(count), read)


def peak(monkeypatch: pytest.MonkeyPatch, count: int) -> int:
    """Measure the most memory that preparing takes, but for SentencePiece's own."""
    monkeypatch.setattr(room, "open_split", lambda *_, **__: generated(count))
    tracemalloc.start()
    try:
        found = preprocess(data("any"), CHARACTERS, lambda line: None, threads=1)
        assert found.stats.kept == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "CHUNK_SIZE", 200)
    monkeypatch.setattr("seq2seq.data.tokenizer.MAX_LINES", 400)
    # It reads the files back, a MiB at a time, and these are smaller.
    monkeypatch.setattr(room, "write_checksums", lambda *_: None)
    peak(monkeypatch, 100)  # What is imported on the way.
    small, large = (peak(monkeypatch, count) for count in (1000, 6_000))
    # Hashes take 8 bytes, and for a moment of merging three times as many; Arrow's
    # footer has some bytes for each chunk.
    assert large - small < 5_000 * 40


def test_any_number_of_threads_writes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(f"a small house {i * 7919 % 1000}", f"Haus {i}") for i in range(300)]
    folder = write(tmp_path / "corpus", "train", pairs)
    monkeypatch.setattr(cleaning, "CHUNK_SIZE", 64)
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / f"cache{threads}"))
        steps: list[tuple[str, int]] = []
        done = preprocess(
            data(folder),
            CHARACTERS,
            lambda line: None,
            progress=lambda *step: steps.append(step),  # noqa: B023
            threads=threads,
        )
        for stage in ("reading", "encoding"):
            assert sum(count for name, count in steps if name == stage) == 300
        found.append(done.path.read_bytes())
    assert found[0] == found[1] == found[2]


def test_corpora_are_mixed_by_weight(tmp_path: Path) -> None:
    main = write(tmp_path / "main", "train", [("a", "b"), ("c", "d")])
    often = write(tmp_path / "often", "extra", [("e", "f"), ("a", "b"), ("g", "h")])
    seldom = write(tmp_path / "seldom", "train", [(c, f"{c} {c}") for c in "ijklmn"])
    extra = {"path": str(often), "split": "extra", "weight": 2.5}
    options = data(main, mix=[extra, {"path": str(seldom), "weight": 0.5}])
    told: list[str] = []
    found = preprocess(options, CHARACTERS, told.append)
    assert found.stats.kept_per_corpus == [
        2,
        2,
        6,
    ]  # A pair of two corpora counts once.
    assert found.stats.duplicate == 1
    assert "and 2 more" in told[-1]
    expected = ["a", "c", "e", "e", "e", "g", "g", "i", "k", "m"]
    assert sources(found, open_dataset(found, options)) == expected
    # Other weights are the same text.
    other = data(main, mix=[{**extra, "weight": 1.0}, {"path": str(seldom)}])
    again = preprocess(other, CHARACTERS, told.append)
    assert again.path == found.path
    assert sources(again, open_dataset(again, other)) == list("aceg" + "ijklmn")
    assert preprocess(data(main), CHARACTERS, told.append).path != found.path


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0.1, 5.0)), max_size=5))
def test_every_row_comes_as_often_as_its_weight_says(
    parts: list[tuple[int, float]],
) -> None:
    rows = mixture_indices(
        [count for count, _ in parts], [weight for _, weight in parts]
    )
    times = np.bincount(rows, minlength=sum(count for count, _ in parts))
    first = 0
    for count, weight in parts:
        mine = times[first : first + count]
        assert mine.sum() == round(count * weight)
        assert count == 0 or mine.max() - mine.min() <= 1
        first += count


def test_temperature_makes_shares_as_the_size_to_the_power_of_one_over_t(
    tmp_path: Path,
) -> None:
    main = write(tmp_path / "main", "train", [(f"a {i}", f"b {i}") for i in range(64)])
    small = write(tmp_path / "small", "train", [(f"c {i}", f"d {i}") for i in range(4)])
    for temperature, times in ((1, 1), (2, 4), (100, 16)):
        options = data(main, mix=[{"path": str(small)}], temperature=temperature)
        found = preprocess(options, TokenizerOptions(vocab_size=20), lambda line: None)
        taken = open_dataset(found, options).indices
        assert np.bincount(taken)[:64].tolist() == [1] * 64
        # Of 64 and 4 pairs the roots are as 4 to 1, and so are 64 and 16.
        assert np.bincount(taken)[64:].mean() == pytest.approx(times, rel=0.05)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=5), st.floats(1, 50))
def test_tempered_weights_give_the_shares_and_leave_nothing_out(
    parts: list[int], temperature: float
) -> None:
    weights = temperature_weights(parts, temperature)
    taken = np.array(parts) * weights
    wanted = np.array(parts, dtype=float) ** (1 / temperature)
    np.testing.assert_allclose(taken / taken.sum(), wanted / wanted.sum(), rtol=1e-9)
    assert min(weights) == pytest.approx(1.0)


def test_temperature_is_refused_where_it_would_do_nothing_or_too_much() -> None:
    with pytest.raises(ValueError, match=r"data\.mix names no other"):
        data("any", temperature=5)
    mixed = [{"path": "other", "weight": 2.0}]
    with pytest.raises(ValueError, match="leave one of them out"):
        data("any", temperature=5, mix=mixed)


def test_a_mixture_survives_a_round_trip(tmp_path: Path) -> None:
    recipe = read_recipe(
        "quickstart", ["data.mix=[{path: more, weight: 2.0}, {path: yet/more}]"]
    )
    assert [mixed.weight for mixed in recipe.data.mix] == [2.0, 1.0]
    copy = tmp_path / "copy.yaml"
    copy.write_text(recipe_yaml(recipe), encoding="utf-8")
    assert read_recipe(str(copy)) == recipe


def test_a_stream_gives_what_the_copy_gives(tmp_path: Path) -> None:
    rows = [{"translation": {"en": f"a dog {i}", "de": f"ein Hund {i}"}} for i in "bcd"]
    # A name that only the Hub's conventions know.
    folder = tmp_path / "set"
    (folder / "train").mkdir(parents=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "train" / "part.jsonl").write_text(text)
    copied, streamed = (
        preprocess(data(folder, streaming=way), CHARACTERS, lambda line: None)
        for way in (False, True)
    )
    assert copied.fingerprint != streamed.fingerprint
    assert copied.path.read_bytes() == streamed.path.read_bytes()
    (folder / "train" / "part.jsonl").write_text(text + text.replace("dog", "cat"))
    again = preprocess(data(folder, streaming=True), CHARACTERS, lambda line: None)
    assert again.stats.kept == 6


def test_streaming_of_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "corpus", "train", [("a", "b")])
    for path in (folder, "phrasebook"):
        with pytest.raises(UserError, match=r"data\.streaming is True, but only"):
            preprocess(data(path, streaming=True), CHARACTERS, lambda line: None)
