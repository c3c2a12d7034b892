"""What is written reads back; what is damaged is read or refused; nothing is heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

import seq2seq
from seq2seq.recipe import Recipe
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.recipe.loader import read_recipe
from tests.helpers.recipe_files import VALID, outcome, write


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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
    st.fixed_dictionaries({"kind": st.just("cosine"), "min_lr_ratio": _SHARE}),
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
                "max_pairs": st.none() | _POSITIVE,
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
    assert list(loaded) == [key for key in Recipe.model_fields if key != "tune"]
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
)
@given(st.text(max_size=30) | st.builds("data.path={}".format, _TEXT | _PIECES))
def test_any_override_works_or_is_refused(override: str) -> None:
    lines = outcome(write(VALID), override)
    assert all(line.startswith("-o ") for line in lines)


def test_reading_a_recipe_loads_nothing_heavy() -> None:
    heavy = {"torch", "lightning", "datasets", "numpy", "sentencepiece"}
    code = f"import sys, seq2seq.recipe.loader; print({heavy} & set(sys.modules))"
    root = Path(seq2seq.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
