"""The base class of a recipe's sections."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RecipeSection(BaseModel):
    """A section of a recipe: immutable, and unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )
