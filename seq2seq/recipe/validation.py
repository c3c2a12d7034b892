"""Validation errors of a recipe, worded from pydantic's: `file:line: key: message`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from seq2seq.recipe import Recipe
from seq2seq.recipe.strict_yaml import ConfigError, Node, format_value, truncate

EXTENDS = "extends"
"""The key of a file that names the recipe that it builds on; the schema has none."""
KIND = "kind"
"""The key that tells the sections of a union apart."""

_TYPES = {
    "int_type": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a string",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def collect_errors(error: ValidationError, tree: Node) -> list[ConfigError]:
    """Turn what pydantic found into faults with places and plain words.

    Args:
        error: What validating the values of `tree` as a `Recipe` raised.
        tree: The recipe, every value with its location.

    Returns:
        A fault for each thing that is wrong, in the order of the schema.
    """
    faults = []
    for detail in error.errors(include_url=False):
        spot = _spot(detail["loc"])
        if detail["type"].startswith("union_tag"):
            spot = _Spot((*spot.keys, KIND), spot.wanted)
        node = _nearest(tree, spot.keys)
        if detail["type"] == "extra_forbidden":
            text = _unknown_key(detail["loc"])
            location = node.key
        else:
            context = detail.get("ctx", {})
            text = _wrong_value(detail["type"], detail["msg"], context, node, spot)
            location = node.location
        name = ".".join(truncate(str(key)) for key in spot.keys)
        faults.append(ConfigError(location, f"{name}: {text}" if name else text))
    return faults


def section_models(wanted: Any) -> list[type[BaseModel]]:
    """Find the sections that a type names; several make a union told apart by kind.

    Args:
        wanted: The type of a key in the schema, None if it has none.

    Returns:
        The classes of the sections; none for a type of plain values.
    """
    if args := get_args(wanted):
        return [model for arg in args for model in section_models(arg)]
    is_model = isinstance(wanted, type) and issubclass(wanted, BaseModel)
    return [wanted] if is_model else []


def did_you_mean(word: str, choices: Iterable[object]) -> str:
    """Suggest the choice that is spelt most like a word.

    Args:
        word: What was written.
        choices: What could have been written.

    Returns:
        A question that continues a message; empty if nothing is alike.
    """
    spelt = [str(choice) for choice in choices]
    for variant in (word[:100], re.sub(r"[- ]", "_", word[:100].lower())):
        if close := difflib.get_close_matches(variant, spelt, n=1):
            return f", did you mean '{close[0]}'?"
    return ""


def format_choices(lead: str, choices: Sequence[object]) -> str:
    """List choices behind a lead, strings in quotes; empty if there are none."""
    shown = (f"'{c}'" if isinstance(c, str) else str(c) for c in choices)
    return lead + ", ".join(shown) if choices else ""


class _Spot(NamedTuple):
    """What pydantic's location of a fault means in the recipe."""

    keys: tuple[str | int, ...]
    wanted: Any  # The type that the schema has there; None if it has none.


def _spot(location: Iterable[str | int]) -> _Spot:
    """Follow a location through the schema; the tags of unions are no keys."""
    keys: list[str | int] = []
    wanted: Any = Recipe
    for part in location:
        models = section_models(wanted)
        if isinstance(part, int):
            keys.append(part)
        elif len(models) > 1:
            wanted = next((m for m in models if part in _kinds([m])), None)
        elif models:
            keys.append(part)
            field = models[0].model_fields.get(part)
            wanted = field.annotation if field else None
    return _Spot(tuple(keys), wanted)


def _choices(wanted: Any) -> list[object]:
    args = get_args(wanted)
    if get_origin(wanted) is Literal:
        return list(args)
    return [choice for arg in args for choice in _choices(arg)]


def _kinds(models: Iterable[type[BaseModel]]) -> list[object]:
    fields = [model.model_fields[KIND] for model in models]
    return [kind for field in fields for kind in _choices(field.annotation)]


def _nearest(tree: Node, keys: Iterable[str | int]) -> Node:
    """Find the value at a key, or else the nearest above it."""
    for key in keys:
        if isinstance(tree.value, dict) and key in tree.value:
            tree = tree.value[str(key)]
        elif isinstance(tree.value, list) and isinstance(key, int):
            tree = tree.value[key]
        else:
            break
    return tree


def _unknown_key(location: Sequence[str | int]) -> str:
    models = section_models(_spot(location[:-1]).wanted)
    valid = [key for model in models for key in model.model_fields]
    if len(location) == 1:
        valid.append(EXTENDS)
    hint = did_you_mean(str(location[-1]), valid)
    return "unknown key" + (hint or format_choices(", valid here are ", valid))


def _wrong_value(
    kind: str, message: str, context: Mapping[str, Any], node: Node, spot: _Spot
) -> str:
    came = format_value(node)
    if kind in ("missing", "union_tag_not_found"):
        kinds = _kinds(section_models(spot.wanted)) if kind != "missing" else []
        return "required but not given" + format_choices(", one of ", kinds)
    if kind in ("literal_error", "union_tag_invalid"):
        union = kind == "union_tag_invalid"
        valid = _kinds(section_models(spot.wanted)) if union else _choices(spot.wanted)
        hint = did_you_mean(str(node.value), valid)
        return f"{came} is not one of {format_choices('', valid)}{hint}"
    if kind in _TYPES:
        return f"{came} is not {_TYPES[kind]}"
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        bound = str(context[name]).removesuffix(".0")
        return f"{came} is not {words} {bound}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_too_short":
        return f"{came} is shorter than {_characters(context['min_length'])}"
    if kind == "string_too_long":
        return f"{came} is longer than {_characters(context['max_length'])}"
    if kind == "string_pattern_mismatch":
        return f"{came} does not match {context['pattern']}"
    return f"{came}: {message[:1].lower()}{message[1:]}"


def _characters(count: int) -> str:
    return f"{count} character" if count == 1 else f"{count} characters"
