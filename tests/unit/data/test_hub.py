"""Corpora in folders and on the Hub, and the messages about missing ones."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

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


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> Path:
    """A cache of Hugging Face's own, for tests that come as far as `datasets`."""
    datasets = pytest.importorskip("datasets")
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    return folder


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    hub_answers(monkeypatch, ConnectionError("no route\nto host"))


def hub_answers(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def dataset_info(*_: object, **__: object) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", dataset_info)


# What is left to `datasets`.


@pytest.mark.parametrize("rows", [FLAT, NESTED], ids=["flat", "nested"])
def test_the_hubs_conventions_find_validation_in_dev(
    tmp_path: Path, cache: Path, rows: list[Any]
) -> None:
    write_parquet(tmp_path / "dev.parquet", rows)
    assert pairs(tmp_path, split="validation") == PAIRS


def test_configurations_of_a_readme_are_followed(
    tmp_path: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("small", "large"):
        write_json(tmp_path / "stuff" / f"{name}.jsonl", [{"en": name, "de": name}])
    configs = [
        f"- config_name: {name}\n  data_files:\n  - split: train\n"
        f"    path: stuff/{name}.jsonl\n"
        for name in ("small", "large")
    ]
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{''.join(configs)}---\n")
    assert pairs(tmp_path, config="large") == [("large", "large")]
    assert complaint(tmp_path, config="huge") == (
        f"{tmp_path} cannot be loaded: BuilderConfig 'huge' not found. Available: "
        "['small', 'large']. Check data.path, data.config and data.splits."
    )
    assert "Config name is missing" in complaint(tmp_path)
    assert complaint(tmp_path, config="small", split="trian") == (
        f"{tmp_path} has no split 'trian': it has train. Did you mean train?"
    )
    assert capfd.readouterr() == ("", "")


def test_a_translation_feature_is_read_and_its_languages_named(
    tmp_path: Path, cache: Path
) -> None:
    from datasets import Dataset, Features, Translation, Value

    features = Features(
        {"id": Value("int64"), "translation": Translation(["en", "de"])}
    )
    (tmp_path / "en-de").mkdir()
    Dataset.from_list(NESTED, features=features).to_parquet(
        tmp_path / "en-de" / "train.parquet"
    )
    assert pairs(tmp_path) == PAIRS
    assert complaint(tmp_path, target="fr") == (
        f"{tmp_path}, split train has no column 'fr'; the columns are 'en', 'de'. Rows "
        "need one for each of data.source and data.target, by itself or within "
        "'translation'."
    )


def test_csv_is_not_read_by_a_reader_that_alters_it(
    tmp_path: Path, cache: Path
) -> None:
    (tmp_path / "train.csv").write_text("en,de\na,b\n")
    (tmp_path / "meta.json").write_text("{}")
    (tmp_path / "test.csv").write_text("en,de\na,b\n")
    assert complaint(tmp_path) == (
        f"{tmp_path} has the split 'train' only as csv files, whose reader alters "
        "quotes and line ends. Make parallel files or TSV of them."
    )


# What cannot be read.


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["train.en", "train.en.gz", "train.de"], "train.en and train.en.gz"),
        (["train.tsv", "train.tsv.xz"], "train.tsv and train.tsv.xz"),
        (["train.jsonl", "train.parquet"], "train.jsonl and train.parquet"),
        (["train.jsonl", "train.jsonl.gz"], "train.jsonl and train.jsonl.gz"),
        (["data/train.jsonl", "train.jsonl"], "train.jsonl and data/train.jsonl"),
        (
            ["train.parquet", "train-00000-of-00001.parquet"],
            "train-00000-of-00001.parquet and train.parquet",
        ),
    ],
)
def test_two_files_for_the_same_thing_are_both_named(
    tmp_path: Path, names: list[str], listed: str
) -> None:
    (tmp_path / "data").mkdir()
    for name in names:
        (tmp_path / name).touch()
    assert complaint(tmp_path) == (
        f"{tmp_path} has both {listed}, and either may be meant. Remove one."
    )


def test_an_option_that_would_be_ignored_is_refused(tmp_path: Path) -> None:
    assert complaint(tmp_path, revision="v1") == (
        "data.revision is 'v1', but only datasets of the Hub have one, not "
        f"{tmp_path}, a folder. Remove data.revision."
    )
    write_parallel(tmp_path)
    assert complaint(tmp_path, config="small").endswith("Remove data.config.")
    assert complaint("phrasebook", config="x").endswith("Remove data.config.")


# The Hub.


@pytest.mark.usefixtures("no_hub", "cache")
def test_a_hub_out_of_reach_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert complaint("owner/name") == (
        f"There is no folder {Path('owner/name').resolve()}, the Hugging Face Hub "
        "cannot be reached (no route to host), and no earlier run left a copy in the "
        "cache. Correct data.path, connect to the network, or put the files into a "
        "folder."
    )
    # A name that `datasets` takes for a file format must not make it search here.
    assert "cannot be reached" in complaint("json")
    assert capfd.readouterr() == ("", "")


def test_a_dataset_fetched_earlier_serves_without_the_hub(
    tmp_path: Path,
    cache: Path,
    no_hub: None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    commit = "0123456789" * 4
    write_parquet(tmp_path / "name" / "en-de" / "train.parquet", FLAT)
    assert pairs(tmp_path / "name") == PAIRS
    [filled] = cache.glob("name/*/*/*/dataset_info.json")
    info = json.loads(filled.read_text()) | {"config_name": "default"}
    filled.write_text(json.dumps(info))
    shutil.move(filled.parent, cache / "owner___name" / "default" / "0.0.0" / commit)
    assert pairs("owner/name") == PAIRS
    assert pairs("owner/name", revision=commit[:7]) == PAIRS
    assert complaint("owner/name", revision="v1") == (
        "The Hugging Face Hub cannot be reached (no route to host), and the cache "
        "holds owner/name at 012345678901, which need not be 'v1'. Connect to the "
        "network, or remove data.revision."
    )
    assert capfd.readouterr() == ("", "")


def test_the_commit_that_the_hub_named_is_loaded(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    calls: list[Any] = []

    def load_dataset(*names: Any, **options: Any) -> Any:
        calls.append((names, options))
        return datasets.Dataset.from_list(NESTED)

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    hub_answers(monkeypatch, SimpleNamespace(id="wmt/wmt14", sha="abc"))
    assert pairs("wmt14", config="de-en", revision="main") == PAIRS
    options = {"revision": "abc", "split": "train", "streaming": False}
    assert calls == [(("wmt/wmt14", "de-en"), options)]
    assert opened("wmt14", config="de-en").hub_dataset == ("wmt/wmt14", "abc")


def test_every_answer_of_the_hub_becomes_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import errors

    def made(kind: type[Exception]) -> Exception:
        return kind.__new__(kind)

    for kind, advice in (
        (errors.GatedRepoError, "only to those who asked for it"),
        (errors.RevisionNotFoundError, "has no revision 'v1'"),
        (errors.RepositoryNotFoundError, "no dataset of that name"),
        (errors.HFValidationError, "no dataset of that name"),
    ):
        hub_answers(monkeypatch, made(kind))
        assert advice in complaint("owner/name", revision="v1")
