"""Training history without a training: the base recipe, and durations."""

from __future__ import annotations

from pathlib import Path

from seq2seq.evaluation.training_history import (
    format_duration,
    public_name,
    read_training_history,
)
from seq2seq.recipe import Recipe
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.recipe.loader import read_recipe
from seq2seq.runs.run_folder import RunFolder, write_json


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


def test_a_recipe_is_shown_without_the_folders_of_its_author(tmp_path: Path) -> None:
    for path, name in (
        ("/home/ann/data/multi30k", "multi30k"),
        ("~/data/multi30k", "multi30k"),
        ("~ann/multi30k", "multi30k"),
        (r"C:\Users\Ann Lee\multi30k", "multi30k"),
        ("../ann/multi30k", "multi30k"),
        ("data/multi30k", "data/multi30k"),
        ("wmt/wmt14", "wmt/wmt14"),
        ("phrasebook", "phrasebook"),
    ):
        assert public_name(path) == name
    recipe = Recipe.model_validate(
        {
            "data": {
                "path": "/home/ann/data",
                "source": "en",
                "target": "de",
                "mix": [{"path": "/home/ann/more"}],
            },
            "train": {"init_from": "/home/ann/runs/old", "max_steps": 1},
        }
    )
    settings = read_training_history(RunFolder(tmp_path), recipe).settings
    shown = {setting.key: setting.value for setting in settings}
    assert "ann" not in str(settings)
    assert shown["data.path"] == '"data"'
    assert shown["train.init_from"] == '"old"'
    assert '"path": "more"' in shown["data.mix"]


def test_a_diverged_run_is_named_in_its_facts(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.recipe.write_text(recipe_yaml(read_recipe("quickstart")), encoding="utf-8")
    for warning in ("", "worse than uniform guessing, log 200 = 5.30"):
        write_json(run.summary, {"stopped": "all steps done", "warning": warning})
        facts = dict(read_training_history(run, run.read_recipe()).facts)
        assert facts.get("last validation loss", "") == warning
