"""Load recipes: find them by name, resolve `extends`, apply overrides, validate, dump.

All errors of a recipe are reported at once, each with file and line or the override.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from functools import partial, reduce
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

import seq2seq
from seq2seq.errors import RecipeError
from seq2seq.recipe import RECIPES, BaseRecipe, recipe_class
from seq2seq.recipe.dump import recipe_yaml, to_plain
from seq2seq.recipe.strict_yaml import (
    MAX_DEPTH,
    ConfigError,
    Location,
    Node,
    format_value,
    parse_yaml,
    plain_scalar,
    read_yaml,
    recipe_error,
    to_recipe_error,
    truncate,
)
from seq2seq.recipe.validation import (
    EXTENDS,
    KIND,
    collect_errors,
    did_you_mean,
    format_choices,
    section_models,
)
from seq2seq.utils.similar_paths import similar_path
from seq2seq.utils.text import has_surrogate

log = logging.getLogger(__name__)

MAX_CHAIN = 8
"""So many recipes may build on one another, the first and the last included."""

STAGES = "stages"
"""The key that makes a file a chain of trainings (`recipe.chain`), not a recipe."""

_SUFFIXES = (".yaml", ".yml")
# What makes a value on the command line more than plain text.
_INDICATORS = tuple("[{\"'&*!|>%@`")


def recipe_names() -> list[str]:
    """List the recipes that come with the package, without its chains.

    Returns:
        Their names, sorted: file names without suffix; `folder/name` in folders.
    """
    return [name for name in _shipped_names() if not name.startswith("chain/")]


def chain_names() -> list[str]:
    """List the chains of trainings that come with the package, sorted."""
    return [name for name in _shipped_names() if name.startswith("chain/")]


def _shipped_names() -> list[str]:
    folder = _shipped_folder()
    if folder is None:
        return []
    files = folder.rglob("*.yaml")
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in files)


def recipe_path(name: str) -> Path:
    """Find a recipe.

    Args:
        name: The name of a shipped recipe, the path of a file, or a recipe.

    Returns:
        The path of its file.

    Raises:
        RecipeError: If it is neither.
    """
    names = _shipped_names()
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
    wrong = "neither a shipped recipe nor a file"
    if stem != name:
        wrong = "this file is missing"
        near = similar_path(path, files=True)
        names = [*names, *([str(near)] if near and near.suffix in _SUFFIXES else [])]
    hint = did_you_mean(name, names) or did_you_mean(stem, names)
    wrong += f"{hint or ','} `seq2seq recipe ls` lists the shipped recipes"
    raise recipe_error(Location(name, None), wrong)


def read_recipe(name: str | BaseRecipe, overrides: Sequence[str] = ()) -> BaseRecipe:
    """Read a recipe with everything that it extends, and check it.

    A mapping is merged key by key into that of the recipe below; any other value takes
    its place, and so does a mapping whose `kind` is another one. A string in place of a
    section with a `kind` is its kind: `attention: none` is `attention: {kind: none}`.
    The overrides together are one more recipe on top, whatever their order; of two for
    one key the last wins. A section that only overrides speak of has the `kind` of its
    default.

    Args:
        name: The name of a shipped recipe, or the path of a file.
        overrides: `key.key=value` each; the value is YAML on one line.

    Returns:
        The recipe, complete and valid, of its task's class.

    Raises:
        RecipeError: With a line for each fault. A fault that only several values
            together make is blamed on the first override that brings it.
    """
    return _read(name, overrides)[0]


def show_recipe(name: str, overrides: Sequence[str] = ()) -> str:
    """Write a recipe out in full, with the comments of the files that it is made of.

    Takes the arguments of `read_recipe`, and raises what it raises.
    """
    return recipe_yaml(*_read(name, overrides))


def _read(name: str | BaseRecipe, overrides: Sequence[str]) -> tuple[BaseRecipe, Node]:
    layers, malformed = [], []
    for override in overrides:
        try:
            layers.append(_parse_override(override))
        except RecipeError as error:
            malformed.append(str(error))
    try:
        result = _build(name, layers)
    except RecipeError as error:
        malformed.insert(0, str(error))
    if malformed:
        raise RecipeError("\n".join(malformed))
    return result


def _build(name: str | BaseRecipe, layers: Sequence[Node]) -> tuple[BaseRecipe, Node]:
    """Merge a recipe with its overrides and check it."""
    if isinstance(name, str):
        files = _read_chain(name)
    else:
        files = [_to_tree(name.model_dump(mode="json"), Location("recipe", None))]
    root = _find_class([*files, *layers])
    merge = partial(_merge, root)
    written = reduce(merge, (_expand_kinds(file, root) for file in files))
    layers = [_expand_kinds(layer, root) for layer in layers]
    stages = [written]
    for count in range(1, len(layers) + 1):
        together = reduce(merge, layers[:count])
        stages.append(_start_from_defaults(merge(written, together), root))
    try:
        return root.model_validate(to_plain(stages[-1])), stages[-1]
    except ValidationError as error:
        faults = collect_errors(error, stages[-1], root)
    seen = [{fault.text for fault in _check(stage, root)} for stage in stages]
    blamed = []
    for fault in faults:
        first = next(i for i, texts in enumerate(seen) if fault.text in texts)
        blamed.append(
            fault._replace(location=layers[first - 1].location) if first else fault
        )
    raise to_recipe_error(blamed)


def _find_class(layers: Sequence[Node]) -> type[BaseRecipe]:
    """Choose the schema by the task that the last of these layers names."""
    trees = [layer.value for layer in layers if isinstance(layer.value, dict)]
    named = [tree["task"] for tree in trees if "task" in tree]
    if not named:
        return recipe_class(None)
    task = named[-1]
    tasks = [cls.model_fields["task"].default for cls in RECIPES]
    if task.value not in tasks:
        text = f"task: {format_value(task)} is not one of {format_choices('', tasks)}"
        raise recipe_error(task.location, text + did_you_mean(str(task.value), tasks))
    return recipe_class(task.value)


def _check(tree: Node, root: type[BaseRecipe]) -> list[ConfigError]:
    try:
        root.model_validate(to_plain(tree))
    except ValidationError as error:
        return collect_errors(error, tree, root)
    return []


# Files --------------------------------------------------------------------------------


def _shipped_folder() -> Path | None:
    package = Path(seq2seq.__file__).resolve().parent
    if (package / "recipes").is_dir():
        return package / "recipes"
    checkout_folder = package.parent / "recipes"
    checkout = (package.parent / "pyproject.toml").is_file()
    return checkout_folder if checkout and checkout_folder.is_dir() else None


def _read_chain(name: str) -> list[Node]:
    """Read a recipe and what it extends, from the bottom up."""
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
            raise recipe_error(base.location, text)
        if len(sources) > MAX_CHAIN:
            text = f"{EXTENDS}: {chain} is longer than {MAX_CHAIN} recipes"
            raise recipe_error(base.location, text)
        tree, base = _read_file(path, source)
        layers.append(tree)
        seen.append(path.resolve())
    return layers[::-1]


def _read_file(path: Path, source: str) -> tuple[Node, Node | None]:
    """Read one file; `extends` comes apart from the rest."""
    log.debug("recipe %s", path)
    tree = read_yaml(path, source)
    if not isinstance(tree.value, dict):
        came = "it is empty" if tree.value is None else f"{format_value(tree)} is none"
        text = f"a recipe is a mapping of keys to values, but {came}"
        raise recipe_error(tree.location, text)
    if STAGES in tree.value:
        text = "a chain of trainings, which only `seq2seq train` takes as a whole"
        raise recipe_error(tree.value[STAGES].key, f"{STAGES}: {text}")
    rest = dict(tree.value)
    base = rest.pop(EXTENDS, None)
    return tree._replace(value=rest), base


def _find_base(base: Node, path: Path, source: str) -> tuple[Path, str]:
    """Find the file that `extends` names, and what messages shall call it."""
    name, shown = base.value, format_value(base)
    names = recipe_names()
    if not isinstance(name, str):
        text = f"{shown} is not a string that names one recipe"
    elif name in names:
        return recipe_path(name), f"{name}.yaml"
    elif not name.endswith(_SUFFIXES):
        hint = did_you_mean(name, names)
        text = f"{shown} is neither a shipped recipe nor a .yaml file{hint}"
    elif PurePosixPath(name).is_absolute():
        text = f"{shown} is absolute; give the path from this file's folder"
    else:
        candidate = path.parent / name
        try:
            inside = candidate.resolve().is_relative_to(path.parent.resolve())
            if inside and candidate.is_file():
                return candidate, str(PurePosixPath(source).parent / name)
        except (OSError, ValueError, RuntimeError):
            inside = True  # A name that no file can have, or links that go in a circle.
        text = f"{shown} is no file, seen from this file's folder"
        if not inside:
            text = (
                f"{shown} leads out of this file's folder; name a shipped recipe, or a "
                "file in this folder or below"
            )
    raise recipe_error(base.location, f"{EXTENDS}: {text}")


# Overrides and merging ----------------------------------------------------------------


def _parse_override(override: str) -> Node:
    """Turn `key.key=value` into the recipe that says only this."""
    location = Location(f"-o {truncate(override)}", None)
    key, equals, text = override.partition("=")
    keys = [part.strip() for part in key.split(".")]
    if not equals or not all(keys):
        raise recipe_error(location, "not of the form key=value or key.key=value")
    if len(keys) > MAX_DEPTH:
        raise recipe_error(location, f"more than {MAX_DEPTH} keys deep")
    if keys == [EXTENDS]:
        raise recipe_error(location, f"only a file can say {EXTENDS}")
    if has_surrogate(override):
        raise recipe_error(location, "not UTF-8")
    text = text.strip()
    if text.startswith(_INDICATORS):
        node = parse_yaml(text, location)
    else:
        node = Node(plain_scalar(text), location, location, text)
    for part in reversed(keys):
        node = Node({part: node}, location, location)
    return node


def _to_tree(value: Any, location: Location) -> Node:
    """Turn plain values into what a file with them would be read as."""
    if isinstance(value, dict):
        value = {key: _to_tree(part, location) for key, part in value.items()}
    elif isinstance(value, list):
        value = [_to_tree(part, location) for part in value]
    return Node(value, location, location)


def _merge(wanted: Any, base: Node, over: Node) -> Node:
    """Merge two values for which the schema wants the type `wanted`."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    kinds = [tree[KIND].value for tree in (base.value, over.value) if KIND in tree]
    if len(section_models(wanted)) > 1 and len(kinds) > 1 and kinds[0] != kinds[1]:
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        field = _field(wanted, key)
        inner = field.annotation if field else None
        merged[key] = _merge(inner, merged[key], node) if key in merged else node
    # An override has no line to send the reader to, but the section below it has.
    last = base if over.location.line is None else over
    return last._replace(value=merged, comment=over.comment or base.comment)


def _expand_kinds(tree: Node, wanted: Any) -> Node:
    """Expand a string in place of a section with a kind: none means {kind: none}."""
    if isinstance(tree.value, dict):
        values = dict(tree.value)
        for key, node in tree.value.items():
            if field := _field(wanted, key):
                values[key] = _expand_kinds(node, field.annotation)
        return tree._replace(value=values)
    if isinstance(tree.value, str) and len(section_models(wanted)) > 1:
        kind = tree._replace(comment="")
        return Node({KIND: kind}, tree.key, tree.key, comment=tree.comment)
    return tree


def _start_from_defaults(tree: Node, wanted: Any) -> Node:
    """Give sections that only overrides speak of the kind that they have by default.

    A section in a file says its kind, so that the file reads without the schema.
    """
    if not isinstance(tree.value, dict):
        return tree
    values = dict(tree.value)
    for key, node in tree.value.items():
        if (field := _field(wanted, key)) and isinstance(node.value, dict):
            kind = getattr(field.default, KIND, None)
            start = {}
            if kind and node.location.line is None:
                start = {KIND: Node(kind, node.location, node.key)}
            section = node._replace(value=start | node.value)
            values[key] = _start_from_defaults(section, field.annotation)
    return tree._replace(value=values)


def _field(wanted: Any, key: str) -> FieldInfo | None:
    """Find a key in a section, or in the first of a union that has it."""
    models = section_models(wanted)
    return next((m.model_fields[key] for m in models if key in m.model_fields), None)
