"""Examples in memory: which splits counting is fitted and chosen on."""

from __future__ import annotations

from typing import Any

from seq2seq.recipe import TaggingRecipe
from seq2seq.tasks.data import ExampleData


class Reader:
    vocabularies: dict[str, bytes] = {}  # noqa: RUF012

    def read(self, split: str) -> Any:
        return [split]

    def baselines(self, *splits: Any) -> dict[str, list[str]]:
        return {"splits": [split for (split,) in splits]}

    def details(self, train: Any, examples: Any, predictions: Any) -> Any:
        return (train, examples, predictions)


def test_counting_is_fitted_on_training_and_chosen_on_validation() -> None:
    recipe = TaggingRecipe.model_validate(
        {
            "task": "tagging",
            "data": {"path": "x", "splits": {"valid": "dev", "test": "eval"}},
            "train": {"max_steps": 1},
        }
    )
    data = ExampleData(recipe, Reader())
    assert data.baselines("test") == {"splits": ["train", "dev", "eval"]}
    assert data.baselines("other") == {"splits": ["train", "dev", "other"]}
    details: Any = data.details("valid", ["a"])
    assert details == (["train"], ["dev"], ["a"])
