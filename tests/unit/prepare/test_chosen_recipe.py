"""The recipe that a corpus's size chooses is valid, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.prepare.chosen_recipe import CorpusSize, choose_recipe
from seq2seq.recipe import Recipe
from seq2seq.recipe.loader import read_recipe, show_recipe


@pytest.mark.parametrize(
    ("size", "base", "vocabulary"),
    [
        (CorpusSize(300, 9_000, 60), "small-data", 500),
        (CorpusSize(5_000, 200_000, 80), "small-data", 2000),
        (CorpusSize(49_999, 2_000_000, 3_000), "small-data", 6000),
        (CorpusSize(50_000, 2_000_000, 80), "tatoeba-en-de-attention", 6000),
    ],
)
def test_the_recipe_follows_the_size_and_is_complete(
    tmp_path: Path, size: CorpusSize, base: str, vocabulary: int
) -> None:
    text = choose_recipe(size, path="data/a b", source="en", target="no")
    path = tmp_path / "chosen.yaml"
    path.write_text(text)
    path.write_text(show_recipe(str(path)))
    recipe, shipped = read_recipe(str(path)), read_recipe(base)
    assert isinstance(recipe, Recipe)
    assert recipe.model == shipped.model
    assert (recipe.data.path, recipe.data.target) == ("data/a b", "no")
    assert recipe.data.max_pairs is None
    assert recipe.tokenizer.vocab_size == vocabulary
    assert f"{base} is the base" in path.read_text()
    epochs = recipe.train.max_epochs or 0
    assert epochs >= (shipped.train.max_epochs or 0)
    batch_characters = 2.5 * shipped.train.batch_tokens
    steps = epochs * round(size.characters / batch_characters)
    assert steps >= 2000
    assert recipe.train.validate_every <= max(50, steps // 8)


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(UserError, match="has 199 pairs to train on, and fewer than"):
        choose_recipe(CorpusSize(199, 1, 1), path="x", source="en", target="de")


def test_the_size_is_counted_of_pairs() -> None:
    assert CorpusSize.of([("ab", "a"), ("", "xyz")]) == (2, 5, 5)
