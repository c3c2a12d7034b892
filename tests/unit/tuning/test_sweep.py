"""Sweeps: values of a grid, names of runs, and trainings that fail among others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.tuning.sweep import make_grid, split_values
from tests.helpers.cli import invoke

TINY = str(Path(__file__).resolve().parents[2] / "helpers" / "tiny_recipe.yaml")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2", ["1", "2"]),
        ("0.1", ["0.1"]),
        ("[a, b]", ["[a, b]"]),
        ("[a, b],[c]", ["[a, b]", "[c]"]),
        ("{kind: sgd, momentum: 0.9}, adam", ["{kind: sgd, momentum: 0.9}", "adam"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("don't,do", ["don't", "do"]),
        ('{a: "},"},b', ['{a: "},"}', "b"]),
        ("", [""]),
    ],
)
def test_commas_split_outside_brackets_and_quotes_alone(
    text: str, values: list[str]
) -> None:
    assert split_values(text) == values


def test_a_grid_has_every_combination_with_every_seed(tmp_path: Path) -> None:
    overrides = [
        "model.dropout=0.1,0.2",
        "train.max_steps=3",
        "model.tie_embeddings=none,decoder",
    ]
    keys, points = make_grid(TINY, overrides, [1, 2], tmp_path)
    assert keys == ["model.dropout", "model.tie_embeddings"]
    names = [job.name for point in points for job in point.jobs]
    assert len(set(names)) == 8
    assert names[0] == "dropout=0.1_tie_embeddings=none_seed=1"
    assert {job.recipe.train.max_steps for p in points for job in p.jobs} == {3}


@pytest.mark.parametrize(
    ("overrides", "seeds", "message"),
    [
        (["model.dropout=0.2"], [], "nothing varies"),
        (["model.dropout=0.2,"], [], "empty value"),
        (["model.dropout=0.2,x"], [], "'x' is not a number"),
        (["model.dropot=0.2,0.3"], [], "did you mean"),
        (["model.dropout=0.2,0.2"], [], "the same"),
        (["seed=1,2"], [3], "--seeds"),
        (["model.dropout"], [], "key=a,b"),
    ],
)
def test_a_grid_that_cannot_be_trained_is_refused(
    overrides: list[str], seeds: list[int], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        make_grid(TINY, overrides, seeds, tmp_path)


def test_an_absurd_grid_needs_a_yes(tmp_path: Path) -> None:
    values = ",".join(str(n / 100) for n in range(60))
    override = f"model.dropout={values}"
    status, _, errors = invoke(
        "sweep", TINY, "-o", override, "--output", str(tmp_path / "s")
    )
    assert status == 1
    assert "60 runs" in errors
    assert not (tmp_path / "s").exists()


def test_a_diverging_run_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    arguments = ["sweep", TINY, "-o", "train.optimizer.learning_rate=1e38,0.1"]
    arguments += [
        "-o",
        "train.clip_norm=null",
        "--output",
        str(tmp_path / "s"),
        "--json",
    ]
    status, out, errors = invoke(*arguments)
    assert status == 1
    good, bad = json.loads(out)
    assert good["settings"] == {"train.optimizer.learning_rate": "0.1"}
    assert len(good["valid_loss"]) == 1
    assert "not finite" in bad["failures"][0]
    assert "not finite" in errors.splitlines()[-1]
    # What was done is not done again; another recipe is refused before any training.
    before = (tmp_path / "s" / "learning_rate=0.1" / "train.log").read_bytes()
    assert invoke(*arguments)[1] == out
    status, _, errors = invoke(*arguments, "-o", "model.dropout=0.3")
    assert status == 1
    assert "was trained with another recipe: model.dropout" in errors
    assert (tmp_path / "s" / "learning_rate=0.1" / "train.log").read_bytes() == before
