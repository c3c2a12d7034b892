"""Splits, languages and folders that are not there: what is, and what to type."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from seq2seq.data.splits import open_split
from seq2seq.errors import UserError
from seq2seq.recipe.loader import read_recipe
from seq2seq.utils.files import write_lines
from tests.helpers.corpora import (
    FLAT,
    PAIRS,
    complaint,
    data_options,
    opened,
    pairs,
    write_json,
    write_parallel,
)


def missing(path: Path, split: str, **options: Any) -> str:
    """The message about a split of a recipe's data, behind the splits there are."""
    with pytest.raises(UserError) as caught:
        open_split(data_options(path, **options), split)
    return str(caught.value)


# Splits.


@pytest.mark.parametrize(
    ("split", "name"),
    [
        ("valid", "val"),
        ("valid", "dev"),
        ("valid", "validation"),
        ("validation", "valid"),
        ("test", "testing"),
        ("train", "training"),
    ],
)
def test_another_name_of_a_split_is_read_for_it(
    tmp_path: Path, split: str, name: str
) -> None:
    write_parallel(tmp_path, name, ".gz")
    write_lines(tmp_path / "other.en", ["a"])
    corpus = opened(tmp_path, split=split)
    assert corpus.split == name
    assert list(corpus.read()) == PAIRS
    write_parallel(tmp_path, split)  # The name itself comes first.
    assert opened(tmp_path, split=split).split == split


@pytest.mark.parametrize("name", ["dev.jsonl", "data/dev-00000-of-00001.jsonl"])
def test_another_name_is_read_of_rows_too(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / "train.jsonl", FLAT[:1])
    write_json(tmp_path / name, FLAT)
    assert opened(tmp_path, split="valid").split == "dev"
    assert pairs(tmp_path, split="valid") == PAIRS


def test_two_names_of_a_split_are_not_guessed_between(tmp_path: Path) -> None:
    for split in ("train", "val", "dev"):
        write_parallel(tmp_path, split)
    assert missing(tmp_path, "valid") == (
        f"{tmp_path} has no split 'valid': it has dev, train, val. If you mean dev or "
        "val: -o data.splits.valid=dev or -o data.splits.valid=val"
    )


def test_train_is_never_suggested_to_validate_on(tmp_path: Path) -> None:
    for split in ("train", "training-2", "test"):
        write_parallel(tmp_path, split)
    assert missing(tmp_path, "valid") == (
        f"{tmp_path} has no split 'valid': it has test, train, training-2. Pairs to "
        "validate on must not be trained on: move some hundred into a split called "
        "valid."
    )
    # Nor what serves another role under a name of its own.
    write_parallel(tmp_path, "valu")
    assert "move some hundred" in missing(tmp_path, "valid", splits={"train": "valu"})
    assert "-o data.splits.valid=valu" in missing(tmp_path, "valid")
    # Nor train, however similar the name that was typed.
    splits = {"train": "valu", "valid": "trian"}
    assert "data.splits" not in missing(tmp_path, "trian", splits=splits)


def test_a_split_to_score_on_has_the_same_advice_without_a_recipe(
    tmp_path: Path,
) -> None:
    write_parallel(tmp_path, "train")
    for split in ("valid", "test"):
        message = complaint(tmp_path, split=split)
        assert message == missing(tmp_path, split)
        assert f"move some hundred into a split called {split}." in message
    assert complaint(tmp_path, split="other").endswith("or add the files.")


@pytest.mark.parametrize(
    ("split", "splits", "option"),
    [
        ("test", {}, "-o data.splits.test=test_2016_flickr"),
        ("tset_2016_flickr", {"test": "tset_2016_flickr"}, "test_2016_flickr"),
        (
            "trian",
            {"train": "trian"},
            "-o 'data.splits={train: train, test: test_2016_flickr}'",
        ),
    ],
)
def test_a_suggestion_can_be_pasted(
    tmp_path: Path, split: str, splits: dict[str, str], option: str
) -> None:
    write_parallel(tmp_path, "train")
    write_parallel(tmp_path, "test_2016_flickr")
    message = missing(tmp_path, split, splits=splits)
    assert message.endswith(option)
    override = shlex.split(message)[-1]
    recipe = read_recipe("quickstart", [f"data.path={tmp_path}", override])
    name = recipe.data.splits.test if split != "trian" else recipe.data.splits.train
    assert open_split(recipe.data, name).split in ("train", "test_2016_flickr")


def test_all_missing_splits_are_one_paste(tmp_path: Path) -> None:
    for split in ("training", "devel", "eval"):
        write_parallel(tmp_path, split)
    message = missing(tmp_path, "valid")
    splits = "{train: training, valid: devel, test: eval}"
    assert message == (
        f"{tmp_path} has no split 'valid': it has devel, eval, training. If you mean "
        f"devel: -o 'data.splits={splits}'"
    )
    recipe = read_recipe(
        "quickstart", [f"data.path={tmp_path}", *shlex.split(message)[-1:]]
    )
    for name in ("training", "devel", "eval"):
        assert open_split(recipe.data, name).split == name


@pytest.mark.parametrize("name", ["eval", "evaluation", "testing"])
def test_what_is_probably_the_test_set_is_never_suggested_to_validate_on(
    tmp_path: Path, name: str
) -> None:
    for split in ("training", name):
        write_parallel(tmp_path, split)
    assert "move some hundred" in missing(tmp_path, "valid")
    assert "move some hundred" in missing(tmp_path, "val", splits={"valid": "val"})


def test_a_split_of_no_role_is_named_with_the_splits_there_are(tmp_path: Path) -> None:
    write_parallel(tmp_path, "train", ".gz")
    write_parallel(tmp_path, "test.2016")
    write_lines(tmp_path / "val.en-zh-CN.tsv", ["a\tb"])
    write_lines(tmp_path / "half.en", ["a"])
    write_lines(tmp_path / "other.en-fr.tsv", ["a\tb"])
    write_lines(tmp_path / "plain.tsv", ["a\tb"])
    write_lines(tmp_path / "README.md", [""])
    message = missing(tmp_path, "tests.2016")
    assert message == (
        f"{tmp_path} has no split 'tests.2016': it has plain, test.2016, train. Did "
        "you mean test.2016?"
    )


def test_splits_of_rows_are_named_too(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    write_json(tmp_path / "train.jsonl", FLAT)
    write_json(tmp_path / "data" / "test_2016-00000-of-00001.jsonl", FLAT)
    message = complaint(tmp_path, split="tset_2016")
    assert "it has test_2016, train. Did you mean test_2016?" in message


def test_a_folder_without_splits_says_what_it_needs(tmp_path: Path) -> None:
    assert complaint(tmp_path) == (
        f"{tmp_path} has no split 'train': it has none that can be read. It needs "
        "files such as train.en and train.de, a sentence a line, or train.en-de.tsv, "
        "train.jsonl or train.parquet."
    )
    (tmp_path / "train.csv").touch()
    (tmp_path / "valid.xlsx").touch()
    assert complaint(tmp_path) == (
        f"{tmp_path} has no split 'train': it has none that can be read. train.csv and "
        "valid.xlsx cannot be read: save each as tab-separated text in UTF-8, such as "
        "train.en-de.tsv."
    )


# Languages.


def test_a_wrong_language_is_named_with_the_files_there_are(tmp_path: Path) -> None:
    write_parallel(tmp_path)
    start = f"{tmp_path} has no files of split 'train' in "
    files = "only train.de, train.en. "
    assert complaint(tmp_path, target="ger") == (
        f"{start}ger, {files}If you mean de: -o data.target=de"
    )
    assert complaint(tmp_path, source="eng") == (
        f"{start}eng, {files}If you mean en: -o data.source=en"
    )
    assert complaint(tmp_path, source="eng", target="ger") == (
        f"{start}eng and ger, {files}The languages there are de, en: for example -o "
        "data.source=de -o data.target=en"
    )


def test_a_wrong_language_shows_where_the_split_has_another_name(
    tmp_path: Path,
) -> None:
    write_parallel(tmp_path, "val")
    write_lines(tmp_path / "train.en-fr.tsv", ["a\tb"])
    write_lines(tmp_path / "train.en-de.tsv", ["a\tb"])
    assert complaint(tmp_path, split="valid", target="fr").startswith(
        f"{tmp_path} has no files of split 'val' in fr, only val.de, val.en. "
    )
    assert complaint(tmp_path, target="cs") == (
        f"{tmp_path} has no files of split 'train' in cs, only train.en-de.tsv, "
        "train.en-fr.tsv. The languages there are de, en, fr: for example -o "
        "data.source=en -o data.target=de"
    )
    assert complaint(tmp_path, source="fr", target="de").startswith(
        f"{tmp_path} has no files of split 'train' with fr and de together, only "
    )
    # In a split of no such name, all languages are wrong.
    message = complaint(tmp_path, split="extra", source="xx", target="yy")
    assert "The languages there are" in message


def test_half_a_split_lacks_a_file(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.en", ["a"])
    assert complaint(tmp_path) == (
        f"{tmp_path} has no files of split 'train' in de, only train.en. Add the "
        "missing file."
    )


# Files and folders.


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("train.tsv.gz", "The folder of this: -o data.path={parent}"),
        ("train.en", "The folder of this: -o data.path={parent}"),
        ("valid.jsonl", "The folder of this: -o data.path={parent}"),
        (
            "mine.en-de.tsv",
            "To train on it: mkdir my-data && cp {path} my-data/train.en-de.tsv, and "
            "-o data.path=my-data",
        ),
        (
            "mine.csv",
            "A CSV file is not read: save it as tab-separated text in UTF-8, such as "
            "train.en-de.tsv, in a folder of its own (-o data.header=true if its first "
            "line names the columns).",
        ),
        ("mine.XLSX", "A XLSX file is not read: save it as tab-separated text in"),
        ("mine.zip", "the same for valid and test."),
    ],
)
def test_a_file_is_met_with_the_formats_that_work(
    tmp_path: Path, name: str, advice: str
) -> None:
    path = tmp_path / name
    path.touch()
    message = complaint(path)
    assert message.startswith(
        f"{path} is a file; data.path is a folder with the files of all splits: "
        "train.en and train.de, a sentence a line, train.en-de.tsv, train.jsonl or "
        "train.parquet, and the same for valid and test."
    )
    assert advice.format(parent=tmp_path, path=path) in message


def test_a_missing_folder_is_named_with_its_whole_path(tmp_path: Path) -> None:
    path = tmp_path / "no"
    assert complaint(path) == (
        f"There is no folder {path}. Correct data.path, or make the folder."
    )
    assert complaint("./no/such/folder") == (
        f"There is no folder {Path('no/such/folder').resolve()}. Correct data.path, or "
        "make the folder."
    )


@pytest.mark.parametrize("typed", ["data/mutli30k", "dta/multi30k", "dta/mutli30k"])
def test_a_misspelt_folder_names_its_neighbour_before_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    def dataset_info(*_: object, **__: object) -> None:
        raise ConnectionError("the Hub was tried")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", dataset_info)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "multi30k").mkdir(parents=True)
    (tmp_path / "data" / "tatoeba").mkdir()
    assert complaint(typed) == (
        f"There is no folder {typed}, but data/multi30k: -o data.path=data/multi30k "
        "(For a dataset of the Hub: -o data.revision=main)"
    )
    assert complaint(tmp_path / typed) == (
        f"There is no folder {tmp_path / typed}, but {tmp_path}/data/multi30k: -o "
        f"data.path={tmp_path}/data/multi30k"
    )
    for path, options in (("data/europarl", {}), (typed, {"revision": "main"})):
        assert "the Hub was tried" in complaint(path, **options)
