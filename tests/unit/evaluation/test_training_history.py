"""Training history without a training: the base recipe, and durations."""

from __future__ import annotations

from pathlib import Path

from seq2seq.evaluation.training_history import (
    format_duration,
    read_training_history,
)
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.recipe.loader import read_recipe
from seq2seq.runs.run_folder import RunFolder


def test_durations_have_their_two_largest_units() -> None:
    assert [format_duration(s) for s in (80, 300, 7300)] == [
        "80 s",
        "5 min",
        "2 h 2 min",
    ]


def test_a_recipe_is_compared_with_the_shipped_one_that_it_came_from(
    tmp_path: Path,
) -> None:
    recipe = read_recipe("quickstart", ["model.dropout=0.25"])
    (tmp_path / "recipe.yaml").write_text(recipe_yaml(recipe), encoding="utf-8")
    run = RunFolder(tmp_path)
    history = read_training_history(run, run.read_recipe())
    assert history.base == "the recipe quickstart"
    (changed,) = [setting for setting in history.settings if setting.base is not None]
    assert (changed.key, changed.value, changed.base) == (
        "model.dropout",
        "0.25",
        "0.0",
    )
    assert dict(history.facts) == {"training": "not finished: there is no summary.json"}
