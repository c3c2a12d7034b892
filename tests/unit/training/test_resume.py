"""Which recipes continue a run, and how to train on with another one."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.recipe import Recipe
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.recipe.loader import read_recipe
from seq2seq.runs.run_folder import RunFolder
from seq2seq.training.resume import validate_resume_recipe


def begun_run(path: Path) -> tuple[RunFolder, Recipe]:
    run, recipe = RunFolder(path), read_recipe("quickstart", ["train.max_steps=100"])
    run.last.parent.mkdir(parents=True)
    run.last.touch()
    run.recipe.write_text(recipe_yaml(recipe), encoding="utf-8")
    return run, recipe


def refusal(run: RunFolder, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        validate_resume_recipe(run, read_recipe(str(run.recipe), overrides))
    return str(caught.value)


def test_more_steps_alone_are_trained_on_from_the_runs_weights(tmp_path: Path) -> None:
    run, recipe = begun_run(tmp_path / "run")
    validate_resume_recipe(run, recipe)
    message = refusal(run, "train.max_steps=250")
    advice = "To train on from its weights: "
    _, train, path, _, init, _, steps, *output = shlex.split(message.split(advice)[1])
    assert train == "train"
    assert output == ["--output", f"{run.path}-2"]
    options = read_recipe(path, [init, steps]).train
    assert (options.init_from, options.max_steps) == (str(run.path), 150)


@pytest.mark.parametrize(
    "overrides", [["train.max_steps=50"], ["train.max_steps=250", "seed=9"]]
)
def test_another_recipe_needs_another_folder(
    tmp_path: Path, overrides: list[str]
) -> None:
    run, _ = begun_run(tmp_path / "run")
    assert refusal(run, *overrides).endswith(
        "Name another folder with --output, or remove this one."
    )
