"""Filtering, encoding and caching on folders made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from seq2seq.data.preprocessing import (
    CACHE_FILES,
    FilterStats,
    PreprocessedData,
    cache_dir,
    preprocess,
)
from seq2seq.data.splits import load_eval_pairs
from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions, TokenizerOptions
from seq2seq.types import UNK
from seq2seq.utils.checksums import CHECKSUM_FILE
from tests.helpers.corpora import CHARACTERS, data_options, write_split

GOOD = [(f"a small {word}", f"ein kleines {word.upper()}") for word in "bcdfgh"]
BAD = [
    ("", "leer"),
    (" \t", "leer"),
    ("empty", "\u3000"),
    ("soft hyphen", "\u00ad"),
    ("\ufeff\u200b \u2060\u3164", "leer"),
    GOOD[0],
    (f"  {GOOD[1][0]} ", GOOD[1][1]),  # A duplicate but for white space.
    (GOOD[2][0].replace(" ", "\u00a0 \t"), f"{GOOD[2][1]}\ufeff"),
    ("Berlin", "Berlin"),
    ("New York", "New  York"),
    ("a" * 41, "b" * 20),
    ("x" * 20, "y" * 45),
    ("ab", "d" * 35),
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(folder))
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    write_split(folder, "train", GOOD + BAD)
    return folder


def options_of(folder: Path, **options: Any) -> DataOptions:
    # A sentence of n characters has n + 1 tokens: a space comes before it.
    options = {"max_length": 41, "max_length_ratio": 3.0, **options}
    return data_options(folder, **options)


def run_preprocessing(
    folder: Path, tokenizer: TokenizerOptions = CHARACTERS, **options: Any
) -> tuple[PreprocessedData, list[str]]:
    messages: list[str] = []
    data = options_of(folder, **options)
    return preprocess(data, tokenizer, messages.append), messages


def ids(preprocessed: PreprocessedData) -> list[tuple[list[int], list[int]]]:
    with pa.ipc.open_file(str(preprocessed.path)) as file:
        table = file.read_all()
    sides = (table.column(name).to_pylist() for name in ("source", "target"))
    return list(zip(*sides, strict=True))


def texts(preprocessed: PreprocessedData) -> list[tuple[str, str]]:
    pairs = ids(preprocessed)
    sources = preprocessed.tokenizers.source.decode([source for source, _ in pairs])
    targets = preprocessed.tokenizers.target.decode([target for _, target in pairs])
    return list(zip(sources, targets, strict=True))


def test_what_is_dropped_is_counted(corpus: Path) -> None:
    preprocessed, messages = run_preprocessing(corpus)
    assert preprocessed.stats == FilterStats(
        total=19, kept=6, blank=5, duplicate=3, copied=2, too_long=2, length_ratio=1
    )
    assert texts(preprocessed) == GOOD
    sentence = (
        "kept 6 of 19 pairs: 5 blank, 3 duplicates, 2 copies of the source, "
        "2 too long (>41 tokens), 1 of unlike lengths (>3x)"
    )
    assert preprocessed.stats.summary(options_of(corpus)) == sentence
    assert messages[0] == "training a char tokenizer of 60 tokens"
    assert messages[-1].endswith(f"train.de: {sentence}")


def test_duplicates_and_copies_may_stay(corpus: Path) -> None:
    preprocessed, _ = run_preprocessing(
        corpus, drop_duplicates=False, drop_copies=False
    )
    assert preprocessed.stats.duplicate == preprocessed.stats.copied == 0
    assert preprocessed.stats.kept == 11
    copies = [("Berlin", "Berlin"), ("New York", "New York")]
    assert texts(preprocessed) == [*GOOD, *GOOD[:3], *copies]


def test_a_limit_reads_the_first_pairs_only(corpus: Path) -> None:
    preprocessed, _ = run_preprocessing(corpus, max_pairs=4)
    assert preprocessed.stats == FilterStats(total=4, kept=4)
    assert texts(preprocessed) == GOOD[:4]


def test_the_longest_allowed_pair_stays(corpus: Path) -> None:
    # 3 tokens allow 3 * 3 + 10.
    write_split(
        corpus, "train", [("a" * 40, "b" * 40), ("ab", "c" * 18), ("ab", "c" * 19)]
    )
    preprocessed, _ = run_preprocessing(corpus)
    assert preprocessed.stats == FilterStats(total=3, kept=2, length_ratio=1)


def test_sources_of_several_sentences_are_counted(corpus: Path) -> None:
    pairs = [("A dog.", "Ein Hund."), ("A dog. A cat!", "Ein Hund. Eine Katze!")]
    pairs += [("Mr. A.", "Herr A."), ("A. B", "Eins. Zwei.")]
    pairs += [("A dog. A cat! " * 9, "Ein Hund. Eine Katze! " * 9)]  # It is too long.
    write_split(corpus, "train", pairs)
    for _ in range(2):  # The second time from the cache.
        preprocessed, _ = run_preprocessing(corpus)
        assert preprocessed.stats == FilterStats(
            total=5, kept=4, too_long=1, multi_sentence=1
        )


def test_the_second_time_it_comes_from_the_cache(corpus: Path, cache: Path) -> None:
    first, messages = run_preprocessing(corpus)
    assert not any("from the cache" in line for line in messages)
    before = first.path.stat().st_mtime_ns
    again, messages = run_preprocessing(corpus)
    assert len(messages) == 1
    assert messages[0].endswith("(from the cache)")
    assert again.path.stat().st_mtime_ns == before
    assert again.path.is_relative_to(cache)
    assert (again.fingerprint, again.stats) == (first.fingerprint, first.stats)
    assert ids(again) == ids(first)
    for side in ("source", "target"):
        models = [getattr(result.tokenizers, side).model for result in (first, again)]
        assert models[0] == models[1]


def test_the_same_corpus_elsewhere_is_the_same(corpus: Path) -> None:
    first, _ = run_preprocessing(corpus)
    moved = corpus.rename(corpus.with_name("moved"))
    again, messages = run_preprocessing(moved)
    assert again.fingerprint == first.fingerprint
    assert "from the cache" in messages[0]


def test_a_run_that_broke_off_starts_over(corpus: Path) -> None:
    first, _ = run_preprocessing(corpus)
    expected = ids(first)
    (first.path.parent / CHECKSUM_FILE).unlink()
    again, messages = run_preprocessing(corpus)
    assert len(messages) > 1
    assert ids(again) == expected


def test_changed_data_is_preprocessed_again(corpus: Path) -> None:
    first, _ = run_preprocessing(corpus)
    write_split(corpus, "train", [*GOOD[:-1], ("a small j", "ein kleines J"), *BAD])
    again, messages = run_preprocessing(corpus)
    assert again.fingerprint != first.fingerprint
    assert not any("from the cache" in line for line in messages)
    assert texts(again)[5] == ("a small j", "ein kleines J")


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": 40},
        {"max_length_ratio": 2.0},
        {"drop_duplicates": False},
        {"drop_copies": False},
        {"max_pairs": 10},
        {"tokenizer": TokenizerOptions(model_type="char", vocab_size=61)},
        {"tokenizer": TokenizerOptions(model_type="bpe", vocab_size=60)},
        {"tokenizer": TokenizerOptions(model_type="char", vocab_size=60, joint=False)},
    ],
)
def test_a_changed_option_changes_the_fingerprint(
    corpus: Path, change: dict[str, Any]
) -> None:
    first, _ = run_preprocessing(corpus)
    again, _ = run_preprocessing(corpus, **change)
    assert again.fingerprint != first.fingerprint
    assert again.path != first.path


def test_an_empty_corpus_is_an_error_for_people(corpus: Path, cache: Path) -> None:
    write_split(corpus, "train", [])
    with pytest.raises(UserError, match=r"train\.de: there is no text"):
        run_preprocessing(corpus)
    assert not list(cache.rglob("counts.json"))


def test_a_corpus_of_nothing_usable_is_an_error_for_people(
    corpus: Path, cache: Path
) -> None:
    write_split(corpus, "train", BAD[-3:])
    with pytest.raises(UserError) as caught:
        run_preprocessing(corpus)
    assert str(caught.value).endswith(
        "train.de: nothing is left to train on: kept 0 of 3 pairs: 2 too long (>41 "
        "tokens), 1 of unlike lengths (>3x). Add text, or keep more of it in the "
        "recipe's data section."
    )
    assert not list(cache.rglob("counts.json"))
    assert not list(cache.rglob("pairs.arrow"))


def test_sides_share_a_tokenizer_only_where_joint(corpus: Path) -> None:
    joint, _ = run_preprocessing(corpus)
    assert joint.tokenizers.source.model == joint.tokenizers.target.model
    apart, _ = run_preprocessing(
        corpus, TokenizerOptions(model_type="char", vocab_size=60, joint=False)
    )
    source, target = apart.tokenizers.source, apart.tokenizers.target
    assert source.model != target.model
    assert UNK in source.encode(["G"])[0]  # Capitals stand in targets only.
    assert UNK not in target.encode(["G"])[0]
    assert texts(apart) == GOOD
    again, _ = run_preprocessing(
        corpus, TokenizerOptions(model_type="char", vocab_size=60, joint=False)
    )
    assert again.tokenizers.source.model == source.model
    assert again.tokenizers.target.model == target.model


def test_ids_take_two_bytes(corpus: Path) -> None:
    preprocessed, _ = run_preprocessing(corpus)
    with pa.ipc.open_file(str(preprocessed.path)) as file:
        types = {field.name: field.type for field in file.schema}
    ids_type = pa.large_list(pa.uint16())
    assert (types["source"], types["target"]) == (ids_type, ids_type)


def test_the_cache_holds_what_it_says(corpus: Path) -> None:
    preprocessed, _ = run_preprocessing(corpus)
    names = sorted(path.name for path in preprocessed.path.parent.iterdir())
    assert names == sorted((*CACHE_FILES, CHECKSUM_FILE))
    counts = json.loads((preprocessed.path.parent / "counts.json").read_text())
    assert FilterStats(**counts) == preprocessed.stats


def test_a_cache_that_cannot_be_written_is_an_error_for_people(
    corpus: Path, cache: Path
) -> None:
    cache.write_text("a file stands in the way")
    with pytest.raises(UserError, match="Set SEQ2SEQ_CACHE to a folder that can"):
        run_preprocessing(corpus)


def test_the_cache_is_where_the_variable_says(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_dir() == cache
    monkeypatch.delenv("SEQ2SEQ_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "seq2seq"


def test_nothing_is_dropped_from_what_is_scored(corpus: Path) -> None:
    pairs = [("", "leer"), *GOOD[:1], *GOOD[:1], ("Berlin", "Berlin"), ("a" * 99, "b")]
    write_split(corpus, "valid", pairs)
    assert [
        tuple(pair) for pair in load_eval_pairs(options_of(corpus), "valid")
    ] == pairs


def test_blank_references_are_refused_with_their_lines(corpus: Path) -> None:
    write_split(corpus, "valid", [("a", "b"), ("c", ""), ("d", "e"), ("f", " \u200b")])
    with pytest.raises(UserError) as caught:
        load_eval_pairs(options_of(corpus), "valid")
    assert str(caught.value).endswith(
        "valid.de: 2 of 4 references are blank (line 2, 4), and no translation can "
        "match them; fill or remove these pairs."
    )
    write_split(corpus, "valid", [("a", "")] * 7)
    with pytest.raises(UserError, match=r"7 of 7 .* \(line 1, 2, 3, 4, 5, \.\.\.\)"):
        load_eval_pairs(options_of(corpus), "valid")


def test_blank_sources_are_counted_in_a_warning(
    corpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_split(corpus, "valid", [("a", "b"), ("\u200b", "c"), ("", "d")])
    assert len(load_eval_pairs(options_of(corpus), "valid")) == 3
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "valid.de: 2 of 3 sources are blank (line 2, 3); " in record.message


def test_nothing_to_score_is_an_error_for_people(corpus: Path) -> None:
    write_split(corpus, "valid", [])
    with pytest.raises(UserError, match=r"valid\.de has no sentence pairs; add some"):
        load_eval_pairs(options_of(corpus), "valid")
