"""Finding and reading sentence pairs, whatever holds them."""

import gzip
import json
import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from seq2seq.errors import InputError
from seq2seq.text.corpus import Corpus, Pair, open_corpus
from seq2seq.text.lines import write_lines

PAIRS = [
    Pair("A dog.", "Ein Hund."),
    Pair('He said "no".', '"Nein", sagte er.'),
    Pair("", "NA"),
    Pair("a\u2028b\u0085c\rd\x00e", "x\x0by"),
]
FLAT = [
    {"en": source, "de": target, "id": i} for i, (source, target) in enumerate(PAIRS)
]
NESTED = [
    {"id": i, "translation": {"en": s, "de": t}} for i, (s, t) in enumerate(PAIRS)
]
SUFFIXES = ["", ".gz", ".xz", ".zst"]


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


def opened(path: Path | str, **options: Any) -> Corpus:
    wanted = {"source": "en", "target": "de", "split": "train"} | options
    return open_corpus(str(path), **wanted)


def pairs(path: Path | str, **options: Any) -> list[Pair]:
    return list(opened(path, **options).read())


def complaint(path: Path | str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
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
def test_the_full_counts_of_unequal_files_are_told(
    tmp_path: Path, english: int, german: int
) -> None:
    write_lines(tmp_path / "train.en", ["a"] * english)
    write_lines(tmp_path / "train.de", ["b"] * german)
    lines = "1 line" if english == 1 else f"{english:,} lines"
    assert complaint(tmp_path) == (
        f"{tmp_path / 'train.en'} has {lines} but train.de has {german}; line i of one "
        "must translate line i of the other."
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
@pytest.mark.parametrize("place", ["", "data/"])
@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"])
def test_rows_are_flat_or_nested(
    tmp_path: Path, rows: list[Any], place: str, kind: str
) -> None:
    write = write_parquet if kind == "parquet" else write_json
    write(tmp_path / f"{place}test_2016.{kind}", rows)
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
def test_a_missing_column_is_named_beside_those_found(
    tmp_path: Path, kind: str, nested: bool
) -> None:
    row: Any = {"en": "a", "fr": "b"}
    path = tmp_path / f"train.{kind}"
    (write_parquet if kind == "parquet" else write_json)(
        path, [{"translation": row} if nested else row]
    )
    where = path if kind == "parquet" else f"{path}:1"
    assert complaint(tmp_path) == (
        f"{where} has no column 'de'; the columns are 'en', 'fr'. Rows need one for "
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
        f"{tmp_path} has no split 'trian': it has train; did you mean train? Name one "
        "in data.splits."
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


# What cannot be found.


def test_a_missing_split_is_told_beside_those_there(tmp_path: Path) -> None:
    write_parallel(tmp_path, "train", ".gz")
    write_parallel(tmp_path, "test.2016")
    write_lines(tmp_path / "val.en-de.tsv.gz", ["a\tb"])
    write_lines(tmp_path / "half.en", ["a"])
    write_lines(tmp_path / "other.en-fr.tsv", ["a\tb"])
    write_lines(tmp_path / "README.md", [""])
    assert complaint(tmp_path, split="valid") == (
        f"{tmp_path} has no split 'valid': it has test.2016, train, val; did you mean "
        "val? Name one in data.splits."
    )


def test_splits_of_rows_are_told_too(tmp_path: Path, cache: Path) -> None:
    write_json(tmp_path / "train.jsonl", FLAT)
    write_json(tmp_path / "data" / "test_2016-00000-of-00001.jsonl", FLAT)
    message = complaint(tmp_path, split="tset_2016")
    assert "did you mean test_2016?" in message
    assert "test_2016, train" in message


def test_an_empty_folder_has_no_splits(tmp_path: Path) -> None:
    assert complaint(tmp_path) == (
        f"{tmp_path} has no split 'train': it has none that can be read. Name one in "
        "data.splits."
    )


def test_a_missing_language_is_told_beside_the_files_there(tmp_path: Path) -> None:
    write_parallel(tmp_path)
    assert complaint(tmp_path, target="fr") == (
        f"{tmp_path} has no files of split 'train' for en and fr, only train.de, "
        "train.en. Check data.source and data.target, or name another split in "
        "data.splits."
    )


@pytest.mark.parametrize(
    ("names", "told"),
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
    tmp_path: Path, names: list[str], told: str
) -> None:
    (tmp_path / "data").mkdir()
    for name in names:
        (tmp_path / name).touch()
    assert complaint(tmp_path) == (
        f"{tmp_path} has both {told}, and either may be meant. Remove one."
    )


def test_a_missing_folder_is_told_with_its_whole_path(tmp_path: Path) -> None:
    path = tmp_path / "no"
    assert complaint(path) == (
        f"There is no folder {path}. Correct data.path, or make the folder."
    )
    assert complaint("./no/such/folder") == (
        f"There is no folder {Path('no/such/folder').resolve()}. Correct data.path, or "
        "make the folder."
    )


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.touch()
    assert complaint(path) == (
        f"{path} is a file. data.path names the folder that holds the files of all "
        "splits."
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

    asked: list[Any] = []

    def load_dataset(*names: Any, **options: Any) -> Any:
        asked.append((names, options))
        return datasets.Dataset.from_list(NESTED)

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    hub_answers(monkeypatch, SimpleNamespace(id="wmt/wmt14", sha="abc"))
    assert pairs("wmt14", config="de-en", revision="main") == PAIRS
    options = {"revision": "abc", "split": "train", "streaming": False}
    assert asked == [(("wmt/wmt14", "de-en"), options)]


def test_every_answer_of_the_hub_becomes_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import errors

    def made(kind: type[Exception]) -> Exception:
        return kind.__new__(kind)

    for kind, told in (
        (errors.GatedRepoError, "only to those who asked for it"),
        (errors.RevisionNotFoundError, "has no revision 'v1'"),
        (errors.RepositoryNotFoundError, "no dataset of that name"),
        (errors.HFValidationError, "no dataset of that name"),
    ):
        hub_answers(monkeypatch, made(kind))
        assert told in complaint("owner/name", revision="v1")


# The phrasebook.


def fake_phrasebook(monkeypatch: pytest.MonkeyPatch, version: int = 1) -> None:
    def phrase_pairs(
        split: str, *, count: int, seed: int = 0
    ) -> Iterator[tuple[str, str]]:
        yield from ((f"{split} {i} en", f"{split} {i} de") for i in range(count))

    module = ModuleType("seq2seq.text.phrasebook")
    module.__dict__.update(VERSION=version, phrase_pairs=phrase_pairs)
    monkeypatch.setitem(sys.modules, "seq2seq.text.phrasebook", module)


def test_the_phrasebook_goes_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_phrasebook(monkeypatch)
    assert pairs("phrasebook", limit=1) == [("train 0 en", "train 0 de")]
    assert pairs("phrasebook", source="de", target="en", limit=1) == [
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
        "The phrasebook translates between en and de, not from en to fr. Set "
        "data.source and data.target to en and de, or choose another data.path."
    )
    assert complaint("phrasebook", split="val") == (
        "The phrasebook has no split 'val': it has test, train, valid; did you mean "
        "valid? Name one in data.splits."
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
    assert pairs(tmp_path, limit=2) == [("a", "b"), ("c", "d")]
    assert "train.tsv:3" in complaint(tmp_path, limit=3)


def test_an_empty_corpus_is_no_error_here(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.tsv", [])
    write_parquet(tmp_path / "valid.parquet", FLAT[:1])
    assert pairs(tmp_path) == []


def test_a_fingerprint_changes_with_content_languages_and_limit(tmp_path: Path) -> None:
    write_parallel(tmp_path)
    fingerprints = [
        opened(tmp_path).fingerprint,
        opened(tmp_path, limit=2).fingerprint,
        opened(tmp_path, source="de", target="en").fingerprint,
    ]
    write_lines(tmp_path / "train.de", ["other"] * len(PAIRS))
    fingerprints.append(opened(tmp_path).fingerprint)
    assert len(set(fingerprints)) == 4
    assert all(len(bytes.fromhex(each)) == 32 for each in fingerprints)


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
    read = pairs(real_data / "multi30k", split=split)
    assert len(read) == count
    file = real_data / "multi30k" / f"{split}.de.gz"
    last = gzip.decompress(file.read_bytes()).decode().rstrip("\n").split("\n")[-1]
    assert read[-1].target == last


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("split", "count"), [("train", 165_278), ("dev", 1_591), ("test", 1_522)]
)
def test_tatoeba_is_whole(real_data: Path, split: str, count: int) -> None:
    forth = pairs(real_data / "tatoeba", split=split)
    back = pairs(real_data / "tatoeba", split=split, source="de", target="en")
    assert len(forth) == count
    assert back == [(target, source) for source, target in forth]
