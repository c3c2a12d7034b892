"""The tune section: its ranges are checked against the recipe before any training."""

from __future__ import annotations

from pathlib import Path

import pytest

from seq2seq.errors import RecipeError
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.recipe.loader import read_recipe
from seq2seq.tuning.search_space import metric_name, read_space, trial_recipe

TINY = (
    Path(__file__).resolve().parents[2] / "helpers" / "tiny_recipe.yaml"
).read_text()


def recipe_file(folder: Path, tune: str) -> str:
    path = folder / "my.yaml"
    path.write_text(f"{TINY}tune: {tune}\n")
    return str(path)


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ("{space: {model.dropot: [0, 0.5]}}", "did you mean 'model.dropout'?"),
        ("{space: {model.dropout: [0, 1.5]}}", "1.5 is not less than 1"),
        ("{space: {model.dropout: [0.5, 0.1]}}", "must rise"),
        ("{space: {model.dropout: 0.5}}", "is not of the form [low, high]"),
        ("{space: {model.dropout: {lag: [0, 1]}}}", "is not of the form [low, high]"),
        ("{space: {model.dropout: {log: [0, 0.5]}}}", "must lie above 0"),
        ("{space: {model.dropout: {of: [0.5]}}}", "two values or more"),
        ("{space: {model.embedding_size: [1.5, 8]}}", "1.5 is not an integer"),
        ("{space: {model.tie_embeddings: [0, 1]}}", "is not one of 'none'"),
        ("{space: {model.tie_embeddings: {of: [none, al]}}}", "did you mean 'all'?"),
        ("{space: {seed: [1, 5]}}", "seed cannot vary"),
        ("{space: {}}", "tune.space"),
        ("{trails: 5, space: {model.dropout: [0, 0.5]}}", "did you mean 'trials'?"),
        ("{trials: 0, space: {model.dropout: [0, 0.5]}}", "0 is not at least 1"),
        (
            "{metric: valid_blue, space: {model.dropout: [0, 0.5]}}",
            "did you mean 'valid_bleu'?",
        ),
    ],
)
def test_a_range_that_the_recipe_cannot_have_is_one_line(
    tune: str, message: str, tmp_path: Path
) -> None:
    name = recipe_file(tmp_path, tune)
    with pytest.raises(RecipeError) as caught:
        read_space(read_recipe(name), name)
    (line,) = str(caught.value).split("\n")
    assert message in line
    assert line.startswith(name)


def test_a_recipe_without_a_tune_section_names_one_that_has_it() -> None:
    with pytest.raises(RecipeError, match="small-data-tune"):
        read_space(read_recipe("quickstart"), "quickstart")
    assert read_space(read_recipe("small-data-tune"), "small-data-tune")


def test_ranges_have_the_types_of_their_keys_and_the_recipes_own_values(
    tmp_path: Path,
) -> None:
    tune = (
        "{space: {model.dropout: [0, 1e-1], model.embedding_size: {log: [4, 16]}, "
        "model.attention: {of: [none, fixed]}, train.clip_norm: [2, 5]}}"
    )
    name = recipe_file(tmp_path, tune)
    recipe = read_recipe(name)
    dropout, size, attention, clip = read_space(recipe, name)
    assert (dropout.integer, size.integer, clip.integer) == (False, True, False)
    assert size.base == 8
    assert attention.base == "fixed"
    assert clip.base is None  # 1 is outside.
    assert dropout.format(0.043219) == "0.04322"
    assert metric_name(recipe) == "valid_loss"
    trial = trial_recipe(recipe, {"model.attention": "none", "model.dropout": "0.05"})
    assert (trial.model.attention.kind, trial.model.dropout) == ("none", 0.05)
    assert trial.tune is None
    assert "tune" not in recipe_yaml(trial)
