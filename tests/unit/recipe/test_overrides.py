"""Overrides win, and all that is wrong comes at once, with its place."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from seq2seq.recipe.loader import read_recipe
from seq2seq.recipe.strict_yaml import (
    MAX_DEPTH,
)
from tests.helpers.recipe_files import VALID, refused, write


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Overrides ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("model.dropout=0.5", ("model", "dropout"), 0.5),
        ("model.dropout=1e-2", ("model", "dropout"), 0.01),
        ("model.dropout=0", ("model", "dropout"), 0.0),
        (" seed = 4 ", ("seed",), 4),
        ("data.source=no", ("data", "source"), "no"),
        ("data.max_pairs=", ("data", "max_pairs"), None),
        ("data.max_pairs=null", ("data", "max_pairs"), None),
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
        (
            "model.dropot=0.2",
            "model.dropot: unknown key, did you mean -o model.dropout=0.2?",
        ),
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
    assert refused(write(VALID.replace("0.3", "3")), "seed", "data.max_pairs=0") == [
        "my.yaml:8: model.dropout: 3 is not less than 1",
        "-o data.max_pairs=0: data.max_pairs: 0 is not at least 1",
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
    assert line.endswith("did you mean -o model.attention.kind=general?")


def test_an_override_does_not_mend_a_file_that_leaves_out_its_kind() -> None:
    text = VALID.replace("    kind: adam\n", "")
    (line,) = refused(write(text), "train.optimizer.weight_decay=0.2")
    assert line.startswith("my.yaml:13: train.optimizer.kind: required but not given, ")
    assert read_recipe(write(text), ["train.optimizer.kind=adam"])


def test_an_innocent_override_is_not_blamed() -> None:
    text = VALID.replace("  path: corpus\n", "")
    assert refused(write(text), "data.max_pairs=5", "seed=2") == [
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
          attention: {kind: none, num_heads: 3}
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
        "my.yaml:11: model.attention.num_heads: unknown key, valid here are 'kind'",
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
        "my.yaml:22: zzz: unknown key, valid here are 'description', 'seed', 'tune', "
        "'task', 'data', 'tokenizer', 'model', 'train', 'search', 'extends'",
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
