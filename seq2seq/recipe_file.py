"""Recipes as YAML: found by name, built on one another, checked, overridden, written.

Knows files, lines and what pydantic has to say; not what any key is for (recipe.py) or
how YAML is spelt (strict_yaml.py). All faults of a recipe come at once, each as
`file:line: key: what is wrong`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

import seq2seq
from seq2seq.errors import RecipeError
from seq2seq.recipe import Recipe
from seq2seq.strict_yaml import (
    MAX_DEPTH,
    Fault,
    Node,
    Place,
    parse_yaml,
    plain_scalar,
    read_yaml,
    refusal,
    shorten,
    show,
)

EXTENDS = "extends"
"""The key of a file that names the recipe that it builds on."""
MAX_CHAIN = 8
"""So many recipes may build on one another, the first and the last included."""

_KIND = "kind"
_SUFFIXES = (".yaml", ".yml")
# What makes a value on the command line more than plain text.
_INDICATORS = tuple("[{\"'&*!|>%@`")

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


def recipe_names() -> list[str]:
    """List the recipes that come with the package.

    Returns:
        Their names, sorted: file names without suffix; `folder/name` in folders.
    """
    folder = _shipped_folder()
    if folder is None:
        return []
    files = folder.rglob("*.yaml")
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in files)


def recipe_path(name: str) -> Path:
    """Find a recipe.

    Args:
        name: The name of a shipped recipe, or the path of a file.

    Returns:
        The path of its file.

    Raises:
        RecipeError: If it is neither.
    """
    names = recipe_names()
    folder = _shipped_folder()
    if folder is not None and name in names:
        return folder / f"{name}.yaml"
    path = Path(name)
    try:
        if path.exists() and (name.endswith(_SUFFIXES) or not path.is_dir()):
            return path
    except (OSError, ValueError):
        pass  # A name that no file can have, or a folder that may not be looked into.
    stem = re.sub(r"\.ya?ml$", "", name)
    wrong = "no such file" if stem != name else "neither a shipped recipe nor a file"
    hint = _did_you_mean(stem, names) or _listed(", shipped are ", names)
    raise refusal([Fault(Place(name, None), wrong + hint)])


def read_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe with everything that it extends, and check it.

    A mapping is merged key by key into that of the recipe below; any other value takes
    its place, and so does a mapping whose `kind` is another one. The overrides together
    are one more recipe on top, whatever their order; of two for one key the last wins.

    Args:
        name: The name of a shipped recipe, or the path of a file.
        overrides: `key.key=value` each; the value is YAML on one line.

    Returns:
        The recipe, complete and valid.

    Raises:
        RecipeError: With a line for each fault. A fault that only several values
            together make is blamed on the first override that brings it.
    """
    written = _read_chain(name)
    layers = _parse_overrides(overrides)
    stages = [written]
    for count in range(1, len(layers) + 1):
        together = reduce(_merge_recipes, layers[:count])
        stages.append(_merge_recipes(written, together))
    try:
        return Recipe.model_validate(_plain(stages[-1]))
    except ValidationError as error:
        faults = _faults(error, stages[-1])
    seen = [{fault.text for fault in _check(stage)} for stage in stages]
    blamed = []
    for fault in faults:
        first = next(i for i, texts in enumerate(seen) if fault.text in texts)
        blamed.append(fault._replace(place=layers[first - 1].place) if first else fault)
    raise refusal(blamed)


def recipe_yaml(recipe: Recipe) -> str:
    """Write a recipe out in full, defaults included.

    Args:
        recipe: A valid recipe.

    Returns:
        YAML in the order of the schema, which `read_recipe` reads as an equal recipe.
    """
    text: str = yaml.dump(
        recipe.model_dump(),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=float("inf"),
    )
    return text


class _Dumper(yaml.SafeDumper):
    """Quotes strings that either YAML 1.1 or strict YAML would take for more."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        text = isinstance(plain_scalar(data), str)
        style = '"' if not data.isprintable() else None if text else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


# Files --------------------------------------------------------------------------------


def _shipped_folder() -> Path | None:
    package = Path(seq2seq.__file__).resolve().parent
    if (package / "recipes").is_dir():
        return package / "recipes"
    beside = package.parent / "recipes"
    checkout = (package.parent / "pyproject.toml").is_file()
    return beside if checkout and beside.is_dir() else None


def _read_chain(name: str) -> Node:
    """Read a recipe and what it extends, and merge them from the bottom up."""
    path = recipe_path(name)
    source = f"{name}.yaml" if name in recipe_names() else name
    tree, base = _read_file(path, source)
    layers, sources, seen = [tree], [source], [path.resolve()]
    while base is not None:
        path, source = _find_base(base, path, source)
        sources.append(source)
        chain = " -> ".join(sources)
        if path.resolve() in seen:
            text = f"{EXTENDS}: {chain} goes round in a circle"
            raise refusal([Fault(base.place, text)])
        if len(sources) > MAX_CHAIN:
            text = f"{EXTENDS}: {chain} is longer than {MAX_CHAIN} recipes"
            raise refusal([Fault(base.place, text)])
        tree, base = _read_file(path, source)
        layers.append(tree)
        seen.append(path.resolve())
    return reduce(_merge_recipes, reversed(layers))


def _read_file(path: Path, source: str) -> tuple[Node, Node | None]:
    """Read one file; `extends` comes apart from the rest."""
    tree = read_yaml(path, source)
    if not isinstance(tree.value, dict):
        came = "it is empty" if tree.value is None else f"{show(tree)} is none"
        text = f"a recipe is a mapping of keys to values, but {came}"
        raise refusal([Fault(tree.place, text)])
    rest = dict(tree.value)
    base = rest.pop(EXTENDS, None)
    return tree._replace(value=rest), base


def _find_base(base: Node, path: Path, source: str) -> tuple[Path, str]:
    """Find the file that `extends` names, and what messages shall call it."""
    name = base.value
    names = recipe_names()
    if not isinstance(name, str):
        text = f"{show(base)} is not a string that names one recipe"
    elif name in names:
        return recipe_path(name), f"{name}.yaml"
    elif not name.endswith(_SUFFIXES):
        hint = _did_you_mean(name, names)
        text = f"{show(base)} is neither a shipped recipe nor a .yaml file{hint}"
    elif PurePosixPath(name).is_absolute():
        text = f"{show(base)} is absolute; give the path from this file's folder"
    else:
        found = path.parent / name
        try:
            if found.is_file():
                return found, str(PurePosixPath(source).parent / name)
        except (OSError, ValueError):
            pass  # A name that no file can have, or a folder that may not be entered.
        text = f"{show(base)} is no file, seen from this file's folder"
    raise refusal([Fault(base.place, f"{EXTENDS}: {text}")])


# Overrides and merging ----------------------------------------------------------------


def _parse_overrides(overrides: Iterable[str]) -> list[Node]:
    """Turn each `key.key=value` into the recipe that says only this."""
    layers, errors = [], []
    for override in overrides:
        try:
            layers.append(_parse_override(override))
        except RecipeError as error:
            errors.append(str(error))
    if errors:
        raise RecipeError("\n".join(errors))
    return layers


def _parse_override(override: str) -> Node:
    place = Place(f"-o {shorten(override)}", None)
    key, equals, text = override.partition("=")
    keys = [part.strip() for part in key.split(".")]
    if not equals or not all(keys):
        raise refusal([Fault(place, "not of the form key=value or key.key=value")])
    if len(keys) > MAX_DEPTH:
        raise refusal([Fault(place, f"more than {MAX_DEPTH} keys deep")])
    if keys == [EXTENDS]:
        raise refusal([Fault(place, f"only a file can say {EXTENDS}")])
    if any("\ud800" <= character <= "\udfff" for character in override):
        raise refusal([Fault(place, "not UTF-8")])
    text = text.strip()
    if text.startswith(_INDICATORS):
        node = parse_yaml(text, place)
    else:
        node = Node(plain_scalar(text), place, place, text)
    for part in reversed(keys):
        node = Node({part: node}, place, place)
    return node


def _merge_recipes(base: Node, over: Node) -> Node:
    return _merge(base, over, Recipe)


def _merge(base: Node, over: Node, wanted: Any) -> Node:
    """Merge two values for which the schema wants the type `wanted`."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    models = _models(wanted)
    was, becomes = base.value.get(_KIND), over.value.get(_KIND)
    if len(models) > 1 and was and becomes and was.value != becomes.value:
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        fields = [m.model_fields[key] for m in models if key in m.model_fields]
        inner = fields[0].annotation if fields else None
        merged[key] = _merge(merged[key], node, inner) if key in merged else node
    # An override has no line to send the reader to, but the section below it has.
    last = base if over.place.line is None else over
    return last._replace(value=merged)


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(value) for key, value in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(value) for value in node.value]
    return node.value


# Faults -------------------------------------------------------------------------------


class _Spot(NamedTuple):
    """What pydantic's location of a fault means in the recipe."""

    keys: tuple[str | int, ...]
    wanted: Any  # The type that the schema has there; None if it has none.


def _spot(location: Iterable[str | int]) -> _Spot:
    """Follow a location through the schema; the tags of unions are no keys."""
    keys: list[str | int] = []
    wanted: Any = Recipe
    for part in location:
        models = _models(wanted)
        if isinstance(part, int):
            keys.append(part)
        elif len(models) > 1:
            wanted = next((m for m in models if part in _kinds([m])), None)
        elif models:
            keys.append(part)
            field = models[0].model_fields.get(part)
            wanted = field.annotation if field else None
    return _Spot(tuple(keys), wanted)


def _models(wanted: Any) -> list[type[BaseModel]]:
    """Find the sections that a type names; several make a union told apart by kind."""
    if args := get_args(wanted):
        return [model for arg in args for model in _models(arg)]
    is_model = isinstance(wanted, type) and issubclass(wanted, BaseModel)
    return [wanted] if is_model else []


def _choices(wanted: Any) -> list[object]:
    args = get_args(wanted)
    if get_origin(wanted) is Literal:
        return list(args)
    return [choice for arg in args for choice in _choices(arg)]


def _kinds(models: Iterable[type[BaseModel]]) -> list[object]:
    fields = [model.model_fields[_KIND] for model in models]
    return [kind for field in fields for kind in _choices(field.annotation)]


def _check(tree: Node) -> list[Fault]:
    try:
        Recipe.model_validate(_plain(tree))
    except ValidationError as error:
        return _faults(error, tree)
    return []


def _faults(error: ValidationError, tree: Node) -> list[Fault]:
    """Turn what pydantic found into faults with places and plain words."""
    faults = []
    for detail in error.errors(include_url=False):
        spot = _spot(detail["loc"])
        if detail["type"].startswith("union_tag"):
            spot = _Spot((*spot.keys, _KIND), spot.wanted)
        node = _nearest(tree, spot.keys)
        if detail["type"] == "extra_forbidden":
            text = _unknown_key(detail["loc"])
            place = node.key
        else:
            context = detail.get("ctx", {})
            text = _wrong_value(detail["type"], detail["msg"], context, node, spot)
            place = node.place
        name = ".".join(shorten(str(key)) for key in spot.keys)
        faults.append(Fault(place, f"{name}: {text}" if name else text))
    return faults


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
    models = _models(_spot(location[:-1]).wanted)
    valid = [key for model in models for key in model.model_fields]
    if len(location) == 1:
        valid.append(EXTENDS)
    hint = _did_you_mean(str(location[-1]), valid)
    return "unknown key" + (hint or _listed(", valid here are ", valid))


def _wrong_value(
    kind: str, message: str, context: Mapping[str, Any], node: Node, spot: _Spot
) -> str:
    came = show(node)
    if kind in ("missing", "union_tag_not_found"):
        kinds = _kinds(_models(spot.wanted)) if kind != "missing" else []
        return "required but not given" + _listed(", one of ", kinds)
    if kind in ("literal_error", "union_tag_invalid"):
        union = kind == "union_tag_invalid"
        valid = _kinds(_models(spot.wanted)) if union else _choices(spot.wanted)
        hint = _did_you_mean(str(node.value), valid)
        return f"{came} is not one of {_listed('', valid)}{hint}"
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


def _listed(lead: str, choices: Sequence[object]) -> str:
    shown = (f"'{c}'" if isinstance(c, str) else str(c) for c in choices)
    return lead + ", ".join(shown) if choices else ""


def _did_you_mean(word: str, choices: Iterable[object]) -> str:
    spelt = [str(choice) for choice in choices]
    for variant in (word[:100], re.sub(r"[- ]", "_", word[:100].lower())):
        if close := difflib.get_close_matches(variant, spelt, n=1):
            return f", did you mean '{close[0]}'?"
    return ""
