"""What a message suggests can be pasted; a kind alone stands for its section."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from seq2seq.recipe import Recipe
from seq2seq.recipe.dump import flow_yaml
from seq2seq.recipe.loader import read_recipe
from seq2seq.recipe.validation import section_models
from tests.helpers.recipe_files import VALID, outcome, refused, write


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def leaves(wanted: Any = Recipe, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Keys of plain values in every section, joined by dots, with their defaults."""
    result = {}
    for model in section_models(wanted):
        for key, field in model.model_fields.items():
            if section_models(field.annotation):
                if key != "mix":
                    result |= leaves(field.annotation, (*path, key))
            elif key != "kind" and not field.is_required():
                result.setdefault(".".join((*path, key)), field.default)
    return result


@pytest.mark.parametrize("section", ["train.", "model.", "model.encoder.", ""])
def test_every_key_in_a_wrong_section_is_suggested_where_it_belongs(
    section: str,
) -> None:
    write(VALID)
    known = leaves()
    moved = {
        path: default
        for path, default in known.items()
        if section + path.rpartition(".")[2] not in {*known, *Recipe.model_fields}
    }
    assert len(moved) > 50
    for path, default in moved.items():
        name = path.rpartition(".")[2]
        override = f"{section}{name}={flow_yaml(default)}"
        (line,) = refused("my.yaml", override)
        assert "did you mean " in line, line
        question = line.partition("did you mean ")[2].removesuffix("?")
        options = [shlex.split(option)[1] for option in question.split(" or ")]
        assert any(path.startswith(o.split("=")[0]) for o in options), line
        for option in options:
            faults = outcome("my.yaml", option)
            assert not any("unknown key" in fault for fault in faults), (line, faults)


def test_a_moved_key_of_a_file_is_suggested_as_yaml_that_can_be_pasted() -> None:
    write(VALID, "base.yaml")
    text = "extends: base.yaml\nmomentum: 0.5\nnum_heads: 2\ntrain: {learning_rate: 1}"
    lines = refused(write(text))
    assert [line.partition(": ")[2] for line in lines] == [
        "momentum: unknown key, did you mean "
        "train: {optimizer: {kind: sgd, momentum: 0.5}}?",
        "num_heads: unknown key, did you mean "
        "model: {attention: {kind: dot, num_heads: 2}}?",
        "train.learning_rate: unknown key, did you mean "
        "train: {optimizer: {learning_rate: 1}}?",
    ]
    for line in lines:
        pasted = line.partition("did you mean ")[2].removesuffix("?")
        read_recipe(write(f"extends: base.yaml\n{pasted}\n", "mended.yaml"))


@pytest.mark.parametrize(
    ("override", "suggestion"),
    [
        ("train.learning_rate=1e-4", "-o train.optimizer.learning_rate=0.0001"),
        ("train.lerning_rate=0.1", "-o train.optimizer.learning_rate=0.1"),
        ("train.warmup=5", "-o train.schedule.warmup_steps=5"),
        ("layers=3", "-o model.encoder.layers=3 or -o model.decoder.layers=3"),
        ("momentum=0.9", "-o 'train.optimizer={kind: sgd, momentum: 0.9}'"),
        ("serach.beam_size=3", "-o search.beam_size=3"),
        ("model.encoder.cell=LSTM", "-o model.encoder.cell=lstm"),
        ("train.optimizer=adm", "-o train.optimizer.kind=adam"),
        (
            "modle={dropout: 0.1, bridge: copy}",
            "-o 'model={dropout: 0.1, bridge: copy}'",
        ),
    ],
)
def test_a_suggestion_is_written_as_it_is_typed(override: str, suggestion: str) -> None:
    (line,) = refused(write(VALID), override)
    assert line.endswith(f", did you mean {suggestion}?")


def test_a_key_in_a_list_is_suggested_by_its_name() -> None:
    write(VALID)
    (line,) = refused("my.yaml", "data.mix=[{path: a, targett: fr}]")
    assert line.endswith("data.mix.0.targett: unknown key, did you mean 'target'?")


def test_a_key_like_none_is_not_taken_for_one_that_is_half_alike() -> None:
    (line,) = refused(write(VALID), "batch_size=3")  # Not search.beam_size.
    assert "unknown key, valid here are 'description'" in line


def test_keys_joined_by_dots_in_a_file_are_suggested_as_sections() -> None:
    for key in ("train.optimizer.learning_rate", "train.learning_rate"):
        (line,) = refused(write(f"{VALID}{key}: 1\n"))
        assert line.endswith("did you mean train: {optimizer: {learning_rate: 1}}?")
    (line,) = refused(write(f"{VALID}encoder.layers: 1\n"))
    assert line.endswith("did you mean model: {encoder: {layers: 1}}?")


def test_a_hint_that_changes_with_another_override_blames_the_same_one() -> None:
    lines = refused(write(VALID), "train.momentum=0.9", "train.optimizer.kind=sgd")
    assert lines == [
        "-o train.momentum=0.9: train.momentum: unknown key, "
        "did you mean -o train.optimizer.momentum=0.9?"
    ]


@pytest.mark.parametrize("kind", ["none", "fixed", "additive"])
def test_a_kind_alone_stands_for_its_section(kind: str) -> None:
    expected = read_recipe(write(VALID), ["model.attention={kind: " + kind + "}"])
    assert expected.model.attention.kind == kind
    assert read_recipe("my.yaml", [f"model.attention={kind}"]) == expected
    text = VALID.replace("model:\n", f"model:\n  attention: {kind}\n")
    assert read_recipe(write(text)) == expected


def test_another_kind_alone_starts_afresh_and_the_same_kind_changes_nothing() -> None:
    text = VALID.replace("model:\n", "model:\n  attention: {kind: dot, num_heads: 2}\n")
    text = text.replace("cell: lstm", "hidden_size: 256")
    write(text)
    assert read_recipe("my.yaml", ["model.attention=dot"]) == read_recipe("my.yaml")
    other = read_recipe("my.yaml", ["model.attention=general"]).model.attention
    assert other.model_dump()["num_heads"] == 1


def test_the_schema_for_editors_accepts_a_kind_alone() -> None:
    sections = Recipe.model_json_schema()["$defs"]
    for section, key in (
        ("ModelOptions", "attention"),
        ("TranslationTrainOptions", "optimizer"),
    ):
        union = sections[section]["properties"][key]
        (alone,) = [option["enum"] for option in union["oneOf"] if "enum" in option]
        assert set(alone) == set(union["discriminator"]["mapping"])


def test_what_is_neither_a_kind_nor_a_section_is_told_the_kinds() -> None:
    assert refused(write(VALID), "model.attention=null") == [
        "-o model.attention=null: model.attention: null is not a mapping of keys to "
        "values, nor one of 'none', 'fixed', 'dot', 'general', 'additive'"
    ]


# Comments -----------------------------------------------------------------------------

COMMENTED = """\
# The head
# of the file
seed: 3  # a seed
data: {path: 'a # b', source: en, target: de}  # small

train:  # stops
  # soon
  max_steps: 10
  loggers:
  - wandb  # a logger
  optimizer: {kind: adam,  # first of the line
              learning_rate: 0.1}
description: |
  # no comment
"""


def shown(*overrides: str) -> list[str]:
    from seq2seq.recipe.loader import show_recipe

    text = show_recipe(write(COMMENTED), overrides)
    assert read_recipe(write(text, "shown.yaml")) == read_recipe("my.yaml", overrides)
    lines = [line.strip() for line in text.splitlines()]
    return [
        re.sub(": .*", ":", f"{line} / {below}")
        for line, below in pairwise(lines)
        if line.startswith("# ")
    ]


def test_a_shown_recipe_keeps_the_comments_above_their_keys() -> None:
    assert shown() == [
        "# The head / # of the file",
        "# of the file / # a seed",
        "# a seed / seed:",
        "# small / data:",
        "# stops / train:",
        "# soon / max_steps:",
        "# first of the line / optimizer:",
        "# a logger / - wandb",
    ]


def test_a_comment_on_a_value_that_was_overridden_is_left_out() -> None:
    lines = shown("seed=4", "data.path=corpus", "train.optimizer.learning_rate=0.2")
    assert not [line for line in lines if "seed" in line or "small" in line]
    assert not [line for line in lines if "first" in line]
    assert "# soon / max_steps:" in lines


def test_comments_of_a_base_are_shown_with_those_of_the_recipe() -> None:
    from seq2seq.recipe.loader import show_recipe

    write(COMMENTED, "base.yaml")
    text = show_recipe(
        write("extends: base.yaml\nseed: 5  # mine\ntrain: {patience: 3}\n")
    )
    assert "# stops\ntrain:" in text
    assert "# mine\nseed: 5" in text
    assert "# a seed" not in text
    assert "  # soon\n  max_steps: 10" in text


def test_the_reasons_of_small_data_are_shown() -> None:
    from seq2seq.recipe.loader import recipe_path, show_recipe

    written = recipe_path("small-data").read_text(encoding="utf-8")
    reasons = [c.strip() for c in re.findall(r"(?:^|\s)#(.*)", written)]
    assert len(reasons) > 10
    text = show_recipe("small-data")
    assert [reason for reason in reasons if f"# {reason}" not in text] == []
    assert yaml.safe_load(text)["model"]["dropout"] == 0.4
