"""Recipes are read strictly, with all faults at once; what is written reads back."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import seq2seq
from seq2seq.errors import RecipeError
from seq2seq.recipe import Recipe
from seq2seq.recipe_file import read_recipe, recipe_names, recipe_path, recipe_yaml
from seq2seq.strict_yaml import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_FAULTS,
    Node,
    Place,
    parse_yaml,
    plain_scalar,
)

VALID = """\
# A comment
description: a trial
data:
  path: corpus
  source: en
  target: de
model:
  dropout: 0.3
  encoder:
    cell: lstm
train:
  max_steps: 10
  optimizer:
    kind: adam
    learning_rate: 1e-3
    weight_decay: 0.1
  schedule: {kind: cosine, final: 0.1}
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str | bytes, name: str = "my.yaml") -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def refused(name: str, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        read_recipe(name, overrides)
    return str(caught.value).split("\n")


def outcome(name: str, *overrides: str) -> list[str]:
    try:
        read_recipe(name, overrides)
    except RecipeError as error:
        return str(error).split("\n")
    return []


def not_strict(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse_yaml(text, Place("f", 1))
    return str(caught.value).split("\n")


def plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    if isinstance(node.value, list):
        return [plain(value) for value in node.value]
    return node.value


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of its own, with two shipped recipes."""
    folder = tmp_path / "installed" / "recipes"
    write(VALID, str(folder / "quickstart.yaml"))
    write("extends: quickstart\nseed: 7\n", str(folder / "bench" / "base.yaml"))
    package = str(tmp_path / "installed" / "__init__.py")
    monkeypatch.setattr(seq2seq, "__file__", package)
    return folder


# What YAML means ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, word) for word in ("no", "on", "yes", "off", "y", "n", "No", "True")],
        *[(word, word) for word in ("Null", "NULL", "FALSE", ".inf", "-.inf", ".nan")],
        *[(word, word) for word in ("1_000", "0o17", "0x1F", "007", "12:30:45", "1:2")],
        *[
            (word, word)
            for word in ("2024-01-31", "2024-01-31 10:00:00", "=", "1e", "-")
        ],
        *[(word, word) for word in ("٣", "1 000", "e3", ".", "1.2.3", "nan", "inf")],
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-0", 0),
        ("+5", 5),
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("1.0", 1.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1" * 300, int("1" * 300)),
        ("1" * 301, "1" * 301),
    ],
)
def test_a_plain_scalar_means_one_thing(text: str, value: object) -> None:
    came = plain_scalar(text)
    assert (type(came), came) == (type(value), value)
    if text not in ("=", "-", "1:2"):
        assert plain(parse_yaml(f"a: {text}", Place("f", 1))) == {"a": value}


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quoted_scalars_are_strings(quote: str) -> None:
    tree = parse_yaml(f"[{quote}1{quote}, {quote}true{quote}]", Place("f", 1))
    assert plain(tree) == ["1", "true"]


def test_every_value_and_key_knows_its_line() -> None:
    tree = parse_yaml("a:\n  b:\n    1\n  c: [2,\n   3]\n", Place("f", 1))
    assert isinstance(tree.value, dict)
    a = tree.value["a"]
    assert isinstance(a.value, dict)
    b, c = a.value["b"], a.value["c"]
    assert isinstance(c.value, list)
    lines = [node.place.line for node in (tree, a, b, c, *c.value)]
    assert lines == [1, 1, 3, 4, 4, 5]
    assert b.key.line == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "f:4: b.c: duplicate key, first in line 3"),
        ("a: 1\n'a': 1\n", "f:2: a: duplicate key, first in line 1"),
        ("a: 1\nb: &x 3\n", "f:2: anchors (&x) are not allowed"),
        ("b: *x\n", "f:1: aliases (*x) are not allowed"),
        ("a:\n  <<: {b: 1}\n", "f:2: merge keys (<<) are not allowed"),
        ("a: !!str 3\n", "f:1: tags (!!str) are not allowed"),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            "f:1: tags (!!python/object/apply:os.system) are not allowed",
        ),
        ("a: ! b\n", "f:1: tags (!) are not allowed"),
        ("a: 1\n---\nb: 2\n", "f:2: a second document starts here; a file holds one"),
        ("%YAML 1.1\n---\na: 1\n", "f:1: directives (%) are not allowed"),
        ("\n1: a\n", "f:2: the key 1 is not a string; put it in quotes"),
        ("true: a\n", "f:1: the key true is not a string; put it in quotes"),
        ("?\n: a\n", "f:1: the key null is not a string; put it in quotes"),
        ("? [a, b]\n: c\n", "f:1: the key ['a', 'b'] is not a string"),
        ('a: "\\ud800"\n', "f:1: half a surrogate pair is not text"),
        ("a: 1\nb: \x00\n", "f:2: the character U+0000 may not stand in YAML"),
        ("a: [1,\n b: 2\n", "f:3: not YAML: expected ',' or ']', but got"),
        ("a: 'x\n", "f:2: not YAML: found unexpected end of stream"),
        ("a: b: c\n", "f:1: not YAML: mapping values are not allowed here"),
        ("a:\n\t- b\n", "f:2: not YAML: found character '\\t' that cannot start"),
        ('a: "\\UFFFFFFFF"\n', "f:1: not YAML: "),
        ("[" * 9999, f"f:1: nested deeper than {MAX_DEPTH} levels"),
        ("- " * 9999, f"f:1: nested deeper than {MAX_DEPTH} levels"),
        ("{a: " * 9999, f"f:1: nested deeper than {MAX_DEPTH} levels"),
        ("? " * 9999, f"f:1: nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_what_is_not_strict_is_refused_with_its_line(text: str, message: str) -> None:
    (line,) = not_strict(text)
    assert line.startswith(message)
    assert line == message or "not YAML" in line


def test_all_that_is_not_strict_comes_at_once() -> None:
    assert not_strict("a: &x 1\nb: *x\nb: 2\n3: !!int 4\n") == [
        "f:1: anchors (&x) are not allowed",
        "f:2: aliases (*x) are not allowed",
        "f:3: b: duplicate key, first in line 2",
        "f:4: tags (!!int) are not allowed",
        "f:4: the key 3 is not a string; put it in quotes",
    ]


def test_a_flood_of_faults_is_cut_short() -> None:
    lines = not_strict("a: 1\n" * 1102)
    assert len(lines) == MAX_FAULTS + 1
    assert lines[-1] == "f: and 1,001 more faults"


def test_thirty_two_levels_are_allowed() -> None:
    text = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    assert parse_yaml(text, Place("f", 1)).value


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
    assert refused("none.yaml")[0].startswith("none.yaml: no such file")
    assert refused("folder.yaml") == ["folder.yaml: a folder, not a recipe file"]
    assert refused("folder")[0].startswith(f"folder: {nothing}")
    assert refused("x\x00")[0].startswith(f"x\\x00: {nothing}")
    assert refused("x" * 5000)[0].endswith(nothing) or recipe_names()
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
        "bench/bas: neither a shipped recipe nor a file, did you mean 'bench/base'?"
    ]
    assert refused("zzz") == [
        "zzz: neither a shipped recipe nor a file, "
        "shipped are 'bench/base', 'quickstart'"
    ]
    assert refused("quickstart.yaml") == [
        "quickstart.yaml: no such file, did you mean 'quickstart'?"
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
    write(VALID + "tokenizer: {kind: unigram, vocab_size: 99}\n", "base.yaml")
    child = "extends: base.yaml\ntokenizer: {kind: bpe}\n"
    tokenizer = read_recipe(write(child)).tokenizer
    assert (tokenizer.kind, tokenizer.vocab_size) == ("bpe", 99)


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


# Overrides ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("model.dropout=0.5", ("model", "dropout"), 0.5),
        ("model.dropout=1e-2", ("model", "dropout"), 0.01),
        ("model.dropout=0", ("model", "dropout"), 0.0),
        (" seed = 4 ", ("seed",), 4),
        ("data.source=no", ("data", "source"), "no"),
        ("data.limit=", ("data", "limit"), None),
        ("data.limit=null", ("data", "limit"), None),
        ("data.config='3'", ("data", "config"), "3"),
        ('data.config="a\\tb"', ("data", "config"), "a\tb"),
        ("data.path=a=b", ("data", "path"), "a=b"),
        ("data.path=s3: a # b", ("data", "path"), "s3: a # b"),
        ("data.path=- a", ("data", "path"), "- a"),
        ("data.drop_copies=false", ("data", "drop_copies"), False),
        ("model.encoder={layers: 3}", ("model", "encoder", "layers"), 3),
        ("model.encoder={layers: 3}", ("model", "encoder", "cell"), "lstm"),
        ("search.beam_size=2", ("search", "beam_size"), 2),
    ],
)
def test_an_override_wins(override: str, key: tuple[str, ...], value: object) -> None:
    came: Any = read_recipe(write(VALID), [override])
    for part in key:
        came = getattr(came, part)
    assert (type(came), came) == (type(value), value)


@pytest.mark.parametrize("turn", [1, -1])
def test_an_overridden_kind_replaces_whatever_the_order(turn: int) -> None:
    overrides = ["train.optimizer.kind=sgd", "train.optimizer.momentum=0.5"][::turn]
    optimizer = read_recipe(write(VALID), overrides).train.optimizer
    assert optimizer.model_dump() == {
        "kind": "sgd",
        "learning_rate": 0.5,
        "momentum": 0.5,
        "weight_decay": 0.0,
    }


def test_the_last_of_two_overrides_wins() -> None:
    assert read_recipe(write(VALID), ["seed=2", "seed=3"]).seed == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "not of the form key=value or key.key=value"),
        ("=3", "not of the form key=value or key.key=value"),
        ("a..b=3", "not of the form key=value or key.key=value"),
        (".a=3", "not of the form key=value or key.key=value"),
        ("extends=quickstart", "only a file can say extends"),
        ("model.dropout=2", "model.dropout: 2 is not less than 1"),
        ("model.dropot=0.2", "model.dropot: unknown key, did you mean 'dropout'?"),
        ("model=3", "model: 3 is not a mapping of keys to values"),
        ("seed=[1, 2]", "seed: [1, 2] is not an integer"),
        ("seed.x=1", "seed: {x: 1} is not an integer"),
        ("seed=1_000", "seed: '1_000' is not an integer"),
        ("seed=*x", "aliases (*x) are not allowed"),
        ("seed=!!int 3", "tags (!!int) are not allowed"),
        ("seed={a: 1, a: 2}", "a: duplicate key"),
        ("data.path=\udcff", "not UTF-8"),
        ("\udcff={}", "not UTF-8"),
        ("data.source=de", "data: data.source and data.target are both 'de'; "),
        ("train.optimizer.kind=adm", "train.optimizer.kind: 'adm' is not one of 'adam"),
        ("seed=[1", "not YAML: expected ',' or ']', but got '<stream end>' while"),
        (".".join("a" * 99) + "=1", f"more than {MAX_DEPTH} keys deep"),
    ],
)
def test_a_wrong_override_is_shown_whole(override: str, message: str) -> None:
    (line,) = refused(write(VALID), override)
    shown = override if len(override) <= 60 else override[:59] + "…"
    shown = shown.replace("\udcff", "\\udcff")
    assert line.startswith(f"-o {shown}: {message}")


def test_all_malformed_overrides_come_at_once() -> None:
    assert len(refused(write(VALID), "a", "b", "seed=3")) == 2


def test_a_malformed_override_hides_no_other_fault() -> None:
    malformed = "-o seed: not of the form key=value or key.key=value"
    assert refused(write(VALID.replace("0.3", "3")), "seed", "data.limit=0") == [
        "my.yaml:8: model.dropout: 3 is not less than 1",
        "-o data.limit=0: data.limit: 0 is not at least 1",
        malformed,
    ]
    assert refused(write("a: 1\na: 2\n"), "seed") == [
        "my.yaml:2: a: duplicate key, first in line 1",
        malformed,
    ]
    assert refused("none.yaml", "seed")[1:] == [malformed]


# Neither a model nor an optimizer nor a schedule.
BARE = VALID[: VALID.index("model:")] + "train:\n  max_steps: 10\n"


@pytest.mark.parametrize(
    ("override", "key", "came"),
    [
        (
            "train.optimizer.learning_rate=5e-4",
            "optimizer",
            {"kind": "adam", "learning_rate": 5e-4, "weight_decay": 0.0},
        ),
        (
            "train.optimizer={weight_decay: 0.5}",
            "optimizer",
            {"kind": "adam", "learning_rate": 1e-3, "weight_decay": 0.5},
        ),
        (
            "train.schedule.warmup_steps=7",
            "schedule",
            {"kind": "constant", "warmup_steps": 7},
        ),
    ],
)
def test_an_override_of_a_section_that_is_not_written_starts_from_its_default(
    override: str, key: str, came: dict[str, Any]
) -> None:
    write(BARE, "base.yaml")
    for name in ("base.yaml", write("extends: base.yaml\n")):
        assert read_recipe(name, [override]).train.model_dump()[key] == came


@pytest.mark.parametrize("turn", [1, -1])
def test_a_kind_among_the_overrides_goes_before_that_of_the_default(turn: int) -> None:
    overrides = ["train.optimizer.momentum=0.5", "train.optimizer.kind=sgd"][::turn]
    optimizer = read_recipe(write(BARE), overrides).train.optimizer
    assert optimizer.model_dump()["momentum"] == 0.5


def test_what_the_default_does_not_know_is_refused() -> None:
    assert refused(write(BARE), "train.optimizer.momentum=0.5") == [
        "-o train.optimizer.momentum=0.5: train.optimizer.momentum: unknown key, "
        "valid here are 'kind', 'learning_rate', 'weight_decay'"
    ]
    (line,) = refused(write(BARE), "model.attention.kynd=general")
    assert line.endswith("model.attention.kynd: unknown key, did you mean 'kind'?")


def test_an_override_does_not_mend_a_file_that_leaves_out_its_kind() -> None:
    text = VALID.replace("    kind: adam\n", "")
    (line,) = refused(write(text), "train.optimizer.weight_decay=0.2")
    assert line.startswith("my.yaml:13: train.optimizer.kind: required but not given, ")
    assert read_recipe(write(text), ["train.optimizer.kind=adam"])


def test_an_innocent_override_is_not_blamed() -> None:
    text = VALID.replace("  path: corpus\n", "")
    assert refused(write(text), "data.limit=5", "seed=2") == [
        "my.yaml:3: data.path: required but not given"
    ]
    tied = ["seed=2", "model.tie_embeddings=all", "tokenizer.joint=false", "seed=3"]
    assert refused(write(VALID), *tied) == [
        "-o tokenizer.joint=false: model.tie_embeddings: all needs tokenizer.joint: "
        "true, since one matrix cannot serve two vocabularies"
    ]


# Faults -------------------------------------------------------------------------------


def test_all_faults_come_at_once_sorted_by_line() -> None:
    text = """\
        seed: 1.0
        data:
          path: ''
          source: e n
          target: de
        model:
          encoder:
            cel: lstm
          decoder: {cell: LSTM, layers: 99}
          dropout: 1.5
          attention: {kind: none, heads: 3}
          bridge: 3
        train:
          max_steps: "10"
          optimizer:
            kind: adm
          schedule: {kind: plateau, warmup: 3, patience: 0}
          clip_norm: 1e999
          label_smoothing: -1e-1
        search:
        tokenizr: {}
        zzz: 1
        """
    assert refused(write(textwrap.dedent(text))) == [
        "my.yaml:1: seed: 1.0 is not an integer",
        "my.yaml:3: data.path: '' is shorter than 1 character",
        "my.yaml:4: data.source: 'e n' does not match ^[A-Za-z0-9][A-Za-z0-9_-]*$",
        "my.yaml:8: model.encoder.cel: unknown key, did you mean 'cell'?",
        "my.yaml:9: model.decoder.cell: 'LSTM' is not one of 'rnn', 'gru', 'lstm', "
        "'min_gru', 'min_lstm', did you mean 'lstm'?",
        "my.yaml:9: model.decoder.layers: 99 is not at most 32",
        "my.yaml:10: model.dropout: 1.5 is not less than 1",
        "my.yaml:11: model.attention.heads: unknown key, valid here are 'kind'",
        "my.yaml:12: model.bridge: 3 is not one of 'linear', 'copy'",
        "my.yaml:14: train.max_steps: '10' is not an integer",
        "my.yaml:16: train.optimizer.kind: 'adm' is not one of 'adam', 'adamw', 'sgd', "
        "did you mean 'adam'?",
        "my.yaml:17: train.schedule.patience: 0 is not at least 1",
        "my.yaml:17: train.schedule.warmup: unknown key, did you mean 'warmup_steps'?",
        "my.yaml:18: train.clip_norm: 1e999 is not a finite number",
        "my.yaml:19: train.label_smoothing: -1e-1 is not at least 0",
        "my.yaml:20: search: null is not a mapping of keys to values",
        "my.yaml:21: tokenizr: unknown key, did you mean 'tokenizer'?",
        "my.yaml:22: zzz: unknown key, valid here are 'description', 'seed', 'data', "
        "'tokenizer', 'model', 'train', 'search', 'extends'",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: adam", "lr: 3", "13: train.optimizer.kind: required but not given, "),
        (
            "kind: adam",
            "kind:",
            "14: train.optimizer.kind: null is not one of 'adam', ",
        ),
        ("kind: adam", "kind: [a]", "14: train.optimizer.kind: ['a'] is not one of "),
        ("0.3", "yes", "8: model.dropout: 'yes' is not a number"),
        ("0.3", "true", "8: model.dropout: true is not a number"),
        ("0.3", "\n    7", "9: model.dropout: 7 is not less than 1"),
        ("0.3", "1" * 290, "8: model.dropout: " + "1" * 59 + "… is not less than 1"),
        ("corpus", "3", "4: data.path: 3 is not a string"),
        ("corpus", '{"a\\eb": 3}', "4: data.path: {a\\x1bb: 3} is not a string"),
        ("source: en", "source: de", "3: data: data.source and data.target are both"),
        (
            "en\n",
            "x" * 99 + "\n",
            "5: data.source: '" + "x" * 59 + "…' is longer than 32 char",
        ),
        ("en\n", '"\\n"\n', "5: data.source: '\\n' does not match ^"),
        ("  max_steps: 10\n", "", "11: train: train needs max_steps or max_epochs, or"),
        (
            "max_steps",
            "max-steps",
            "12: train.max-steps: unknown key, did you mean 'ma",
        ),
        ("0.1}", "0.1, cosine: 1}", "17: train.schedule.cosine: unknown key"),
        ("a trial", "[{a: 1}]", "2: description: [{a: 1}] is not a string"),
        (
            "0.3",
            "0.3\n  bridge: copy",
            "7: model: bridge: copy needs equal shapes, but",
        ),
    ],
)
def test_one_fault_has_one_line(old: str, new: str, message: str) -> None:
    line = refused(write(VALID.replace(old, new, 1)))[0]
    assert line.startswith(f"my.yaml:{message}")


def test_a_missing_section_points_to_the_first_line() -> None:
    assert refused(write("# x\n\nseed: 1\n")) == [
        "my.yaml:1: data: required but not given",
        "my.yaml:1: train: required but not given",
    ]


def test_a_fault_between_sections_points_to_the_first_line() -> None:
    text = VALID.replace("model:", "tokenizer: {joint: false}\nmodel:")
    text = text.replace("  dropout", "  tie_embeddings: all\n  dropout")
    assert refused(write(text)) == [
        "my.yaml:1: model.tie_embeddings: all needs tokenizer.joint: true, "
        "since one matrix cannot serve two vocabularies"
    ]


def test_a_terminal_obeys_nothing_from_a_recipe() -> None:
    text = VALID + '"\\e[31m": 1\n'
    (line,) = refused(write(text))
    assert line.startswith("my.yaml:18: \\x1b[31m: unknown key")


# Properties ---------------------------------------------------------------------------

_TRICKY = st.sampled_from(
    [
        *[
            "",
            "no",
            "1e-3",
            "007",
            "null",
            "~",
            "<<",
            "- a",
            "a: b",
            "#",
            "'",
            '"',
            "&a",
        ],
        *[
            "*a",
            "!a",
            "%a",
            "@",
            "`",
            "a #b",
            " a ",
            "\n",
            "a\nb",
            "\t",
            "\x85",
            "\u2028",
        ],
        *[
            "\ufeff",
            "\x00",
            "\U0001f600",
            "12:30",
            "=",
            "2024-01-31",
            "True",
            ".5",
            "é",
        ],
        *[
            "\x7f",
            "---",
            "...",
            "? a",
            "| a",
            "> a",
            "{a}",
            "[a]",
            "x " * 200,
            "a\r\nb",
        ],
    ]
)
_TEXT = _TRICKY | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_POSITIVE = st.integers(1, 10**6) | st.just(10**30)
_SHARE = st.floats(0, 1, exclude_max=True)
_RATE = st.floats(0, 1e9, exclude_min=True)
_OPTIMIZERS = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["adam", "adamw"])},
        optional={"learning_rate": _RATE, "weight_decay": _SHARE},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("sgd")}, optional={"learning_rate": _RATE, "momentum": _SHARE}
    ),
)
_SCHEDULES = st.one_of(
    st.fixed_dictionaries({"kind": st.just("constant")}),
    st.fixed_dictionaries({"kind": st.just("cosine"), "final": _SHARE}),
    st.fixed_dictionaries({"kind": st.just("plateau"), "patience": _POSITIVE}),
)
_RECIPES = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {
                "path": _TEXT.filter(bool),
                "source": st.sampled_from(["en", "no", "1e3", "null", "true", "007"]),
                "target": st.just("de"),
            },
            optional={
                "config": st.none() | _TEXT,
                "limit": st.none() | _POSITIVE,
                "max_length_ratio": st.floats(1, 1e300, exclude_min=True),
                "drop_copies": st.booleans(),
            },
        ),
        "train": st.fixed_dictionaries(
            {"max_steps": _POSITIVE},
            optional={
                "optimizer": _OPTIMIZERS,
                "schedule": _SCHEDULES,
                "clip_norm": st.none() | _RATE,
            },
        ),
    },
    optional={
        "description": _TEXT,
        "seed": st.integers(0, 2**63 - 1),
        "model": st.fixed_dictionaries({"dropout": _SHARE}),
    },
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(_RECIPES)
def test_what_is_written_reads_back_equal(values: dict[str, Any]) -> None:
    recipe = Recipe.model_validate(values)
    assert read_recipe(write(recipe_yaml(recipe))) == recipe


@pytest.mark.parametrize("text", ["no", "1e-3", "1_0", "a: b", "\n", "\x85", "", "- "])
def test_tricky_strings_are_quoted(text: str) -> None:
    recipe = read_recipe(write(VALID)).model_copy(update={"description": text})
    first = recipe_yaml(recipe).split("\n")[0]
    assert first[len("description: ")] in "'\""


def test_what_is_written_keeps_the_order_of_the_schema_without_tags() -> None:
    text = recipe_yaml(read_recipe(write(VALID)))
    loaded = yaml.safe_load(text)
    assert list(loaded) == list(Recipe.model_fields)
    assert "!" not in text
    assert "\n  path: corpus\n" in text
    assert "\n    learning_rate: 0.001\n" in text


_PIECES = st.sampled_from(
    [
        *[
            ":",
            " ",
            "\n",
            "\t",
            "-",
            "[",
            "]",
            "{",
            "}",
            "'",
            '"',
            "&a ",
            "*a",
            "!",
            "#",
        ],
        *[
            "|",
            ">",
            "%",
            "?",
            ",",
            "\x00",
            "\ufeff",
            "\x85",
            "\u2028",
            "é",
            "0",
            "e",
            ".",
        ],
        *[
            "---\n",
            "<<: ",
            '"\\U99999999"',
            '"\\ud800"',
            "!!set ",
            "1" * 5000,
            "extends: ",
        ],
        *["extends: my.yaml\n", "%YAML 1.1\n", "? ", "...\n", "\r", "\udcff", "kind: "],
    ]
)
_MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["delete", "insert", "replace", "drop line", "repeat line"]),
        st.integers(0, 10**6),
        _PIECES | st.text(max_size=2),
    ),
    min_size=1,
    max_size=6,
)


def mutated(text: str, mutations: list[tuple[str, int, str]]) -> str:
    for act, where, piece in mutations:
        if act.endswith("line"):
            lines = text.split("\n")
            at = where % len(lines)
            lines[at : at + 1] = [] if act == "drop line" else [lines[at]] * 2
            text = "\n".join(lines)
        else:
            at = where % (len(text) + 1)
            kept = text[at + (act != "insert") :]
            text = text[:at] + ("" if act == "delete" else piece) + kept
    return text


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(_MUTATIONS)
@example([("insert", 0, "%YAML 1." + "1" * 5000 + "\n---\n")])
def test_a_damaged_recipe_reads_or_is_refused(
    mutations: list[tuple[str, int, str]],
) -> None:
    raw = mutated(VALID, mutations).encode("utf-8", "surrogatepass")
    lines = outcome(write(raw))
    assert all(line.startswith("my.yaml") for line in lines)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(max_size=30) | st.builds("data.path={}".format, _TEXT | _PIECES))
def test_any_override_works_or_is_refused(override: str) -> None:
    lines = outcome(write(VALID), override)
    assert all(line.startswith("-o ") for line in lines)


def test_reading_a_recipe_loads_nothing_heavy() -> None:
    heavy = {"torch", "lightning", "datasets", "numpy", "sentencepiece"}
    code = f"import sys, seq2seq.recipe_file; print({heavy} & set(sys.modules))"
    root = Path(seq2seq.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
