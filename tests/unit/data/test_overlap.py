"""Held-out text that is trained on: refused where it is all of it, or else counted."""

from __future__ import annotations

import logging
import tracemalloc
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from seq2seq.data.corpora import SentencePair
from seq2seq.data.datamodule import TranslationDataModule
from seq2seq.data.hub import LoadedSplit
from seq2seq.data.overlap import SplitOverlap, find_overlap
from seq2seq.data.preprocessing import preprocess
from seq2seq.data.split_names import MissingSplitError
from seq2seq.data.splits import load_eval_pairs, refuse_shared_splits
from seq2seq.errors import UserError
from seq2seq.recipe.loader import read_recipe
from seq2seq.utils.files import write_lines
from seq2seq.utils.text import fold
from tests.helpers.corpora import CHARACTERS, data_options, write_split

TRAIN = [(f"sentence {c} of many", f"satz {c} von allen") for c in "abcdefgh"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))


def overlap_of(
    folder: Path, train: list[tuple[str, str]], held_out: list[tuple[str, str]]
) -> SplitOverlap:
    write_split(folder, "train", train)
    data = data_options(folder)
    preprocessed = preprocess(data, CHARACTERS, lambda line: None)
    pairs = [SentencePair(*pair) for pair in held_out]
    return find_overlap("valid", pairs, preprocessed.path)


# Folding.


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("A dog.", "a  DOG"),
        ("Don't!", "Don\u2019t"),
        ("12 dogs of 1,000", "7 dogs of 3"),
        ("\uff21 dog\u3002", "a dog"),
        ("\u6211 \u7231 \u732b\uff01", "\u6211\u7231\u732b"),
        ("stra\u00dfe", "STRASSE"),
        ("\u0663 cats", "1 cats"),
    ],
)
def test_sentences_equal_but_for_case_digits_and_punctuation_fold_alike(
    first: str, second: str
) -> None:
    assert fold(first) == fold(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a dog", "a cat"),
        ("\u0915\u093f", "\u0915\u093e"),  # Vowel signs are no letters, but text.
        ("no dogs", "3 dogs"),
        ("pap\u00e1", "papa"),
    ],
)
def test_other_sentences_do_not_fold_alike(first: str, second: str) -> None:
    assert fold(first) != fold(second)


# Counting.


def test_sides_that_are_trained_on_are_counted(tmp_path: Path) -> None:
    source, target = TRAIN[0]
    held_out = [
        (source.upper() + "!", "anderes"),
        ("another", target + " ."),
        (TRAIN[1][0], TRAIN[2][1].title()),
        ("new", "neu"),
        ("12", "34"),  # Without a letter.
    ]
    overlap = overlap_of(tmp_path / "data", [*TRAIN, ("56", "acht")], held_out)
    assert overlap == SplitOverlap(
        "valid",
        num_pairs=5,
        num_sources=2,
        num_targets=2,
        num_both=1,
        examples=[TRAIN[1][0], source.upper() + "!"],
    )
    assert overlap.is_notable
    assert overlap.summary() == (
        "2 of 5 sources (40.0%) and 2 targets are trained on, but for case, digits, "
        "punctuation and white space, such as 'sentence b of many'"
    )


def test_one_source_of_a_hundred_is_not_notable(tmp_path: Path) -> None:
    new = [(f"new {'x' * n}", "neu") for n in range(99)]
    assert not overlap_of(tmp_path / "a", TRAIN, [TRAIN[0], *new]).is_notable
    assert overlap_of(tmp_path / "b", TRAIN, [*TRAIN[:2], *new[1:]]).is_notable


def test_targets_alone_are_notable_only_where_they_are_most(tmp_path: Path) -> None:
    new = [
        (f"new {c}", target) for c, (_, target) in zip("abcdef", TRAIN, strict=False)
    ]
    overlap = overlap_of(tmp_path / "a", TRAIN, new)
    assert overlap.is_notable
    assert overlap.summary() == (
        "0 of 6 sources (0.0%) and 6 targets are trained on, but for case, digits, "
        "punctuation and white space, such as 'satz a von allen'"
    )
    other = [(f"more {c}", f"mehr {c}") for c in "abcdef"]
    assert not overlap_of(tmp_path / "b", TRAIN, [*new, *other]).is_notable


def test_what_any_chunk_holds_is_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seq2seq.data.filtering.CHUNK_SIZE", 2)
    overlap = overlap_of(
        tmp_path / "data", TRAIN, [TRAIN[0], ("new", "neu"), TRAIN[3], TRAIN[7]]
    )
    assert (overlap.num_sources, overlap.num_targets, overlap.num_both) == (3, 3, 3)


def test_pairs_after_a_dropped_one_are_trained_on_and_it_is_not(tmp_path: Path) -> None:
    folder = write_split(tmp_path / "data", "train", [("long " * 40, "x"), *TRAIN])
    data = data_options(folder, max_length=60)
    preprocessed = preprocess(data, CHARACTERS, lambda line: None)
    assert preprocessed.stats.too_long == 1
    pairs = [SentencePair(*pair) for pair in (TRAIN[-1], ("long " * 40, "y"))]
    overlap = find_overlap("valid", pairs, preprocessed.path)
    assert overlap.examples == [TRAIN[-1][0]]
    assert overlap.num_targets == 1


def test_only_what_is_trained_on_counts(tmp_path: Path) -> None:
    # The pair is a copy of its source, which filtering drops.
    overlap = overlap_of(
        tmp_path / "data", [*TRAIN, ("Berlin", "Berlin")], [("Berlin", "x")]
    )
    assert overlap.num_sources == 0
    assert overlap.summary() == "0 of 1 sources (0.0%) and 0 targets are trained on"


def test_the_memory_of_a_comparison_is_that_of_a_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seq2seq.data.filtering.CHUNK_SIZE", 500)

    def peak(size: int) -> int:
        letters = str.maketrans("0123456789", "abcdefghij")
        names = [str(number).translate(letters) for number in range(size)]
        folder = write_split(tmp_path / str(size), "train", [(n, n * 2) for n in names])
        preprocessed = preprocess(data_options(folder), CHARACTERS, lambda line: None)
        pairs = [SentencePair(name, name) for name in names[:20]]
        tracemalloc.start()
        try:
            assert find_overlap("valid", pairs, preprocessed.path).num_sources == 20
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(500)  # What is imported on the way.
    assert peak(20_000) < 2 * peak(1_000)  # All hashes of a side are 160 kB.


# Two splits of the same text.


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"valid": "train"}, "data.splits.valid (train) and data.splits.train (train)"),
        ({"test": "train"}, "data.splits.test (train) and data.splits.train (train)"),
        ({"test": "valid"}, "data.splits.test (valid) and data.splits.valid (valid)"),
        ({"valid": "copy"}, "data.splits.valid (copy) and data.splits.train (train)"),
        ({"valid": "link"}, "data.splits.valid (link) and data.splits.train (train)"),
    ],
)
def test_two_splits_of_the_same_text_are_refused(
    tmp_path: Path, splits: dict[str, str], message: str
) -> None:
    for split, pairs in {"train": TRAIN, "valid": TRAIN[:2], "copy": TRAIN}.items():
        write_split(tmp_path, split, pairs)
    for language in ("en", "de"):
        (tmp_path / f"link.{language}").symlink_to(tmp_path / f"train.{language}")
    # However many of its pairs are used.
    data = data_options(tmp_path, splits=splits, max_pairs=3)
    with pytest.raises(UserError) as caught:
        refuse_shared_splits(data)
    assert str(caught.value).startswith(message)
    assert f"-o {message.split(' ')[0]}=NAME" in str(caught.value)
    refuse_shared_splits(data_options(tmp_path))


def test_the_same_pairs_are_refused_whatever_holds_them(tmp_path: Path) -> None:
    write_split(tmp_path, "train", TRAIN)
    write_split(tmp_path, "valid", TRAIN[:3])
    for side, language in enumerate(("en", "de")):
        lines = [pair[side] for pair in TRAIN]
        write_lines(tmp_path / f"gz.{language}.gz", lines)
        (tmp_path / f"crlf.{language}").write_bytes("\r\n".join(lines).encode())
        write_lines(tmp_path / f"order.{language}", [f"{n} " for n in lines[::-1]])
        write_lines(tmp_path / f"more.{language}", [*lines, "and more"])
    write_lines(tmp_path / "table.tsv", ["\t".join(pair) for pair in TRAIN])
    for split in ("gz", "crlf", "order", "table"):
        for other in ({"valid": split}, {"test": split, "valid": "order"}):
            with pytest.raises(UserError, match="are the same text"):
                refuse_shared_splits(data_options(tmp_path, splits=other))
    refuse_shared_splits(data_options(tmp_path, splits={"test": "more"}))


def test_text_to_validate_on_is_not_mixed_into_training(tmp_path: Path) -> None:
    write_split(tmp_path, "train", TRAIN)
    write_split(tmp_path, "valid", TRAIN[:2])
    again = {"path": str(tmp_path), "split": "train"}
    refuse_shared_splits(data_options(tmp_path, mix=[again]))
    with pytest.raises(UserError, match=r"valid \(valid\) and data\.mix \(valid\)"):
        refuse_shared_splits(data_options(tmp_path, mix=[{**again, "split": "valid"}]))


@pytest.mark.parametrize("path", ["phrasebook", "owner/name"])
def test_datasets_are_the_same_by_their_names(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_hub(*_: object, **__: object) -> None:
        raise UserError("the Hub cannot be reached")

    monkeypatch.setattr("seq2seq.data.hub.load_hub", load_hub)
    refuse_shared_splits(data_options(path, max_pairs=5))
    data = data_options(path, splits={"valid": "train"}, max_pairs=5)
    with pytest.raises(UserError, match="are the same text"):
        refuse_shared_splits(data)


def test_two_names_of_one_split_of_the_hub_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load_hub(name: str, *, split: str, **_: object) -> LoadedSplit:
        if split not in ("train", "validation"):
            raise MissingSplitError(name, split, ["train", "validation"])
        dataset = datasets.Dataset.from_list([{"en": split, "de": split}])
        return LoadedSplit(dataset, f"unlike{next(numbers)}")

    datasets = pytest.importorskip("datasets")
    numbers = count()
    monkeypatch.setattr("seq2seq.data.hub.load_hub", load_hub)
    data = data_options("owner/name", splits={"valid": "dev", "test": "validation"})
    with pytest.raises(UserError, match="are the same text"):
        refuse_shared_splits(data)
    refuse_shared_splits(data_options("owner/name", splits={"valid": "dev"}))


# In training and in the doctor.


def recipe_on(folder: Path, *overrides: str) -> Any:
    tokenizer = ["tokenizer.model_type=char", "tokenizer.vocab_size=60"]
    return read_recipe("quickstart", [f"data.path={folder}", *tokenizer, *overrides])


def test_training_warns_of_overlap_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_split(tmp_path / "data", "train", TRAIN)
    write_split(folder, "val", [TRAIN[0], ("new", "neu")])
    write_split(folder, "test", [("other", "anderes")])
    data = TranslationDataModule(recipe_on(folder))
    with caplog.at_level(logging.INFO):
        data.prepare_data()
        data.setup("fit")
    lines = [line for line in caplog.messages if "are trained on" in line]
    assert len(lines) == 1
    assert lines[0].startswith("warning: valid: 1 of 2 sources (50.0%) and 1 targets")
    assert lines[0].endswith("; scores will flatter")
    assert [overlap.num_sources for overlap in data.overlaps] == [1, 0, 0]
    # The split of another name that was read is named as well.
    guesses = [line for line in caplog.messages if line.startswith("there is no split")]
    assert guesses == [
        f"there is no split 'valid': 'val' is read, {folder / 'val.en'} and "
        f"{folder / 'val.de'}"
    ]


@pytest.mark.parametrize(
    ("test", "level"),
    [
        (
            [("new a", "neu a"), ("NEW", "neu!")],
            "warning: test: 1 of 2 sources (50.0%)",
        ),
        ([("x", "neu"), ("y", "x"), ("z", "z")], "test: 0 of 3 sources (0.0%) and 1 "),
    ],
)
def test_training_names_the_overlap_of_test_and_validation(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    test: list[tuple[str, str]],
    level: str,
) -> None:
    folder = write_split(tmp_path / "data", "train", TRAIN)
    write_split(folder, "valid", [("new", "neu"), ("old", "alt")])
    write_split(folder, "test", test)
    data = TranslationDataModule(recipe_on(folder))
    with caplog.at_level(logging.INFO):
        data.prepare_data()
    [line] = [line for line in caplog.messages if "are in valid" in line]
    assert line.startswith(level)
    assert data.overlaps[-1].other == "valid"


def test_targets_that_are_trained_on_are_named_without_a_source(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_split(tmp_path / "data", "train", TRAIN)
    held_out = [("new", TRAIN[0][1]), ("other", "anderes")]
    write_split(folder, "valid", held_out)
    with caplog.at_level(logging.INFO):
        TranslationDataModule(recipe_on(folder)).prepare_data()
    [line] = [line for line in caplog.messages if "are trained on" in line]
    assert line.startswith("valid: 0 of 2 sources (0.0%) and 1 targets")


def test_a_missing_test_split_is_named_and_does_not_stop_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_split(tmp_path / "data", "train", TRAIN)
    write_split(folder, "valid", [("new", "neu")])
    with caplog.at_level(logging.INFO):
        TranslationDataModule(recipe_on(folder)).prepare_data()
    assert any(
        line.startswith("the test split is not compared with the training data: ")
        for line in caplog.messages
    )


def test_training_on_what_it_validates_on_is_refused(tmp_path: Path) -> None:
    folder = write_split(tmp_path / "data", "train", TRAIN)
    data = TranslationDataModule(recipe_on(folder, "data.splits.valid=train"))
    with pytest.raises(UserError, match="are the same text"):
        data.prepare_data()


@pytest.mark.realdata
def test_one_sentence_of_multi30k_is_trained_and_validated_on(real_data: Path) -> None:
    data = read_recipe("multi30k-en-de", [f"data.path={real_data / 'multi30k'}"]).data
    tokenizer = CHARACTERS.model_copy(update={"vocab_size": 150})
    preprocessed = preprocess(data, tokenizer, lambda line: None)
    counts = [
        find_overlap(split, load_eval_pairs(data, split), preprocessed.path).num_sources
        for split in (data.splits.valid, data.splits.test)
    ]
    assert counts == [1, 0]
