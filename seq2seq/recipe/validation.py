"""Validation errors of a recipe, worded from pydantic's: `file:line: key: message`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from seq2seq.recipe.dump import flow_yaml, to_plain
from seq2seq.recipe.strict_yaml import ConfigError, Node, format_value, truncate
from seq2seq.utils.text import with_noun

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
_LENGTHS = {
    "string_too_short": ("min_length", "shorter"),
    "string_too_long": ("max_length", "longer"),
}


def collect_errors(
    error: ValidationError, tree: Node, root: type[BaseModel]
) -> list[ConfigError]:
    """Turn what pydantic found into faults with places and plain words.

    Args:
        error: What validating the values of `tree` as a `root` raised.
        tree: The recipe, every value with its location.
        root: The class of the task's recipes, or another schema.

    Returns:
        A fault for each thing that is wrong, in the order of the schema.
    """
    faults = []
    for detail in error.errors(include_url=False):
        spot = _spot(detail["loc"], root)
        if detail["type"].startswith("union_tag"):
            spot = _Spot((*spot.keys, KIND), spot.wanted)
        node = _nearest(tree, spot.keys)
        if detail["type"] == "extra_forbidden":
            text, hint = _unknown_key(detail["loc"], node, tree, root)
            location = node.key
        else:
            text, hint = _wrong_value(detail, node, spot, tree, root)
            location = node.location
        name = ".".join(truncate(str(key)) for key in spot.keys)
        text = f"{name}: {text}" if name else text
        faults.append(ConfigError(location, text, hint))
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
    close = _closest(word, [str(choice) for choice in choices])
    return f", did you mean '{close}'?" if close else ""


def _closest(word: str, choices: Sequence[str], *, part: bool = False) -> str | None:
    """Return the most similar choice by indel ratio; with `part`, one that has it."""
    from rapidfuzz import fuzz, process

    scorer, cutoff = (fuzz.WRatio, 85) if part else (fuzz.ratio, 60)
    for variant in (word[:100], re.sub(r"[- ]", "_", word[:100].lower())):
        if close := process.extractOne(
            variant, choices, scorer=scorer, score_cutoff=cutoff
        ):
            return str(close[0])
    return None


def format_choices(lead: str, choices: Sequence[object]) -> str:
    """List choices behind a lead, strings in quotes; empty if there are none."""
    shown = (f"'{c}'" if isinstance(c, str) else str(c) for c in choices)
    return lead + ", ".join(shown) if choices else ""


class _Spot(NamedTuple):
    """What pydantic's location of a fault means in the recipe."""

    keys: tuple[str | int, ...]
    wanted: Any  # The type that the schema has there; None if it has none.


def _spot(location: Iterable[str | int], root: type[BaseModel]) -> _Spot:
    """Follow a location through the schema; the tags of unions are no keys."""
    keys: list[str | int] = []
    wanted: Any = root
    for part in location:
        models = section_models(wanted)
        if isinstance(part, int):
            keys.append(part)
        elif get_origin(wanted) is dict:
            keys.append(part)
            wanted = get_args(wanted)[1]
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


def _unknown_key(
    location: Sequence[str | int], node: Node, tree: Node, root: type[BaseModel]
) -> tuple[str, str]:
    """Word an unknown key, and suggest where its value belongs.

    That is another section that has the key, else a key here that is spelt alike, else
    one elsewhere.
    """
    above = _spot(location[:-1], root)
    valid = [key for m in section_models(above.wanted) for key in m.model_fields]
    if len(location) == 1:
        valid.append(EXTENDS)
    written = str(location[-1])
    name = written.rpartition(".")[2]
    here = (*map(str, above.keys), written)
    paths = [path for path in _schema_paths(root) if path != here and path[-1] != KIND]
    moved = [path for path in paths if path[-1] == name]
    moved = [path for path in moved if ".".join(path).endswith(written)] or moved
    if not moved and (close := _closest(written, valid)):
        in_list = any(isinstance(key, int) for key in above.keys)
        if node.location.line is not None or close == EXTENDS or in_list:
            return "unknown key", f", did you mean '{close}'?"
        moved = [(*here[:-1], close)]
    elif not moved and len(name) > 3:
        close = _closest(name, [path[-1] for path in paths], part=True)
        moved = [path for path in paths if path[-1] == close]
    if moved:
        options = " or ".join(_pasteable(path, node, tree, root) for path in moved)
        return "unknown key", f", did you mean {options}?"
    return "unknown key", format_choices(", valid here are ", valid)


def _schema_paths(
    wanted: Any, prefix: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yield the keys of all sections, but not those in lists."""
    seen = set()
    for model in section_models(wanted):
        for key, field in model.model_fields.items():
            if key not in seen:
                seen.add(key)
                yield (*prefix, key)
            if get_origin(field.annotation) is not list:
                yield from _schema_paths(field.annotation, (*prefix, key))


def _pasteable(
    path: Sequence[str], node: Node, tree: Node, root: type[BaseModel]
) -> str:
    """Write a value under a key, as an override or YAML that can be pasted.

    The section's kind is added where the recipe has none that knows the key.
    """
    override = node.location.line is None
    wanted: Any = root
    default: Any = None
    kinds: dict[int, str] = {}  # Depths at which a kind has to be given.
    for depth, key in enumerate(path):
        models = section_models(wanted)
        knowing = [model for model in models if key in model.model_fields]
        valid = _kinds(knowing) if len(models) > 1 else []
        current = _nearest(tree, (*path[:depth], KIND)).value
        usual = getattr(default, KIND, None)
        if valid and current not in valid and not (override and usual in valid):
            kinds[depth] = str(usual if usual in valid else valid[0])
        field = knowing[0].model_fields[key]
        wanted, default = field.annotation, field.default
    value = to_plain(node)
    written = min(kinds, default=len(path)) if override else 0
    for depth in reversed(range(written, len(path))):
        kind = {KIND: kinds[depth]} if depth in kinds else {}
        value = {**kind, path[depth]: value}
    if not override:
        return flow_yaml(value)[1:-1]
    keys = list(path[:written])
    while isinstance(value, dict) and len(value) == 1:
        ((key, value),) = value.items()
        keys.append(key)
    return shlex.join(["-o", f"{'.'.join(keys)}={flow_yaml(value)}"])


def _wrong_value(
    detail: Mapping[str, Any],
    node: Node,
    spot: _Spot,
    tree: Node,
    root: type[BaseModel],
) -> tuple[str, str]:
    """Word a wrong value, and suggest the choice that is spelt alike."""
    kind, message, context = detail["type"], detail["msg"], detail.get("ctx", {})
    came = format_value(node)
    if kind in ("missing", "union_tag_not_found"):
        kinds = _kinds(section_models(spot.wanted)) if kind != "missing" else []
        return "required but not given" + format_choices(", one of ", kinds), ""
    if kind in ("literal_error", "union_tag_invalid"):
        union = kind == "union_tag_invalid"
        valid = _kinds(section_models(spot.wanted)) if union else _choices(spot.wanted)
        hint = did_you_mean(str(node.value), valid)
        path = [key for key in spot.keys if isinstance(key, str)]
        if hint and node.location.line is None and len(path) == len(spot.keys):
            meant = node._replace(
                value=_closest(str(node.value), list(map(str, valid)))
            )
            hint = f", did you mean {_pasteable(path, meant, tree, root)}?"
        return f"{came} is not one of {format_choices('', valid)}", hint
    text = f"{came}: {message[:1].lower()}{message[1:]}"
    if kind in _TYPES:
        models = section_models(spot.wanted)
        kinds = _kinds(models) if len(models) > 1 else []
        text = f"{came} is not {_TYPES[kind]}{format_choices(', nor one of ', kinds)}"
    elif kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        bound = str(context[name]).removesuffix(".0")
        text = f"{came} is not {words} {bound}"
    elif kind == "value_error":
        text = str(context["error"])
    elif kind in _LENGTHS:
        name, words = _LENGTHS[kind]
        text = f"{came} is {words} than {with_noun(context[name], 'character')}"
    elif kind == "string_pattern_mismatch":
        text = f"{came} does not match {context['pattern']}"
    return text, ""
