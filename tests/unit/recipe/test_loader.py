"""Recipes are found by name or path, and build on one another."""

from __future__ import annotations

from pathlib import Path

import pytest

import seq2seq
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.recipe.loader import read_recipe, recipe_names, recipe_path
from seq2seq.recipe.strict_yaml import (
    MAX_BYTES,
)
from tests.helpers.recipe_files import VALID, refused, write


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of its own, with two shipped recipes."""
    folder = tmp_path / "installed" / "recipes"
    write(VALID, str(folder / "quickstart.yaml"))
    write("extends: quickstart\nseed: 7\n", str(folder / "bench" / "base.yaml"))
    package = str(tmp_path / "installed" / "__init__.py")
    monkeypatch.setattr(seq2seq, "__file__", package)
    return folder


# Files --------------------------------------------------------------------------------


def test_a_recipe_reads() -> None:
    recipe = read_recipe(write(VALID))
    assert recipe.data.source == "en"
    assert recipe.train.optimizer.learning_rate == 1e-3
    assert recipe.train.schedule.kind == "cosine"


def test_a_language_called_no_is_a_language() -> None:
    recipe = read_recipe(write(VALID.replace("source: en", "source: no")))
    assert recipe.data.source == "no"


def test_a_byte_order_mark_and_carriage_returns_do_no_harm() -> None:
    windows = b"\xef\xbb\xbf" + VALID.replace("\n", "\r\n").encode()
    assert read_recipe(write(windows)) == read_recipe(write(VALID, "unix.yaml"))


def test_files_that_cannot_be_read_are_refused() -> None:
    Path("folder.yaml").mkdir()
    Path("folder").mkdir()
    nothing = "neither a shipped recipe nor a file"
    missing = "none.yaml: this file is missing, `seq2seq"
    assert refused("none.yaml")[0].startswith(missing)
    assert refused("folder.yaml") == ["folder.yaml: a folder, not a recipe file"]
    assert refused("folder")[0].startswith(f"folder: {nothing}")
    assert refused("x\x00")[0].startswith(f"x\\x00: {nothing}")
    assert nothing in refused("x" * 5000)[0]
    assert refused("")[0].startswith(f": {nothing}")
    huge = write(b"#" * (MAX_BYTES + 1))
    assert refused(huge) == ["my.yaml: larger than 65,536 bytes, which no recipe needs"]
    assert refused(write(b"a: 1\nb: \xff\n")) == ["my.yaml:2: byte 0xff is not UTF-8"]
    marked = b"\xef\xbb\xbfa: 1\nb: \xff\n"
    assert refused(write(marked)) == ["my.yaml:2: byte 0xff is not UTF-8"]


def test_a_file_without_read_permission_is_refused() -> None:
    path = Path(write(VALID))
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        assert refused("my.yaml") == ["my.yaml: cannot be read: Permission denied"]
    else:
        pytest.skip("this user may read everything")


@pytest.mark.parametrize(
    ("text", "came"),
    [
        ("", "it is empty"),
        ("# nothing\n", "it is empty"),
        ("- a\n", "['a'] is none"),
        ("text", "'text' is none"),
    ],
)
def test_a_recipe_is_a_mapping(text: str, came: str) -> None:
    message = f"my.yaml:1: a recipe is a mapping of keys to values, but {came}"
    assert refused(write(text)) == [message]


def test_shipped_recipes_are_found_by_name(shipped: Path) -> None:
    assert recipe_names() == ["bench/base", "quickstart"]
    assert recipe_path("bench/base") == shipped / "bench" / "base.yaml"
    assert read_recipe("bench/base").seed == 7
    assert refused("bench/bas") == [
        "bench/bas: neither a shipped recipe nor a file, did you mean 'bench/base'? "
        "`seq2seq recipe ls` lists the shipped recipes"
    ]
    assert refused("zzz") == [
        "zzz: neither a shipped recipe nor a file, "
        "`seq2seq recipe ls` lists the shipped recipes"
    ]
    assert refused("quickstart.yaml") == [
        "quickstart.yaml: this file is missing, did you mean 'quickstart'? `seq2seq "
        "recipe ls` lists the shipped recipes"
    ]
    write(VALID, "mine.yaml")
    assert refused("mnie.yaml") == [
        "mnie.yaml: this file is missing, did you mean 'mine.yaml'? `seq2seq recipe "
        "ls` lists the shipped recipes"
    ]


def test_a_shipped_name_wins_over_a_file_and_a_path_over_a_shipped_name(
    shipped: Path,
) -> None:
    write("extends: quickstart\nseed: 9\n", "quickstart")
    assert read_recipe("quickstart").seed == 1
    assert read_recipe("./quickstart").seed == 9


def test_a_fault_of_a_shipped_recipe_names_its_file(shipped: Path) -> None:
    write("extends: quickstart\nsede: 7\n", str(shipped / "bench" / "base.yaml"))
    assert refused("bench/base") == [
        "bench/base.yaml:2: sede: unknown key, did you mean 'seed'?"
    ]


def test_a_checkout_has_its_recipes_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(VALID, "checkout/recipes/one.yaml")
    package = tmp_path / "checkout" / "seq2seq" / "__init__.py"
    monkeypatch.setattr(seq2seq, "__file__", str(package))
    assert recipe_names() == []
    write("", "checkout/pyproject.toml")
    assert recipe_names() == ["one"]


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_parses_and_reads_back(name: str) -> None:
    recipe = read_recipe(name)
    assert read_recipe(write(recipe_yaml(recipe))) == recipe


# Extending ----------------------------------------------------------------------------


def test_mappings_merge_and_the_extending_recipe_wins() -> None:
    write(VALID, "low/base.yaml")
    write("extends: base.yaml\nmodel: {dropout: 0.1}\nseed: 2\n", "low/mid.yml")
    recipe = read_recipe(write("extends: low/mid.yml\nseed: 3\n"))
    assert recipe.seed == 3
    assert recipe.model.dropout == 0.1
    assert recipe.model.encoder.cell == "lstm"
    assert recipe.description == "a trial"


def test_a_changed_kind_replaces_the_whole_mapping() -> None:
    write(VALID, "base.yaml")
    child = "extends: base.yaml\ntrain: {optimizer: {kind: sgd, momentum: 0.9}}\n"
    recipe = read_recipe(write(child))
    assert recipe.train.optimizer.model_dump() == {
        "kind": "sgd",
        "learning_rate": 0.5,
        "momentum": 0.9,
        "weight_decay": 0.0,
    }
    assert recipe.train.schedule.kind == "cosine"


def test_the_same_kind_merges() -> None:
    write(VALID, "base.yaml")
    child = "extends: base.yaml\ntrain: {optimizer: {kind: adam, weight_decay: 0}}\n"
    optimizer = read_recipe(write(child)).train.optimizer
    assert (optimizer.learning_rate, optimizer.weight_decay) == (1e-3, 0.0)


def test_a_kind_that_is_no_union_merges() -> None:
    write(VALID + "tokenizer: {model_type: unigram, vocab_size: 99}\n", "base.yaml")
    child = "extends: base.yaml\ntokenizer: {model_type: bpe}\n"
    tokenizer = read_recipe(write(child)).tokenizer
    assert (tokenizer.model_type, tokenizer.vocab_size) == ("bpe", 99)


def test_a_fault_points_to_the_file_that_says_it() -> None:
    write(VALID.replace("0.3", "3"), "low/base.yaml")
    child = "extends: low/base.yaml\nmodel:\n  encoder:\n    cel: gru\n"
    assert refused(write(child)) == [
        "low/base.yaml:8: model.dropout: 3 is not less than 1",
        "my.yaml:4: model.encoder.cel: unknown key, did you mean 'cell'?",
    ]


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("3", "3 is not a string that names one recipe"),
        ("[a.yaml, b.yaml]", "['a.yaml', 'b.yaml'] is not a string that names one"),
        ("", "null is not a string that names one recipe"),
        ("/etc/passwd", "'/etc/passwd' is neither a shipped recipe nor a .yaml file"),
        ("/x.yaml", "'/x.yaml' is absolute; give the path from this file's folder"),
        ("no.yaml", "'no.yaml' is no file, seen from this file's folder"),
        ("folder.yaml", "'folder.yaml' is no file, seen from this file's folder"),
        ('"\\0.yaml"', "'\\x00.yaml' is no file, seen from this file's folder"),
        ("x" * 400 + ".yaml", "'" + "x" * 59 + "…' is no file, seen from this"),
    ],
)
def test_what_cannot_be_extended_is_refused(base: str, message: str) -> None:
    Path("folder.yaml").mkdir()
    (line,) = refused(write(f"seed: 1\nextends: {base}\n"))
    assert line.startswith(f"my.yaml:2: extends: {message}")


def test_extends_suggests_a_shipped_name(shipped: Path) -> None:
    assert refused(write("extends: quikstart\n")) == [
        "my.yaml:1: extends: 'quikstart' is neither a shipped recipe nor a .yaml "
        "file, did you mean 'quickstart'?"
    ]


@pytest.mark.parametrize("base", ["../my.yaml", "a/../../my.yaml", "link.yaml"])
def test_a_recipe_cannot_lead_out_of_its_folder(base: str) -> None:
    write(VALID)
    Path("low").mkdir()
    Path("low/link.yaml").symlink_to("../my.yaml")
    write(f"extends: {base}\n", "low/b.yaml")
    assert refused("low/b.yaml") == [
        f"low/b.yaml:1: extends: '{base}' leads out of this file's folder; name a "
        "shipped recipe, or a file in this folder or below"
    ]


def test_a_folder_may_be_a_link_itself() -> None:
    write(VALID, "low/base.yaml")
    write("extends: base.yaml\n", "low/b.yaml")
    Path("other").symlink_to("low")
    assert read_recipe("other/b.yaml").description == "a trial"


def test_recipes_that_extend_each_other_are_refused() -> None:
    write("extends: my.yaml\n", "b.yaml")
    assert refused(write("seed: 1\nextends: b.yaml\n")) == [
        "b.yaml:1: extends: my.yaml -> b.yaml -> my.yaml goes round in a circle"
    ]
    assert refused(write("extends: my.yaml\n")) == [
        "my.yaml:1: extends: my.yaml -> my.yaml goes round in a circle"
    ]


def test_at_most_eight_recipes_build_on_one_another() -> None:
    write(VALID, "8.yaml")
    for number in range(8):
        write(f"extends: {number + 1}.yaml\n", f"{number}.yaml")
    assert read_recipe("1.yaml").description == "a trial"
    assert refused("0.yaml") == [
        "7.yaml:1: extends: 0.yaml -> 1.yaml -> 2.yaml -> 3.yaml -> 4.yaml -> 5.yaml "
        "-> 6.yaml -> 7.yaml -> 8.yaml is longer than 8 recipes"
    ]


def test_extends_stands_at_the_top_only() -> None:
    text = VALID.replace("model:\n", "model:\n  extends: a.yaml\n")
    (line,) = refused(write(text))
    assert line.startswith("my.yaml:8: model.extends: unknown key, valid here are 'emb")
    assert refused(write(VALID + "extend: a.yaml\n")) == [
        "my.yaml:18: extend: unknown key, did you mean 'extends'?"
    ]
