"""What all sections of a recipe share. Knows limits of values; not their meaning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class RecipeSection(BaseModel):
    """A section of a recipe: unknown keys are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )


def diff_options(
    one: dict[str, Any], two: dict[str, Any], above: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the keys, joined by dots, whose values differ, with both values.

    Args:
        one: What `model_dump` gave.
        two: Likewise.
        above: What stands before the keys.
    """
    for key in {**one, **two}:
        first, second = one.get(key), two.get(key)
        if isinstance(first, dict) and isinstance(second, dict):
            yield from diff_options(first, second, f"{above}{key}.")
        elif first != second:
            yield f"{above}{key}", first, second
