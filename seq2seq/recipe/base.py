"""Base classes of recipes and their sections, and how two sections differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from seq2seq.recipe.sections import RecipeSection as RecipeSection
from seq2seq.recipe.tune import TuneOptions

if TYPE_CHECKING:
    from typing_extensions import Self

    from seq2seq.recipe.train import TrainOptions

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class BaseRecipe(RecipeSection):
    """What the recipes of all tasks share; `task` tells them apart.

    Every task's recipe adds its sections in the order in which they are written.
    """

    description: str = Field("", description="One line for `seq2seq recipe ls`.")
    seed: int = Field(
        1,
        ge=0,
        lt=2**63,
        description="Random seed of initial weights, batch order and dropout.",
    )

    tune: TuneOptions | None = Field(
        None, description="What `seq2seq tune` varies; a training ignores it."
    )

    if TYPE_CHECKING:
        task: str
        data: Any
        model: Any
        train: TrainOptions

    def without_tune(self) -> Self:
        """Return a copy without the section tune, which no training depends on."""
        return self.model_copy(update={"tune": None})

    def with_data_path(self, path: str | None) -> Self:
        """Return a copy with another data.path; None keeps the path."""
        if path is None:
            return self
        data = self.data.model_copy(update={"path": path})
        return self.model_copy(update={"data": data})


def allow_kind_alone(schema: dict[str, Any]) -> None:
    """Let the JSON schema of a union accept a kind in place of a mapping.

    `attention: none` means `attention: {kind: none}`; the loader expands it.
    """
    schema["oneOf"].append({"enum": list(schema["discriminator"]["mapping"])})


class ModelSection(RecipeSection):
    """The network of a task."""

    def diff_options(self, other: RecipeSection) -> list[tuple[str, Any, Any]]:
        """Compare all options but dropout: those that the weights depend on.

        Returns:
            Keys whose values differ, with the values of this section and the other.
        """
        differences = diff_options(self.model_dump(), other.model_dump())
        return [(key, *v) for key, *v in differences if not key.endswith("dropout")]


def diff_options(
    a: dict[str, Any], b: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the keys, joined by dots, whose values differ, with both values.

    Args:
        a: A section as `model_dump` returns it.
        b: Another one.
        prefix: Prepended to the keys.
    """
    for key in {**a, **b}:
        value_a, value_b = a.get(key), b.get(key)
        if isinstance(value_a, dict) and isinstance(value_b, dict):
            yield from diff_options(value_a, value_b, f"{prefix}{key}.")
        elif value_a != value_b:
            yield f"{prefix}{key}", value_a, value_b
