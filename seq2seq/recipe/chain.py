"""Chains: trainings that build on one another, as one file that `seq2seq train` takes.

stages:
  - {name: base, train: multi30k-en-de-attention}
  - {name: distilled, distill: [base], sequence_interpolation: true}
  - {name: tuned, train: multi30k-en-de-attention-tuned, init_from: base,
     mix: [distilled]}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationError, model_validator

from seq2seq.errors import RecipeError
from seq2seq.recipe import BaseRecipe, Recipe
from seq2seq.recipe.base import RecipeSection
from seq2seq.recipe.dump import flow_yaml, to_plain
from seq2seq.recipe.loader import STAGES, read_recipe, recipe_names, recipe_path
from seq2seq.recipe.strict_yaml import (
    Location,
    read_yaml,
    recipe_error,
    to_recipe_error,
)
from seq2seq.recipe.validation import collect_errors, did_you_mean

if TYPE_CHECKING:
    from typing_extensions import Self

StageName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]*$", max_length=40)]


class Stage(RecipeSection):
    """One stage: a training, or the translation of a training's data."""

    name: StageName = Field(description="Name of its folder in the chain's.")
    train: str | None = Field(None, description="The recipe that it trains.")
    override: list[str] = Field([], description="Its overrides, key=value each.")
    init_from: str | None = Field(
        None, description="The training whose weights it starts from."
    )
    mix: list[str] = Field([], description="Distilled corpora that it trains on, too.")
    distill: list[str] = Field(
        [], description="Trainings that translate their training data, as an ensemble."
    )
    sequence_interpolation: bool = Field(
        False, description="Distill the hypothesis nearest to the reference."
    )
    beam: int | None = Field(None, ge=1, le=1000, description="Beam size to distill.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.train is None) == (not self.distill):
            raise ValueError(f"stage {self.name} needs either train or distill")
        wrong = (
            (self.sequence_interpolation or self.beam is not None)
            if self.train is not None
            else bool(self.override or self.init_from or self.mix)
        )
        if wrong:
            keys = (
                "sequence_interpolation and beam are for stages that distill"
                if self.train is not None
                else "override, init_from and mix are for stages that train"
            )
            raise ValueError(f"stage {self.name}: {keys}")
        return self


class Chain(RecipeSection):
    """Stages, in the order in which they run.

    The last training decides on the languages: its validation split chooses among all
    trainings of the same languages.
    """

    description: str = Field("", description="One line for `seq2seq recipe ls`.")
    stages: list[Stage] = Field(min_length=1)

    @model_validator(mode="after")
    def _names(self) -> Self:
        kinds: dict[str, str] = {}
        for stage in self.stages:
            if stage.name in kinds:
                raise ValueError(f"stages: two of them are called {stage.name}")
            for key, kind, names in (
                ("init_from", "train", [stage.init_from] if stage.init_from else []),
                ("distill", "train", stage.distill),
                ("mix", "distill", stage.mix),
            ):
                for name in names:
                    if kinds.get(name) != kind:
                        verb = "trains" if kind == "train" else "distills"
                        near = [n for n, other in kinds.items() if other == kind]
                        raise ValueError(
                            f"stage {stage.name}: {key}: {name} is no earlier stage "
                            f"that {verb}{did_you_mean(name, near)}"
                        )
            kinds[stage.name] = "distill" if stage.distill else "train"
        if "train" not in kinds.values():
            raise ValueError("stages: none of them trains")
        return self


@dataclass(frozen=True)
class TrainingStage:
    """A training with its recipe resolved.

    Attributes:
        name: The stage's name.
        recipe_name: A shipped recipe or the path of a file.
        overrides: All overrides, the user's last.
        recipe: The recipe that they make.
    """

    name: str
    recipe_name: str
    overrides: list[str]
    recipe: BaseRecipe

    def same_languages(self, other: TrainingStage) -> bool:
        """Whether both translate, between the same languages."""
        return (
            isinstance(self.recipe, Recipe)
            and isinstance(other.recipe, Recipe)
            and self.recipe.data.source == other.recipe.data.source
            and self.recipe.data.target == other.recipe.data.target
        )


def is_chain(name: str) -> bool:
    """Whether a name or file is a chain, not a recipe.

    Raises:
        RecipeError: If it is neither the name of a shipped one nor a file that can be
            read.
    """
    tree = read_yaml(recipe_path(name), name)
    return isinstance(tree.value, dict) and STAGES in tree.value


def read_chain(name: str) -> Chain:
    """Read a chain.

    Args:
        name: The name of a shipped chain, or the path of a file.

    Raises:
        RecipeError: With a line for each fault.
    """
    tree = read_yaml(recipe_path(name), name)
    try:
        return Chain.model_validate(to_plain(tree))
    except ValidationError as error:
        raise to_recipe_error(collect_errors(error, tree, Chain)) from None


def resolve_trainings(
    chain: Chain, name: str, folder: Path, overrides: Sequence[str]
) -> dict[str, TrainingStage]:
    """Read the recipes of a chain's trainings, before any of them runs.

    Args:
        chain: The chain.
        name: Its name; recipes that are files stand beside it.
        folder: The chain's folder, in which every stage has its own.
        overrides: The user's overrides, for all trainings.

    Raises:
        RecipeError: If a recipe is wrong, or the user overrides a key that a stage has
            set, or that the chain decides on.
    """
    resolved = {}
    for stage in chain.stages:
        if stage.train is None:
            continue
        own = list(stage.override)
        if stage.init_from:
            own.append(f"train.init_from={flow_yaml(str(folder / stage.init_from))}")
        if stage.mix:
            parts = [{"path": str(folder / part)} for part in stage.mix]
            own.append(f"data.mix={flow_yaml(parts)}")
        for stage_override in own:
            for user_override in overrides:
                if _same_key(stage_override, user_override):
                    key = stage_override.partition("=")[0]
                    location = Location(f"-o {user_override}", None)
                    text = f"stage {stage.name} sets {key} itself; leave it out"
                    raise recipe_error(location, text)
        recipe_name = stage.train
        if recipe_name not in recipe_names():
            recipe_name = str(recipe_path(name).parent / recipe_name)
        together = [*own, *overrides]
        try:
            recipe = read_recipe(recipe_name, together)
        except RecipeError as error:
            raise RecipeError(f"stage {stage.name}: {error}") from None
        resolved[stage.name] = TrainingStage(stage.name, recipe_name, together, recipe)
    return resolved


def _same_key(stage_override: str, user_override: str) -> bool:
    """Whether two overrides set the same key, or one a section with the other's."""
    a, b = (
        text.partition("=")[0].strip().split(".")
        for text in (stage_override, user_override)
    )
    length = min(len(a), len(b))
    return a[:length] == b[:length]
