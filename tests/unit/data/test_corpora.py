"""Reading sentence pairs, whatever holds them."""

import gzip
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from seq2seq.utils.files import write_lines
from tests.helpers.corpora import (
    FLAT,
    NESTED,
    PAIRS,
    complaint,
    opened,
    pairs,
    write_json,
    write_parallel,
    write_parquet,
)

SUFFIXES = ["", ".gz", ".xz", ".zst"]


# Parallel files and TSV.


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_parallel_files_are_read_side_by_side(tmp_path: Path, suffix: str) -> None:
    write_parallel(tmp_path, suffix=suffix)
    assert pairs(tmp_path) == PAIRS
    assert pairs(tmp_path, source="de", target="en") == [(t, s) for s, t in PAIRS]


def test_one_side_may_be_compressed_and_the_other_not(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.en.gz", ["a"])
    write_lines(tmp_path / "train.de", ["b"])
    corpus = opened(tmp_path)
    assert list(corpus.read()) == [("a", "b")]
    assert corpus.name == f"{tmp_path / 'train.en.gz'} and {tmp_path / 'train.de'}"


@pytest.mark.parametrize(("english", "german"), [(2, 1), (1, 2), (0, 1), (1200, 3)])
def test_the_full_counts_of_unequal_files_are_in_the_message(
    tmp_path: Path, english: int, german: int
) -> None:
    write_lines(tmp_path / "train.en", ["a"] * english)
    write_lines(tmp_path / "train.de", ["b"] * german)
    lines = "1 line" if english == 1 else f"{english:,} lines"
    assert complaint(tmp_path) == (
        f"{tmp_path / 'train.en'} has {lines} but train.de has {german}; line i of one "
        "must belong to line i of the other."
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["train.en-de.tsv", "train.de-en.tsv", "train.tsv"])
def test_tsv_columns_stand_as_the_name_says(
    tmp_path: Path, name: str, suffix: str
) -> None:
    rows = [f"{s}\t{t}\tmore\t" for s, t in PAIRS]
    if name == "train.de-en.tsv":
        rows = [f"{t}\t{s}" for s, t in PAIRS]
    write_lines(tmp_path / f"{name}{suffix}", rows)
    assert pairs(tmp_path) == PAIRS


def test_the_languages_order_in_a_name_is_preferred(tmp_path: Path) -> None:
    for name in ("train.en-de.tsv", "train.de-en.tsv", "train.tsv"):
        write_lines(tmp_path / name, [f"1 of {name}\t2 of {name}"])
    assert pairs(tmp_path) == [("1 of train.en-de.tsv", "2 of train.en-de.tsv")]
    write_parallel(tmp_path)
    assert pairs(tmp_path) == PAIRS


def test_a_line_without_a_tab_is_named(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.tsv", ["a\tb", "c d"])
    assert complaint(tmp_path) == (
        f"{tmp_path / 'train.tsv'}:2: there is no tab. Every line of a TSV file must "
        "hold a sentence, a tab and its translation."
    )


# JSONL and Parquet.


@pytest.mark.parametrize("rows", [FLAT, NESTED], ids=["flat", "nested"])
@pytest.mark.parametrize("folder", ["", "data/"])
@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"])
def test_rows_are_flat_or_nested(
    tmp_path: Path, rows: list[Any], folder: str, kind: str
) -> None:
    write = write_parquet if kind == "parquet" else write_json
    write(tmp_path / f"{folder}test_2016.{kind}", rows)
    assert pairs(tmp_path, split="test_2016") == PAIRS
    assert pairs(tmp_path, split="test_2016", source="de", target="en") == [
        (t, s) for s, t in PAIRS
    ]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_shards_are_read_in_order(tmp_path: Path, kind: str) -> None:
    write = write_parquet if kind == "parquet" else write_json
    for i in reversed(range(3)):
        row = {"en": str(i), "de": str(i)}
        write(tmp_path / "data" / f"train-0000{i}-of-00003.{kind}", [row])
    corpus = opened(tmp_path)
    assert list(corpus.read()) == [("0", "0"), ("1", "1"), ("2", "2")]
    first = tmp_path / "data" / f"train-00000-of-00003.{kind}"
    assert corpus.name == f"{first} and 2 more"
    (tmp_path / "data" / f"train-00001-of-00003.{kind}").unlink()
    assert complaint(tmp_path) == (
        f"{tmp_path} has 2 of the 3 files of split 'train'; number 1 is missing. Fetch "
        "it, or remove all of them."
    )


def test_splits_with_similar_names_do_not_mix(tmp_path: Path) -> None:
    for name in ("test", "test_2016", "test-2016", "test.2016"):
        write_json(tmp_path / f"{name}.jsonl", [{"en": name, "de": name}])
    for name in ("test", "test_2016", "test-2016", "test.2016"):
        assert pairs(tmp_path, split=name) == [(name, name)]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_null_text_is_an_empty_one(tmp_path: Path, kind: str) -> None:
    write = write_parquet if kind == "parquet" else write_json
    write(tmp_path / f"train.{kind}", [{"en": None, "de": "b"}, {"en": "a", "de": ""}])
    assert pairs(tmp_path) == [("", "b"), ("a", "")]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_missing_column_is_named_with_the_columns_there_are(
    tmp_path: Path, kind: str, nested: bool
) -> None:
    row: Any = {"en": "a", "fr": "b"}
    path = tmp_path / f"train.{kind}"
    (write_parquet if kind == "parquet" else write_json)(
        path, [{"translation": row} if nested else row]
    )
    location = path if kind == "parquet" else f"{path}:1"
    assert complaint(tmp_path) == (
        f"{location} has no column 'de'; the columns are 'en', 'fr'. Rows need one for "
        "each of data.source and data.target, by itself or within 'translation'."
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"en": "a"',
            "this is not JSON: Expecting ',' delimiter: line 1 column 11 (char 10). "
            "Every line of a JSONL file must be one object.",
        ),
        (
            '["a", "b"]',
            "this is not a JSON object. Every line of a JSONL file must be one object.",
        ),
        (
            '{"en": 7, "de": "b"}',
            "7 is not text. A language's column must hold text.",
        ),
        (
            '{"en": "\\ud800", "de": "b"}',
            "U+D800 is half a surrogate pair, which UTF-8 cannot hold. Remove it.",
        ),
    ],
)
def test_a_bad_json_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "train.jsonl"
    write_lines(path, ['{"en": "a", "de": "b"}', line])
    assert complaint(tmp_path) == f"{path}:2: {message}"


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    path.write_bytes(b"PAR1 not really")
    message = complaint(tmp_path)
    assert message.startswith(f"{path} is not a sound Parquet file: ")
    assert message.endswith(". Make or fetch it again.")
    assert "\n" not in message


# The phrasebook.


def fake_phrasebook(monkeypatch: pytest.MonkeyPatch, version: int = 1) -> None:
    def phrase_pairs(
        split: str, *, count: int, seed: int = 0
    ) -> Iterator[tuple[str, str]]:
        yield from ((f"{split} {i} en", f"{split} {i} de") for i in range(count))

    module = ModuleType("seq2seq.data.phrasebook.corpus")
    module.__dict__.update(VERSION=version, phrase_pairs=phrase_pairs)
    monkeypatch.setitem(sys.modules, "seq2seq.data.phrasebook.corpus", module)


def test_the_phrasebook_goes_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_phrasebook(monkeypatch)
    assert pairs("phrasebook", max_pairs=1) == [("train 0 en", "train 0 de")]
    assert pairs("phrasebook", source="de", target="en", max_pairs=1) == [
        ("train 0 de", "train 0 en")
    ]
    for split, size in {"train": 120_000, "valid": 500, "test": 500}.items():
        assert len(pairs("phrasebook", split=split)) == size


def test_the_phrasebooks_version_changes_its_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_phrasebook(monkeypatch, 1)
    before = opened("phrasebook").fingerprint
    fake_phrasebook(monkeypatch, 2)
    assert opened("phrasebook").fingerprint != before


def test_the_phrasebook_knows_two_languages_and_three_splits() -> None:
    assert complaint("phrasebook", target="fr") == (
        "The phrasebook translates between en and de, not from en to fr: -o "
        "data.source=en -o data.target=de, or choose another data.path."
    )
    assert opened("phrasebook", split="val").split == "valid"
    assert complaint("phrasebook", split="tets") == (
        "The phrasebook has no split 'tets': it has test, train, valid. Did you mean "
        "test?"
    )


# Streams and fingerprints.


def test_a_corpus_is_read_again_and_again_and_travels(tmp_path: Path) -> None:
    write_parallel(tmp_path)
    corpus = opened(tmp_path)
    first, second = corpus.read(), corpus.read()
    assert list(zip(first, second, strict=True)) == [(pair, pair) for pair in PAIRS]
    assert list(pickle.loads(pickle.dumps(corpus)).read()) == PAIRS  # noqa: S301


def test_a_limit_reads_no_further(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_bytes(b"a\tb\nc\td\nbad \xff line\n")
    assert pairs(tmp_path, max_pairs=2) == [("a", "b"), ("c", "d")]
    assert "train.tsv:3" in complaint(tmp_path, max_pairs=3)


def test_an_empty_corpus_is_no_error_here(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.tsv", [])
    write_parquet(tmp_path / "valid.parquet", FLAT[:1])
    assert pairs(tmp_path) == []


def test_a_fingerprint_changes_with_content_languages_and_limit(tmp_path: Path) -> None:
    write_parallel(tmp_path)
    fingerprints = [
        opened(tmp_path).fingerprint,
        opened(tmp_path, max_pairs=2).fingerprint,
        opened(tmp_path, source="de", target="en").fingerprint,
    ]
    write_lines(tmp_path / "train.de", ["other"] * len(PAIRS))
    fingerprints.append(opened(tmp_path).fingerprint)
    assert len(set(fingerprints)) == 4
    assert all(len(bytes.fromhex(fingerprint)) == 32 for fingerprint in fingerprints)


def test_a_fingerprint_stays_when_a_folder_moves(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_parallel(tmp_path / "a")
    before = opened(tmp_path / "a").fingerprint
    (tmp_path / "a").rename(tmp_path / "b")
    assert opened(tmp_path / "b").fingerprint == before


# Real corpora.


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("split", "count"), [("train", 29_000), ("val", 1_014), ("test_2016_flickr", 1_000)]
)
def test_multi30k_is_whole(real_data: Path, split: str, count: int) -> None:
    loaded = pairs(real_data / "multi30k", split=split)
    assert len(loaded) == count
    file = real_data / "multi30k" / f"{split}.de.gz"
    last = gzip.decompress(file.read_bytes()).decode().rstrip("\n").split("\n")[-1]
    assert loaded[-1].target == last


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("split", "count"), [("train", 165_278), ("dev", 1_591), ("test", 1_522)]
)
def test_tatoeba_is_whole(real_data: Path, split: str, count: int) -> None:
    forth = pairs(real_data / "tatoeba", split=split)
    back = pairs(real_data / "tatoeba", split=split, source="de", target="en")
    assert len(forth) == count
    assert back == [(target, source) for source, target in forth]
