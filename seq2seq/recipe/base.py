"""Base class of the recipe's sections, and the difference of two dumped sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class RecipeSection(BaseModel):
    """A section of a recipe: immutable, and unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )


def allow_kind_alone(schema: dict[str, Any]) -> None:
    """Let the JSON schema of a union accept a kind in place of a mapping.

    `attention: none` means `attention: {kind: none}`; the loader expands it.
    """
    schema["oneOf"].append({"enum": list(schema["discriminator"]["mapping"])})


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
