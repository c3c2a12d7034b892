"""Recipes are read strictly: every scalar means one thing, and knows its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seq2seq.errors import RecipeError
from seq2seq.recipe.strict_yaml import (
    MAX_DEPTH,
    MAX_FAULTS,
    Location,
    Node,
    parse_yaml,
    plain_scalar,
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def not_strict(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse_yaml(text, Location("f", 1))
    return str(caught.value).split("\n")


def plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    if isinstance(node.value, list):
        return [plain(value) for value in node.value]
    return node.value


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
        assert plain(parse_yaml(f"a: {text}", Location("f", 1))) == {"a": value}


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quoted_scalars_are_strings(quote: str) -> None:
    tree = parse_yaml(f"[{quote}1{quote}, {quote}true{quote}]", Location("f", 1))
    assert plain(tree) == ["1", "true"]


def test_every_value_and_key_knows_its_line() -> None:
    tree = parse_yaml("a:\n  b:\n    1\n  c: [2,\n   3]\n", Location("f", 1))
    assert isinstance(tree.value, dict)
    a = tree.value["a"]
    assert isinstance(a.value, dict)
    b, c = a.value["b"], a.value["c"]
    assert isinstance(c.value, list)
    lines = [node.location.line for node in (tree, a, b, c, *c.value)]
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
    assert parse_yaml(text, Location("f", 1)).value
